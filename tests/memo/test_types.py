"""What type checkers make of memoized functions; the checker runs over this file."""

from __future__ import annotations

from typing import assert_type

import fleche_like as fl
from fleche_like.memo import BoundMemoized, Memoized


@fl.memoize
def half(value: int, digits: str = "") -> float:
    return value / 2


@fl.memoize(version=2)
def twice(value: int) -> list[int]:
    return [value, value]


class Model:
    @fl.memoize
    def predict(self, value: int) -> str:
        return str(value)


def test_parameters_and_results_keep_their_types(cache):
    assert isinstance(half, Memoized)
    assert_type(half(1), float)
    assert_type(half.load(1), float)
    assert_type(half.rerun(value=1, digits="x"), float)
    assert_type(half.contains(1), bool)
    assert_type(twice(3), list[int])
    assert_type(half.key(1), fl.Digest)
    assert half(4, digits="x") == 2.0


def test_methods_keep_theirs(cache):
    model = Model()
    assert isinstance(model.predict, BoundMemoized)
    assert_type(model.predict(1), str)
    assert_type(model.predict.load(1), str)
    assert_type(Model.predict(model, 1), str)


def mistakes_are_found_by_the_checker() -> None:
    half("text")  # type: ignore[arg-type]
    half()  # type: ignore[call-arg]
    half.key(1, unknown=2)  # type: ignore[call-arg]
    Model().predict("text")  # type: ignore[arg-type]
