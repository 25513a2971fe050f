from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Call
from fleche_like.errors import MissingExtra, QueryError
from fleche_like.hashing import Digest, digest
from fleche_like.query.frames import kind_of
from fleche_like.support.sentinel import MISSING
from tests.query.memory import MemorySource, everything, grid, simulate


def column(*cells: Any) -> pd.Series:
    """Return the column of an argument that has these values, MISSING where it is absent."""
    calls = (
        Call("f", {"row": row} | ({} if cell is MISSING else {"x": cell}))
        for row, cell in enumerate(cells)
    )
    return everything(MemorySource(*calls)).order_by("row").table()["x"]


def test_a_table_has_a_row_for_each_call_and_short_keys_as_index():
    source = grid(3)
    frame = everything(source).order_by("alpha").table()

    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == [
        "alpha",
        "steps",
        "result",
        "meta.runtime.started",
        "meta.runtime.walltime",
    ]
    assert list(frame["alpha"]) == [0, 1, 2]
    assert list(frame["result"]) == [0, 100, 200]
    assert frame.index.name == "key"
    assert [len(key) for key in frame.index] == [6, 6, 6]
    assert source.asked == [("select", None, 0), ("shrink", 3)]


def test_full_keys_on_request():
    source = grid(3)
    frame = everything(source).table(short=False)

    assert set(frame.index) == set(source.calls)
    assert source.asked == [("select", None, 0)]


def test_an_empty_table_has_the_columns_that_were_asked_for():
    source = MemorySource()
    frame = everything(source).table(arguments=["alpha"], results=True, metadata="runtime.walltime")

    assert list(frame.columns) == ["alpha", "result", "meta.runtime.walltime"]
    assert len(frame) == len(everything(source).table()) == 0
    assert frame.index.name == "key"


def test_columns_can_be_chosen():
    query = everything(grid(3))

    assert list(query.table(arguments="alpha", metadata=False)) == ["alpha", "result"]
    assert list(query.table([], False, ["runtime.walltime"])) == ["meta.runtime.walltime"]
    assert list(query.table((), False, False)) == []


def test_functions_are_named_where_there_are_several():
    source = grid(1)
    assert "name" not in everything(source).table()
    source.save(Call("train", {"alpha": 2}, module="lab"))
    frame = everything(source).order_by("alpha").table()

    assert list(frame["name"]) == ["simulate", "train"]
    assert "module" not in frame


def test_modules_and_versions_are_shown_where_they_tell_calls_apart():
    source = MemorySource(
        Call("f", {"n": 1}, module="a"),
        Call("f", {"n": 2}, module="b", version=1),
        Call("f", {"n": 3}, module="b", version="1"),
    )
    frame = everything(source).order_by("n").table()

    assert list(frame["name"]) == ["f", "f", "f"]
    assert list(frame["module"]) == ["a", "b", "b"]
    assert list(frame["version"].where(frame["version"].notna(), "-")) == ["-", 1, "1"]


@pytest.mark.parametrize("name", ["result", "name", "key", "meta.runtime.walltime", "arg.x"])
def test_an_argument_never_hides_another_column(name):
    call = Call(
        "f", {name: "mine", "x": 1}, result="theirs", metadata={"runtime": {"walltime": 9.0}}
    )
    frame = everything(MemorySource(call, Call("g", {}))).where(**{name: "mine"}).table()

    assert frame[f"arg.{name}"].item() == "mine"
    assert frame["result"].item() == "theirs"
    assert frame["meta.runtime.walltime"].item() == 9.0
    assert frame["x"].item() == 1


@given(
    names=st.sets(
        st.from_regex(r"((arg|meta)\.)*(result|name|x|arg|meta|version)", fullmatch=True),
        min_size=1,
    )
)
def test_no_two_arguments_share_a_column(names):
    call = Call("f", {name: name for name in names}, result=0, metadata={"x": 1, "result": 2})
    frame = everything(MemorySource(call)).table()

    assert len(set(frame.columns)) == len(frame.columns) == len(names) + 3
    assert frame["result"].item() == 0
    assert frame["meta.x"].item() == 1
    for name in names:
        assert name in {frame[c].item() for c in frame.columns if c.removeprefix("arg.") == name}


