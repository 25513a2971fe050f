from __future__ import annotations

import csv
import io
import json

import pytest

from fleche_like.calls import Call
from fleche_like.hashing import Digest, digest
from tests.cli.conftest import simulate


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def strict(text: str):
    """Parse JSON as other languages do, which know no NaN."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


# --- ls ---


def test_ls_lists_the_newest_first(look):
    done = look("ls", "--limit", "2")

    assert done.code == 0
    head, first, second = lines(done.out)
    assert head == ["key", "function", "arguments", "result", "seconds", "started"]
    assert first[1:6] == ["simulate", "alpha=0.9,", "steps=101", "1.8", "13.5"]
    assert second[2] == "alpha=0.8,"
    assert len(done.out.splitlines()) == 3
    assert done.err == ""


def test_ls_shows_what_is_no_scalar_by_its_digest(look):
    done = look("ls", "--name", "Model.fit")

    assert lines(done.out)[1][2].startswith("data=<")
    assert digest({"loss": [0.5]})[:8] in done.out


def test_ls_as_json_has_every_call_whole(look, results):
    done = look("ls", "--json")
    calls = strict(done.out)

    assert len(calls) == 11
    assert [call["arguments"].get("alpha") for call in calls[:2]] == [0.9, 0.8]
    first, last = calls[0], calls[-1]
    assert first["key"] == results.query(arguments={"alpha": 0.9}).one().key
    assert first["result"] == 1.8
    assert first["metadata"]["runtime"]["walltime"] == 13.5
    assert last["version"] == 2
    assert last["result"] == {"digest": digest({"loss": [0.5]})}
    assert set(last["arguments"]["data"]) == {"digest"}


def test_ls_of_a_name_that_is_not_there_finds_nothing(look):
    done = look("ls", "--name", "nothing")

    assert (done.code, done.out) == (1, "")
    assert "no calls of 'nothing'" in done.err
    assert look("ls", "--name", "nothing", "--json").out == "[]\n"


def test_a_table_is_cut_and_says_so(look, results):
    for n in range(10, 60):
        results.save(simulate(n))

    done = look("ls")
    assert len(done.out.splitlines()) == 1 + 50
    assert done.err == "50 of 61 calls; --limit 0 shows all\n"
    everything = look("ls", "--limit", "0")
    assert (len(everything.out.splitlines()), everything.err) == (1 + 61, "")
    assert len(strict(look("ls", "--json").out)) == 61


# --- show ---


def test_show_has_everything_of_a_call(look, results):
    code = digest("code")
    call = simulate(99)
    call.code = code
    key = results.commit(results.prepare(call), 19.8, call.metadata, {"lab.simulate": digest("p")})
    done = look("show", key[:10])

    assert done.code == 0
    found = dict(line.split(maxsplit=1) for line in done.out.splitlines() if len(line.split()) > 1)
    assert found["call"] == key
    assert found["function"] == "simulate"
    assert found["module"] == "lab"
    assert found["code"] == code
    assert found["alpha"] == "9.9"
    assert found["result"] == "19.8"
    assert found["runtime.walltime"] == "148.5"
    assert found["lab.simulate"] == digest("p")
    shown = strict(look("show", key, "--json").out)
    assert shown["code_parts"] == {"lab.simulate": digest("p")}
    assert shown["kind"] == "call"


def test_show_previews_what_is_no_scalar(look, results):
    key = results.query(name="Model.fit").one().key

    done = look("show", key)
    assert "<ndarray 3x4 float64>" in done.out
    assert "{'loss': [0.5]}" in done.out
    assert "version" in done.out
    assert strict(look("show", key, "--json").out)["previews"] == {
        "arg.data": "<ndarray 3x4 float64>",
        "result": "{'loss': [0.5]}",
    }


class Bomb:
    """Pickles, and says so when it is unpickled."""

    defused = True

    def __init__(self, size):
        self.size = size

    def __reduce__(self):
        return explode, (self.size,)


def explode(size):
    if not Bomb.defused:
        raise RuntimeError("unpickled\x1b[2J")
    return Bomb(size)


def test_no_values_unpickles_nothing(look, results, monkeypatch):
    call = Call("bomb", {"n": 1}, "lab", result=Bomb(1))
    key = results.save(call)
    value = call.digested().result
    monkeypatch.setattr(Bomb, "defused", False)

    for shown in (key, value):
        done = look("show", shown, "--no-values")
        assert (done.code, done.err) == (0, "")
        assert "unpickled" not in done.out
        assert look("show", shown, "--no-values", "--json").code == 0


def test_a_value_that_cannot_be_loaded_is_shown_as_such(look, results, monkeypatch):
    key = results.save(Call("bomb", {"n": 1}, "lab", result=Bomb(1)))
    monkeypatch.setattr(Bomb, "defused", False)
    done = look("show", key)

    assert done.code == 0
    assert "cannot be loaded" in done.out
    assert "\x1b" not in done.out


def test_a_value_that_is_gone_is_shown_as_such(look, results):
    call = results.query(name="Model.fit").one()
    results.values.evict(call.digested.result)

    assert "(not stored)" in look("show", call.key).out


def test_show_finds_values_and_what_made_them(look, results):
    value = digest({"loss": [0.5]})
    done = look("show", value[:12])

    assert done.code == 0
    assert lines(done.out)[0] == ["value", value]
    assert "{'loss': [0.5]}" in done.out
    assert "made by" in done.out
    assert "Model.fit" in done.out
    shown = strict(look("show", value, "--json").out)
    assert shown["kind"] == "value"
    assert shown["made_by"] == [results.query(name="Model.fit").one().key]
    assert strict(look("show", value, "--json", "--no-values").out)["preview"] is None


def test_only_some_makers_of_a_value_are_shown(look, results):
    for n in range(7):
        results.save(Call("same", {"n": n}, "lab", result=["same"]))
    done = look("show", digest(["same"]))

    assert "made by 5 calls and more" in done.out
    assert done.out.count("same  ") == 5


def test_upper_case_keys_are_keys(look, results):
    key = results.query(name="Model.fit").one().key

    assert look("show", key.upper()).code == 0


@pytest.mark.parametrize("key", ["ffffffff", "f" * 32])
def test_a_key_that_is_not_there_is_not_found(look, key):
    done = look("show", key)

    assert (done.code, done.out) == (1, "")
    assert f"no call and no value begins with '{key}'" in done.err


@pytest.mark.parametrize(
    "key", ["%", "abc", "zzzz", "a" * 33, "../../x", "3f9a_", "'; --", "f" * 10_000]
)
def test_what_is_no_digest_is_wrong_usage(look, key):
    done = look("show", "--", key)

    assert (done.code, done.out) == (2, "")
    assert "is no digest" in done.err
    assert len(done.err) < 300


def test_an_ambiguous_key_shows_two_candidates_and_the_length_needed(look, results, monkeypatch):
    keys = ["abcd" + "0" * 28, "abcde" + "0" * 27]
    kind = type(results.calls)
    monkeypatch.setattr(kind, "_prefix_candidates", lambda self, prefix: map(Digest, keys))
    done = look("show", "abcd")

    assert (done.code, done.out) == (1, "")
    assert "ambiguous" in done.err
    assert all(key in done.err for key in keys)
    assert "5 characters" in done.err


def test_a_key_that_names_a_call_and_a_value_is_ambiguous(look, results, monkeypatch):
    from fleche_like.cli import digests

    call = results.query(arguments={"alpha": 0.1}).one().key
    value = digest({"loss": [0.5]})
    found = [digests.Found("call", call), digests.Found("value", value)]
    monkeypatch.setattr(digests, "_found", lambda cache, key: iter(found))
    done = look("show", "abcd")

    assert done.code == 1
    assert call in done.err
    assert value in done.err


# --- query ---


def test_query_narrows_orders_and_limits(look):
    done = look("query", "simulate", "--where", "alpha > 0.2", "--where", "steps == 100",
                "--order", "-alpha", "--limit", "2")  # fmt: skip

    assert done.code == 0
    head, *rows = lines(done.out)
    assert head == ["key", "alpha", "steps", "result"]
    assert [row[1:] for row in rows] == [["0.8", "100", "1.6"], ["0.6", "100", "1.2"]]


@pytest.mark.parametrize("order", [["--order", "-result"], ["--order=-result"]])
def test_an_order_may_begin_with_a_dash(look, order):
    done = look("query", "simulate", *order, "--limit", "1", "--json")

    assert strict(done.out)[0]["result"] == 1.8


def test_query_by_an_arguments_very_value(look, results):
    results.save(Call("typed", {"x": 1}, result=1))
    results.save(Call("typed", {"x": None}, result=2))
    results.save(Call("typed", {"x": "lu"}, result=3))
    results.save(Call("typed", {"self": "x"}, result=4))

    def found(argument):
        return [call["result"] for call in strict(look("query", "--arg", argument, "--json").out)]

    assert found("x=1") == [1]
    assert found("x=1.0") == []
    assert found("x=None") == [2]
    assert found("x=lu") == [3]
    assert found("self=x") == [4]


def test_query_that_finds_nothing_says_so_and_is_an_exit_code(look):
    for shape in ([], ["--json"], ["--csv"]):
        done = look("query", "simulate", "--where", "alpha > 99", *shape)
        assert done.code == 1
        assert done.err == "no call matches\n"
    assert look("query", "nothing", "--json").out == "[]\n"


def test_query_as_csv_can_be_read_back(look, results):
    results.save(Call("odd", {"text": 'a,"b"\n', "n": None}, result=float("nan")))
    rows = list(csv.DictReader(io.StringIO(look("query", "odd", "--csv").out)))

    assert len(rows) == 1
    assert rows[0]["text"] == 'a,"b"\n'
    assert rows[0]["n"] == "None"
    assert rows[0]["result"] == "NaN"
    assert len(rows[0]["key"]) == 32
    many = list(csv.DictReader(io.StringIO(look("query", "--csv", "--metadata").out)))
    assert len(many) == 12
    assert {row["meta.runtime.walltime"] for row in many if row["alpha"] == "0.2"} == {"3.0"}


def test_json_stays_json_whatever_is_in_the_cache(look, results):
    odd = [float("nan"), float("inf"), -float("inf"), "\ud800", "\0", 10**5000, None, "é"]
    for n, value in enumerate(odd):
        results.save(Call("odd", {"n": n, "x": value}, result=value, metadata={"value": value}))
    calls = strict(look("query", "odd", "--order", "n", "--json").out)

    shown = [call["result"] for call in calls]
    assert shown == ["NaN", "Infinity", "-Infinity", "\ud800", "\0", hex(10**5000), None, "é"]


def test_metadata_is_shown_in_tables_on_request(look):
    assert "meta.runtime.walltime" not in look("query", "simulate").out
    assert "meta.runtime.walltime" in look("query", "simulate", "--metadata").out


# --- stats ---


def test_stats_counts_calls_values_and_time_by_function(look, results):
    done = look("stats")
    values = len(list(results.values.list()))

    assert done.code == 0
    assert ["calls", "11"] in lines(done.out)
    assert ["values", str(values)] in lines(done.out)
    assert ["simulate", "lab", "10", "67.5"] in lines(done.out)
    assert ["Model.fit", "lab", "1"] in lines(done.out)
    assert "1.12 min" in done.out


def test_stats_as_json(look, folder):
    shown = strict(look("stats", "--json").out)

    assert shown["functions"] == [
        {"name": "simulate", "module": "lab", "calls": 10, "seconds": 67.5},
        {"name": "Model.fit", "module": "lab", "calls": 1, "seconds": None},
    ]
    assert shown["calls"] == 11
    assert shown["size_bytes"] > 10_000
    assert shown["cache"] == str(folder / "results")


# --- what is hostile ---


def test_nothing_in_the_cache_can_command_the_terminal(look, results):
    text = "\x1b]0;owned\x07\x1b[2J\u202e\r\n"
    key = results.save(
        Call(text, {text: text}, text, version=text, result=[text], metadata={text: text})
    )
    commands = [("ls",), ("ls", "--json"), ("show", key), ("show", key, "--json"), ("stats",),
                ("query", "--metadata"), ("query", text), ("ls", "--name", text + "x")]  # fmt: skip
    for words in commands:
        done = look(*words)
        assert not set("\x1b\x07\u202e\r") & set(done.out + done.err), words
