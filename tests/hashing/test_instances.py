from __future__ import annotations

import collections
import copy
import copyreg
import functools
import pickle
from typing import Any

import attrs
import pytest

from fleche_like.hashing import digest, registry


class Plain:
    def __init__(self, **names: Any) -> None:
        self.__dict__.update(names)

    @functools.cached_property
    def derived(self) -> int:
        return 42


class Slots:
    a: Any
    c: Any
    __slots__ = ("__dict__", "a", "b")


class Reduced:
    def __init__(self, n: int) -> None:
        self.n = n
        self.noise = object()

    def __reduce__(self) -> Any:
        return Reduced, (self.n,)


class Registered:
    def __init__(self, n: int) -> None:
        self.n = n
        self.noise = object()


class NewArgs:
    _n: int

    def __new__(cls, n: int) -> Any:
        made = super().__new__(cls)
        made._n = n
        return made

    def __getnewargs__(self) -> tuple[int]:
        return (self._n,)

    def __getstate__(self) -> None:
        return None


class KeywordArgs(NewArgs):
    def __getnewargs_ex__(self) -> Any:
        return (), {"n": self._n}


@attrs.define
class Attrs:
    x: int
    y: Any = None


@attrs.define(slots=False, frozen=True, cache_hash=True)
class Hashed:
    x: int


class Chain(collections.UserDict):
    pass


MAKERS: list[Any] = [Reduced, NewArgs, KeywordArgs, Attrs, Hashed, lambda n: Plain(n=n)]


@pytest.mark.parametrize("make", MAKERS)
def test_instances_are_their_class_and_state(make: Any) -> None:
    assert digest(make(1)) == digest(make(1)) != digest(make(2))
    assert digest(copy.deepcopy(make(1))) == digest(make(1))
    assert len({digest(m(1)) for m in MAKERS}) == len(MAKERS)


def test_slots_and_dict_both_count() -> None:
    def made(a: Any, c: Any) -> Any:
        value = Slots()
        value.a, value.c = a, c
        return value

    assert digest(made(1, 2)) == digest(made(1, 2))
    assert len({digest(made(1, 2)), digest(made(2, 2)), digest(made(1, 3))}) == 3


def test_values_that_cached_property_computed_do_not_count() -> None:
    one, other = Plain(a=1), Plain(a=1)
    assert one.derived == 42
    assert digest(one) == digest(other)


def test_the_cached_hash_of_attrs_does_not_count() -> None:
    one, other = Hashed(1), Hashed(1)
    hash(one)
    assert digest(one) == digest(other)


def test_copyreg_speaks_for_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Registered, lambda v: (Registered, (v.n,)))
    assert digest(Registered(1)) == digest(Registered(1)) != digest(Registered(2))


def test_errors_agree_whatever_libraries_register_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tblib does for every exception class that is loaded when it is imported."""
    before = digest(LookupError("a"))
    registry.HANDLERS.pop(id(LookupError))
    monkeypatch.setitem(copyreg.dispatch_table, LookupError, lambda v: (LookupError, (1, 2)))
    assert digest(LookupError("a")) == before != digest(LookupError("b"))


def test_attributes_of_any_kind_count() -> None:
    assert digest(Plain(a=1)) != digest(Plain(b=1)) != digest(Plain(a=1, b=2))
    assert digest(Plain(a=Plain(b=[{1}]))) != digest(Plain(a=Plain(b=[{2}])))
    assert digest(Chain(a=1)) != digest(Chain(a=2))
    assert digest(Chain(a=1)) != digest({"a": 1})


def test_a_class_made_in_a_function_is_known_by_its_qualified_name() -> None:
    def make(name: str) -> Any:
        class Local:
            pass

        Local.__qualname__ = name
        return Local()

    assert digest(make("a")) == digest(make("a")) != digest(make("b"))


def test_state_survives_pickling() -> None:
    for value in (Plain(a={1: [2]}), Attrs(1, "y"), NewArgs(3), Chain(a=1)):
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value)
