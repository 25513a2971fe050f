from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fleche_like.errors import Indigestible
from fleche_like.hashing import digest, is_node


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns or {"a": [1, 2], "b": [0.5, 1.5], "s": ["x", "y"]})


def marked(value: Any) -> Any:
    value.attrs["unit"] = "m"
    return value


base = frame()
DIFFERENT: list[Any] = [
    base, base[["b", "a", "s"]], base.rename(columns={"a": "c"}), base.iloc[::-1], base.iloc[:1],
    base.set_index("a"), base.astype({"a": "int32"}), base.astype({"a": float}), marked(frame()),
    base.astype({"s": object}), base.astype({"s": "string"}), base.astype({"s": "category"}),
    base.set_index([["p", "q"]]), base.set_flags(allows_duplicate_labels=False), base.T, base["a"],
    base["a"].rename("z"), base["a"].array, base["a"].to_numpy(), base.index, base.columns,
    pd.Index([0, 1]), pd.Index([0, 1], name="n"), pd.Index([0.0, 1.0]), pd.RangeIndex(3),
    pd.MultiIndex.from_product([[1], [2, 3]]), pd.MultiIndex.from_product([[1], [3, 2]]),
    pd.DataFrame(), pd.DataFrame(index=[0]), pd.DataFrame(columns=["a"]),
    pd.Series([], dtype=float),
    pd.Series([1, None], dtype="Int64"), pd.Series([1, 0], dtype="Int64"), pd.Series([1.0, None]),
    pd.Series([True, None], dtype="boolean"), pd.Series(["a", None], dtype="string"),
    pd.Series(["a", None], dtype=object), pd.Series(["a", float("nan")], dtype=object),
    pd.Series(["a", pd.NA], dtype=object), pd.Series(["a", "b"], dtype="category"),
    pd.Series(pd.Categorical(["a", "b"], categories=["b", "a"])),
    pd.Series(pd.Categorical(["a", "b"], ordered=True)),
    pd.Series(pd.date_range("2024", periods=2)),
    pd.Series(pd.date_range("2024", periods=2, tz="UTC")),
    pd.Series(pd.date_range("2024", periods=2, tz="Europe/Berlin")),
    pd.date_range("2024", periods=2), pd.date_range("2024", periods=2, freq="h"),
    pd.timedelta_range("1h", periods=2), pd.period_range("2024-01", periods=2, freq="M"),
    pd.interval_range(0, 2), pd.interval_range(0, 2, closed="left"),
    pd.arrays.SparseArray([0, 0, 1]), pd.arrays.SparseArray([0, 1, 0]),
    pd.arrays.SparseArray([0.0, 0, 1]), pd.Timestamp("2024"), pd.Timestamp("2024", tz="UTC"),
    pd.Timestamp("2024").as_unit("s"), pd.Timedelta(1), pd.Timedelta(2), pd.NaT, pd.NA, None,
    float("nan"), pd.Period("2024-01", "M"), pd.Period("2024-01-01", "D"), pd.Interval(0, 1),
    pd.Interval(0, 1, closed="both"), pd.offsets.Day(1), pd.offsets.Day(2), pd.offsets.MonthEnd(1),
    pd.CategoricalDtype(["a"]), pd.CategoricalDtype(["b"]), pd.Int64Dtype(),
    pd.DatetimeTZDtype("ns", "UTC"),
    pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame([[1, 2]], columns=["a", "b"]),
]  # fmt: skip


def test_what_differs_in_anything_has_another_digest() -> None:
    seen: dict[str, int] = {}
    for i, value in enumerate(DIFFERENT):
        key = digest(value)
        assert key not in seen, f"{value!r} and {DIFFERENT[seen[key]]!r}"
        seen[key] = i


def test_pickles_and_copies_agree() -> None:
    for value in DIFFERENT:
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value), repr(value)


def test_blocks_and_layout_do_not_matter() -> None:
    one = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5, 6]})
    grown = pd.DataFrame({"a": [1.0, 2.0]})
    grown["b"] = [3.0, 4.0]
    grown["c"] = [5, 6]
    fortran = pd.DataFrame(np.asfortranarray(one[["a", "b"]].to_numpy()), columns=["a", "b"])
    assert digest(grown) == digest(one)
    assert digest(fortran) == digest(one[["a", "b"]])


def test_values_under_a_mask_do_not_matter() -> None:
    mask = np.array([False, True])
    one = pd.arrays.IntegerArray(np.array([1, 5]), mask.copy())
    other = pd.arrays.IntegerArray(np.array([1, 9]), mask.copy())
    assert digest(one) == digest(other)


@pytest.mark.parametrize("dtype", ["str", "string[pyarrow]", "string[python]"])
def test_chunks_and_slices_of_strings_do_not_count(dtype: str) -> None:
    whole = pd.Series(["a", None, "", "bc"], dtype=dtype)
    parts = pd.concat([whole[:1], whole[1:3], whole[3:]])
    longer = pd.concat([whole[3:], whole, whole[:1]], ignore_index=True)[1:5]
    assert digest(parts) == digest(whole) != digest(whole.fillna("x"))
    assert digest(longer.array) == digest(whole.array) != digest(whole[::-1].array)


def test_frames_are_nodes() -> None:
    for value in (base, base["a"], base.index, base["s"].array):
        assert is_node(value)
        assert digest({"f": value}) == digest({"f": digest(value)})
    assert not is_node(pd.Timestamp("2024"))


def test_a_culprit_in_a_column_is_named() -> None:
    with pytest.raises(Indigestible) as caught:
        digest([pd.DataFrame({"q": [1, iter([])]})])
    assert caught.value.path == "value[0]['q'][1]"


def test_subclasses_keep_their_name() -> None:
    class Mine(pd.DataFrame):  # type: ignore[misc]
        @property
        def _constructor(self) -> Any:
            return Mine

    assert digest(Mine(base)) == digest(Mine(base)) != digest(base)
