"""A digest in an argument or a result never takes the place of what it stands for.

Each was a wrong hit once: a stored digest was read back by whoever stored the value.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import Any

import numpy as np
import pytest

import fleche_like as fl

pytestmark = pytest.mark.usefixtures("either_cache")


@pytest.mark.parametrize("digest_first", [True, False])
def test_a_digest_as_a_result_is_not_the_value_it_names(digest_first):
    @fl.memoize
    def name(x):
        return fl.digest([1, 2, 3])

    @fl.memoize
    def make(n):
        return [1, 2, n]

    order = [lambda: name(0), lambda: make(3)]
    for each in order if digest_first else reversed(order):
        each()
    for _ in range(3):
        assert name(0) == fl.digest([1, 2, 3])
        assert isinstance(name(0), fl.Digest)
        assert make(3) == [1, 2, 3]


def test_a_digest_within_a_result_is_not_the_value_it_names():
    array = np.arange(5)

    @fl.memoize
    def names(x):
        return [fl.digest(array)]

    @fl.memoize
    def arrays(x):
        return [array]

    for _ in range(3):
        assert names(0) == [fl.digest(array)]
        assert isinstance(arrays(0)[0], np.ndarray)


def test_a_digest_within_an_argument_is_another_argument_than_the_value():
    array = np.arange(5)

    @fl.memoize
    def kinds(values):
        return [type(value).__name__ for value in values]

    for _ in range(3):
        assert kinds([fl.digest(array)]) == ["Digest"]
        assert kinds([array]) == ["ndarray"]


def test_instances_of_classes_of_one_name_are_told_apart():
    @fl.memoize(code="none")
    def make(k):
        class Local:
            value = k

        return Local()

    @fl.memoize
    def read(thing):
        return thing.value

    def local(k):
        class Local:
            value = k

        return Local()

    for _ in range(2):
        assert [read(local(k)) for k in (1, 2, 1)] == [1, 2, 1]
        assert [make(k).value for k in (1, 2, 1)] == [1, 2, 1]


def test_made_classes_are_told_apart_by_what_they_are():
    @fl.memoize
    def read(point):
        return point.scaled()

    def made(factor) -> Any:
        namespace = {"scaled": (lambda self: self.x * 2) if factor == 2 else (lambda self: self.x)}
        return make_dataclass("Made", ["x"], namespace=namespace)

    assert [read(made(f)(5)) for f in (1, 2, 1)] == [5, 10, 5]


@dataclass
class Known:
    x: int


def test_a_class_that_its_module_holds_counts_by_its_name():
    @fl.memoize
    def read(known):
        return known.x

    assert read(Known(1)) == read(Known(1)) == 1
    assert read.stats().hits == 1
