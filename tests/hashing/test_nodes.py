from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest

from fleche_like.errors import Indigestible
from fleche_like.hashing import (
    Digest,
    digest,
    encode,
    entrypoints,
    is_node,
    register_digest,
    registry,
)


class Opaque:
    def __init__(self, n: int) -> None:
        self.n = n
        self.noise = object()


class Own:
    def __init__(self, n: int) -> None:
        self.n = n

    def __digest__(self) -> Any:
        return ("own", self.n)


class Loaded:
    """Stands for a stored value, whose digest is known."""

    def __digest__(self) -> Digest:
        return digest(np.arange(3))


class Both(Opaque):
    def __digest__(self) -> Any:
        return "method"


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_registered", {})
    registry.forget()
    yield
    monkeypatch.undo()
    registry.forget()


@pytest.mark.parametrize("value", [np.arange(3), Own(1), Loaded()])
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": (x, 1)}, lambda x: {1: [[x]]}])
def test_a_digest_stands_in_for_a_node(value: Any, wrap: Any) -> None:
    assert is_node(value)
    assert digest(wrap(value)) == digest(wrap(digest(value)))
    assert encode(value) == encode(digest(value))


@pytest.mark.parametrize("value", [1, "a", (1,), {"a": 1}, {1}])
def test_a_digest_does_not_stand_in_for_other_values(value: Any) -> None:
    assert not is_node(value)
    assert digest([value]) != digest([digest(value)])


def test_digest_methods_tell_values_and_classes_apart() -> None:
    assert digest(Own(1)) == digest(Own(1)) != digest(Own(2))
    assert digest(Own(1)) != digest(("own", 1))
    assert digest(Loaded()) == digest(np.arange(3))


def test_a_function_may_carry_a_digest_method_as_an_attribute() -> None:
    def wrapper() -> None: ...

    plain = digest(wrapper)
    wrapper.__digest__ = lambda: digest("the wrapped one")  # type: ignore[attr-defined]
    assert is_node(wrapper)
    assert digest(wrapper) == digest("the wrapped one") != plain


@pytest.mark.usefixtures("clean")
def test_a_registered_type_is_a_node_with_its_class_in_it() -> None:
    with pytest.raises(Indigestible):
        digest(Opaque(1))
    register_digest(Opaque, lambda value: value.n)
    assert is_node(Opaque(1))
    assert digest(Opaque(1)) == digest(Opaque(1)) != digest(Opaque(2))
    assert digest([Opaque(1)]) == digest([digest(Opaque(1))])
    assert digest(Opaque(1)) != digest(1)


@pytest.mark.usefixtures("clean")
def test_registration_is_a_decorator_and_reaches_subclasses_under_their_own_name() -> None:
    class Sub(Opaque):
        pass

    @register_digest(Opaque)
    def by_number(value: Opaque) -> int:
        return value.n

    assert by_number(Opaque(4)) == 4
    assert digest(Sub(1)) == digest(Sub(1)) != digest(Opaque(1))


@pytest.mark.usefixtures("clean")
def test_registration_precedes_a_digest_method_and_forgets_what_was_resolved() -> None:
    before = digest(Both(1))
    register_digest(Opaque, lambda value: value.n)
    assert digest(Both(1)) != before
    register_digest(Both, lambda value: digest("given"))
    assert digest(Both(1)) == digest("given")


@pytest.mark.usefixtures("clean")
def test_a_stand_in_may_hold_anything_and_errors_name_the_value() -> None:
    register_digest(Opaque, lambda value: [value.noise])
    with pytest.raises(Indigestible) as caught:
        digest({"a": Opaque(1)})
    assert caught.value.path.startswith("value['a']")
    register_digest(Opaque, lambda value: value)
    with pytest.raises(Indigestible, match="contains itself"):
        digest(Opaque(1))


@pytest.mark.parametrize("cls", [int, list, dict, str, set, Digest, object, "no type"])
def test_fixed_types_cannot_be_registered(cls: Any) -> None:
    with pytest.raises(TypeError):
        register_digest(cls, repr)


class Point:
    """As importlib.metadata gives it, without installing a package."""

    def __init__(self, name: str, function: Any) -> None:
        self.name, self.function, self.loaded = name, function, 0

    def load(self) -> Any:
        self.loaded += 1
        return self.function


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, clean: None):
    point = Point(f"{__name__}.Opaque", lambda value: ("offered", value.n))
    asked = []

    def entry_points(*, group: str) -> list[Point]:
        asked.append(group)
        return [point]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    entrypoints._offered.cache_clear()
    entrypoints._load.cache_clear()
    yield point, asked
    entrypoints._offered.cache_clear()
    entrypoints._load.cache_clear()


def test_entry_points_are_read_once_and_only_for_unknown_types(offered: Any) -> None:
    point, asked = offered
    digest({"a": [1, {2}, range(3), np.arange(3), np.float64(1)]})
    assert is_node(np.arange(3))
    assert asked == []
    digest([Own(1)])
    assert asked == ["fleche_like.digest"]
    assert point.loaded == 0
    assert digest(Opaque(1)) == digest(Opaque(1)) != digest(Opaque(2))
    assert is_node(Opaque(1))
    assert (asked, point.loaded) == (["fleche_like.digest"], 1)


def test_entry_points_precede_methods_and_yield_to_registration(offered: Any) -> None:
    by_entry_point = digest(Both(1))
    assert by_entry_point != digest(Own(1))
    register_digest(Both, lambda value: "registered")
    assert digest(Both(1)) != by_entry_point