INT64 = 2**63 - 1
NAIVE = datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([1, 2], "int64"),
        ([INT64, -INT64 - 1], "int64"),
        ([1, MISSING], "Int64"),
        ([1, None], "Int64"),
        ([INT64, MISSING], "Int64"),
        ([True, False], "bool"),
        ([True, MISSING], "boolean"),
        ([1.5, float("nan")], "float64"),
        ([1.5, MISSING], "float64"),
        ([1, 0.5], "float64"),
        ([1, 0.5, None], "float64"),
        ([2**60 + 1, 0.5], "object"),
        ([2**63, 1], "object"),
        ([True, 1], "object"),
        ([1, "a"], "object"),
        ([None, MISSING], "object"),
        ([NAIVE, NAIVE.replace(year=1)], "datetime64[us]"),
        ([NAIVE.replace(year=9999), MISSING], "datetime64[us]"),
        ([datetime(2026, 1, 1, tzinfo=UTC), MISSING], "datetime64[us, UTC]"),
        ([datetime(2026, 1, 1, tzinfo=UTC), NAIVE], "object"),
    ],
    ids=repr,
)
def test_a_column_has_the_type_of_its_cells_and_loses_nothing(cells, dtype):
    found = column(*cells)

    assert str(found.dtype) == dtype
    for cell, shown in zip(cells, found, strict=True):
        if cell is MISSING or cell is None or cell != cell:
            assert pd.isna(shown)
        else:
            # A time that clocks showed twice never equals one of another zone.
            assert shown == cell or shown == cell.astimezone(UTC)
            assert isinstance(shown, bool | np.bool_) == isinstance(cell, bool)


def test_one_zone_is_kept_and_several_become_utc():
    berlin, tokyo = ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=9))
    one = datetime(2026, 7, 1, 12, tzinfo=berlin)
    other = datetime(2026, 7, 1, 12, tzinfo=tokyo)

    assert str(column(one, one + timedelta(days=200)).dtype) == "datetime64[us, Europe/Berlin]"
    mixed = column(one, MISSING, other)
    assert str(mixed.dtype) == "datetime64[us, UTC]"
    assert list(mixed.dropna()) == [one, other]


def test_text_is_text_even_where_it_is_no_unicode():
    assert list(column("a", "b")) == ["a", "b"]
    assert column("a", "b").dtype == pd.Series(["a", "b"]).dtype
    assert list(column("a", MISSING).isna()) == [False, True]
    assert list(column("\ud800", "a\0b")) == ["\ud800", "a\0b"]


def test_numbers_of_libraries_are_shown_as_what_they_equal():
    assert str(column(np.float64(0.1), 0.2).dtype) == "float64"
    assert str(column(np.int8(3), 4).dtype) == "int64"


def test_other_arguments_are_digests_unless_their_values_are_asked_for():
    source = MemorySource(simulate([1, 2], result=0), simulate((3,), result=0))
    query = everything(source)
    shown = query.table()["alpha"]

    assert set(shown) == {digest([1, 2]), digest((3,))}
    assert {type(cell) for cell in shown} == {Digest}
    assert ("load", 2) not in source.asked
    values = query.table(values=True)["alpha"]
    assert sorted(map(repr, values)) == ["(3,)", "[1, 2]"]
    assert source.asked[-1] == ("load", 2)


def test_a_lost_argument_stays_a_digest_and_a_lost_result_is_missing():
    source = MemorySource(simulate([1], result=[2]), simulate([3], result=[4]))
    del source.values[digest([3])], source.values[digest([4])]
    frame = everything(source).table(results=True, values=True)

    assert {repr(cell) for cell in frame["alpha"]} == {"[1]", repr(digest([3]))}
    assert [cell for cell in frame["result"] if cell is not None] == [[2]]


def test_results_are_scalars_by_default_all_on_request_and_none_if_unwanted():
    source = MemorySource(
        simulate(1, result=0.5),
        simulate(2, result=[1]),
        simulate(3, result=None),
        Call("simulate", {"alpha": 4}),
    )
    query = everything(source).order_by("alpha")
    by_default = query.table()["result"]

    assert str(by_default.dtype) == "float64"
    assert list(by_default.isna()) == [False, True, True, True]
    assert "load" not in {kind for kind, *_ in source.asked}
    assert list(query.table(results=True)["result"]) == [0.5, [1], None, None]
    assert "result" not in query.table(results=False)
    assert "result" not in everything(source).where(alpha=2).table()


def test_values_of_a_table_are_loaded_in_few_batches():
    source = MemorySource(*(simulate([n], result=[-n]) for n in range(1000)))
    everything(source).table(results=True, values=True)

    assert [n for kind, n, *_ in source.asked if kind == "load"] == [512, 488, 512, 488]


def test_without_a_library_a_table_is_a_list_of_dicts_that_lack_what_calls_lack():
    source = MemorySource(
        Call("f", {"x": 1}, result=None), Call("f", {"y": 2}, metadata={"tag": "a"})
    )
    rows = everything(source).table(library=None)

    assert rows == [
        {"key": rows[0]["key"], "x": 1, "result": None},
        {"key": rows[1]["key"], "y": 2, "meta.tag": "a"},
    ]
    assert [len(row["key"]) for row in rows] == [6, 6]


