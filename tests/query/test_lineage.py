"""A lineage as people look at it: trees, Mermaid, Graphviz, and what it begins with."""

from __future__ import annotations

import itertools
import re
import time

import numpy as np
import pytest

from fleche_like.calls import Call
from fleche_like.config import open_cache
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import digest

RAW, CLEAN, MODEL = np.arange(3), np.arange(4), np.arange(5)


@pytest.fixture
def cache(tmp_path):
    with open_cache(tmp_path / "results") as cache:
        yield cache


@pytest.fixture
def chain(cache):
    """load → clean → fit → two reports, one of which takes the model from a dict."""
    return {
        "load": cache.save(Call("load", {"path": "a.csv"}, result=RAW)),
        "clean": cache.save(Call("clean", {"data": RAW}, result={"data": CLEAN, "rows": 4})),
        "fit": cache.save(Call("fit", {"data": CLEAN, "lr": 0.1}, result=MODEL)),
        "report": cache.save(Call("report", {"model": {"best": MODEL}}, result="fine")),
        "plot": cache.save(Call("plot", {"models": [MODEL, CLEAN]}, result=b"png")),
        "other": cache.save(Call("other", {"lr": 0.1}, result=[1])),
    }


def names(calls):
    return sorted(call.name for call in calls)


def test_a_call_has_all_that_it_came_from_and_all_that_came_of_it(cache, chain):
    lineage = cache.lineage(chain["fit"])

    assert names(lineage.upstream) == ["clean", "load"]
    assert names(lineage.downstream) == ["plot", "report"]
    assert names(lineage.producers) == ["clean"]
    assert names(lineage.consumers) == ["plot", "report"]
    ties = {(e.part, e.argument) for e in lineage.edges if e.consumer == chain["fit"]}
    assert ties == {("['data']", "data")}
    assert {e.argument for e in lineage.edges if e.consumer == chain["plot"]} == {
        "models[0]", "models[1]",
    }  # fmt: skip


@pytest.mark.parametrize("given", ["value", "digest", "short"])
def test_a_value_has_those_who_made_it_and_those_who_used_it(cache, chain, given):
    full = digest(MODEL)
    lineage = cache.lineage({"value": MODEL, "digest": full, "short": full[:10]}[given])

    assert names(lineage.producers) == ["fit"]
    assert names(lineage.consumers) == ["plot", "report"]
    assert names(lineage.upstream) == ["clean", "fit", "load"]


@pytest.mark.parametrize("given", ["key", "short", "call", "lazy"])
def test_a_call_is_given_in_any_way(cache, chain, given):
    key = chain["clean"]
    call = Call("clean", {"data": RAW})
    ways = {"key": str(key), "short": key[:12], "call": call, "lazy": cache.load(key)}

    assert cache.lineage(ways[given]).start.key == key


def test_scalars_tie_calls_only_on_request(cache, chain):
    cache.save(Call("rate", {}, result=0.1))

    assert names(cache.lineage(chain["fit"]).upstream) == ["clean", "load"]
    assert names(cache.lineage(chain["fit"], scalars=True).upstream) == ["clean", "load", "rate"]


def test_depth_and_direction_narrow_a_lineage(cache, chain):
    assert names(cache.lineage(chain["fit"], depth=1).upstream) == ["clean"]
    assert cache.lineage(chain["fit"], up=False).upstream == ()
    assert cache.lineage(chain["fit"], down=False).downstream == ()


def test_what_is_not_there_is_not_found(cache, chain):
    with pytest.raises(KeyNotFound):
        cache.lineage("ffff0000")


def test_it_prints_as_a_tree(cache, chain):
    text = re.sub(r" [0-9a-f]{8}", "", str(cache.lineage(chain["fit"], down=False)))

    assert text.splitlines() == [
        "fit(data=…, lr=0.1)",
        "came from",
        "└─ clean(data=…)  (['data'] as data)",
        "   └─ load(path='a.csv')  (as data)",
    ]


def test_calls_in_a_circle_are_shown_once(cache):
    cache.save(Call("there", {"x": RAW}, result=CLEAN))
    key = cache.save(Call("back", {"x": CLEAN}, result=RAW))
    lineage = cache.lineage(key)

    assert names(lineage.upstream) == names(lineage.downstream) == ["there"]
    assert str(lineage).count("there(") == 2  # once in each direction
    assert lineage.to_graphviz().count("->") == 2


def test_graphs_name_each_call_and_each_tie(cache, chain):
    lineage = cache.lineage(chain["fit"])
    mermaid, dot = lineage.to_mermaid(), lineage.to_graphviz()

    assert mermaid.startswith("flowchart TD\n")
    assert mermaid.count("-->") == dot.count("->") == len(lineage.edges) == 5
    assert len(re.findall(r'^  c\d+\["', mermaid, re.MULTILINE)) == len(lineage) == 5
    assert dot.startswith("digraph lineage {")
    assert dot.endswith("}")
    assert cache.lineage(MODEL).to_mermaid().count("v([") == 1


def test_no_text_breaks_out_of_a_graph(cache):
    evil = 'a"]\n--> b\\ <script> `'
    cache.save(Call(evil, {evil: "x"}, result=RAW))
    lineage = cache.lineage(RAW)

    assert '"]\n' not in lineage.to_mermaid().replace('"]\n  v([', "")
    assert "<script>" not in lineage.to_mermaid()
    assert "<script>" not in lineage._repr_html_()
    assert "\n--> b" not in str(lineage) + lineage.to_graphviz()


def test_ten_thousand_calls_do_not_hang(cache):
    values = [np.array([n]) for n in range(2501)]
    calls = [
        Call(f"step{side}", {"x": before, "side": side}, result=after).digested()
        for before, after in itertools.pairwise(values)
        for side in range(4)
    ]
    cache.calls.save_many(calls)
    began = time.process_time()
    lineage = cache.lineage(values[-1], most=20_000)

    assert len(lineage) == 10_000
    assert len(str(lineage).splitlines()) < 300
    assert lineage.to_mermaid().count("-->") > 10_000
    assert time.process_time() - began < 20
    cut = cache.lineage(values[-1], most=100)
    assert cut.is_cut
    assert len(cut) == 100