def test_metadata_is_flat_and_its_names_never_clash():
    calls = Call("f", {}, metadata={"a": {"b": 1}, "a.b": 2, "tags": ["x", "y"]})
    frame = everything(MemorySource(calls)).table()

    assert frame.iloc[0].to_dict() == {
        "meta.a.b": 1,
        "meta.a\\.b": 2,
        "meta.tags.0": "x",
        "meta.tags.1": "y",
    }


def test_a_library_that_is_not_installed_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fleche-like\[pandas\]'"):
        everything(grid()).table()


def test_a_library_that_is_not_supported_is_refused_before_anything_is_read():
    source = grid()
    with pytest.raises(QueryError, match="'numpy'; there are 'pandas', 'polars', 'arrow' and None"):
        everything(source).table(library="numpy")
    assert source.asked == []


def test_importing_and_querying_need_no_table_library():
    program = (
        "import sys, fleche_like.query\n"
        "from tests.query.memory import grid, everything\n"
        "everything(grid()).table(library=None); everything(grid())._repr_html_()\n"
        "print([name for name in ('pandas', 'polars', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout == "[]\n", done.stderr


MIXED = [
    Call("f", {"i": 1, "f": 0.5, "b": True, "s": "a", "d": NAIVE, "o": [1]}),
    Call("f", {"i": 2, "f": 1, "s": "\ud800", "z": datetime(2026, 1, 1, tzinfo=UTC), "o": [2]}),
    Call("f", {"n": None, "s": "b"}),
]


def test_polars_columns_have_the_same_types():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = everything(MemorySource(*MIXED)).table(library="polars", values=True)

    assert frame.columns[0] == "key"
    dtypes = {name: str(dtype) for name, dtype in frame.schema.items()}
    assert dtypes == {
        "key": "String",
        "i": "Int64",
        "f": "Float64",
        "b": "Boolean",
        "s": "Object",
        "d": "Datetime(time_unit='us', time_zone=None)",
        "o": "Object",
        "z": "Datetime(time_unit='us', time_zone='UTC')",
        "n": "Null",
    }
    assert frame["i"].to_list() == [1, 2, None]
    assert frame["o"].to_list()[:2] == [[1], [2]]
    assert isinstance(frame, polars.DataFrame)


def test_arrow_columns_have_the_same_types():
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = everything(MemorySource(*MIXED)).table(library="arrow", values=True)

    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "key": "string",
        "i": "int64",
        "f": "double",
        "b": "bool",
        "s": "string",
        "d": "timestamp[us]",
        "o": "list<item: int64>",
        "z": "timestamp[us, tz=UTC]",
        "n": "null",
    }
    assert table["i"].to_pylist() == [1, 2, None]
    assert table["s"].to_pylist() == ["'a'", "'\\ud800'", "'b'"]
    assert isinstance(table, arrow.Table)


@given(
    cells=st.lists(
        st.one_of(
            st.none(),
            st.just(MISSING),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(st.characters(), max_size=3),
            st.datetimes(),
            st.datetimes(
                timezones=st.sampled_from([UTC, ZoneInfo("Asia/Tokyo"), ZoneInfo("Africa/Lagos")])
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_scalars_make_a_column_that_holds_them(cells):
    if all(cell is MISSING for cell in cells):
        return
    for cell, shown in zip(cells, column(*cells), strict=True):
        if cell is MISSING or cell is None or cell != cell:
            assert pd.isna(shown)
        else:
            # A time that clocks showed twice never equals one of another zone.
            assert shown == cell or shown == cell.astimezone(UTC)


def test_the_kind_of_a_column_ignores_what_is_missing():
    assert kind_of([MISSING, 1, None]) == "int"
    assert kind_of([None, MISSING]) == "empty"
    assert kind_of([]) == "empty"


def drawn_up(*cells: Any, library: str) -> list[Any]:
    calls = [Call("f", {"n": n, "x": cell}) for n, cell in enumerate(cells)]
    table = everything(MemorySource(*calls)).order_by("n").table(library=library)
    return list(table["x"].to_pylist() if library == "arrow" else table["x"])


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_moments_at_the_ends_of_the_calendar_are_no_error(library):
    """In UTC they have no place in it."""
    ends = [
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    ]
    cells = drawn_up(*ends, library=library)
    assert [str(cell).strip("'") for cell in cells] == list(map(str, ends))


def test_arrow_keeps_zones_apart_from_none():
    """Left alone, Arrow drops the zones of a column in which some have none."""
    mixed = [datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=5)))]
    assert drawn_up(*mixed, library="arrow") == ["2020-01-01 00:00:00", "2020-01-01 00:00:00+05:00"]
