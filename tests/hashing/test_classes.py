from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import gc
import typing
import weakref
from typing import Any

import attrs
import numpy as np
import pydantic
import pytest

from fleche_like.hashing import digest, encode, registry

T = typing.TypeVar("T")
BODY = """
class C({bases}):
    limit = {limit}
    table = {{"a": [1, (2,)]}}

    def method(self, x, y={default}):
        {doc}
        return x {operator} y

    @property
    def twice(self):
        return 2 {operator} self.limit

    @staticmethod
    def helper(x):
        return x {operator} 1
"""


def made(**changes: Any) -> Any:
    names = {"bases": "", "limit": 3, "default": 1, "doc": "pass", "operator": "+", **changes}
    space: dict[str, Any] = {"__name__": "made", "dict": dict, "list": list}
    exec(BODY.format(**names), space)
    return space["C"]


def test_a_class_is_its_name_bases_and_code() -> None:
    assert digest(made()) == digest(made())
    changes: list[dict[str, Any]] = [
        {"limit": 4},
        {"default": 2},
        {"operator": "*"},
        {"bases": "dict"},
        {"bases": "list"},
    ]
    digests = [digest(made(**each)) for each in [{}, *changes]]
    assert len(set(digests)) == len(digests)


def test_documentation_of_a_class_does_not_count() -> None:
    assert digest(made(doc="'what it does'")) == digest(made(doc="'something else'"))


def test_a_base_of_the_project_counts_with_its_code() -> None:
    def derived(base: Any) -> Any:
        return type("D", (base,), {"__module__": "made"})

    assert digest(derived(made())) == digest(derived(made()))
    assert digest(derived(made())) != digest(derived(made(operator="*")))


def test_instances_know_a_class_that_its_name_does_not_tell_by_its_code() -> None:
    assert digest(made()()) == digest(made()())
    assert digest(made()()) != digest(made(operator="*")())


class Held:
    """A class that this module holds under its name."""


def test_instances_know_a_class_that_its_module_holds_by_its_name(monkeypatch) -> None:
    known = encode(Held())
    assert b"Held" in known
    monkeypatch.setattr(Held, "code", lambda self: 1, raising=False)
    assert encode(Held()) == known


def test_what_a_class_happens_to_hold_never_makes_it_indigestible() -> None:
    one, other = made(), made()
    one.registry = [one]
    other.registry = [other]
    one.lock = other.lock = iter([])
    assert digest(one) == digest(other) != digest(made())


def members(value: Any) -> Any:
    return enum.Enum("E", {"A": value, "B": "b"}, module="made")


def record(default: Any) -> Any:
    fields = [("x", int, dataclasses.field(default=default))]
    return dataclasses.make_dataclass("R", fields, namespace={"__module__": "made"})


def model(default: Any) -> Any:
    return pydantic.create_model("M", __module__="made", x=(int, default))


def with_attrs(default: Any) -> Any:
    return attrs.make_class("A", {"x": attrs.field(default=default)})


def named(default: Any) -> Any:
    return collections.namedtuple("N", "x", defaults=[default], module="made")  # noqa: PYI024


@pytest.mark.parametrize("make", [members, record, model, named])
def test_members_and_defaults_of_generated_classes_count(make: Any) -> None:
    assert digest(make(1)) == digest(make(1)) != digest(make(2))


def test_generated_classes_have_a_digest() -> None:
    assert digest(with_attrs(1)) == digest(with_attrs(1))


def test_classes_of_python_and_of_installed_packages_are_names() -> None:
    for cls in (dict, collections.Counter, np.ndarray, functools.partial, pydantic.BaseModel):
        assert digest(cls) == digest(cls)
    assert len({digest(c) for c in (dict, list, np.float64, np.float32, collections.Counter)}) == 5


def test_two_libraries_classes_of_one_qualified_name_differ() -> None:
    def thing(module: str) -> Any:
        return type("Thing", (), {"__module__": module, "__qualname__": "Thing"})

    one, other = thing("library_a.core"), thing("library_b.core")
    assert digest(one) != digest(other)
    assert digest(one()) != digest(other())


def test_a_class_defined_in_a_function_is_told_apart_from_another_functions() -> None:
    def first() -> Any:
        class Local:
            pass

        return Local()

    def second() -> Any:
        class Local:
            pass

        return Local()

    assert digest(first()) == digest(first()) != digest(second())


@pytest.mark.parametrize(
    "use", [lambda cls: digest(cls()), digest, lambda cls: digest([cls(), cls])]
)
def test_classes_made_for_a_while_are_not_kept_alive(use: Any) -> None:
    cls = type("Passing", (), {"__init__": lambda self: setattr(self, "x", 1)})
    use(cls)
    handlers = len(registry.HANDLERS)
    gone = weakref.ref(cls)
    del cls
    gc.collect()
    assert gone() is None
    assert len(registry.HANDLERS) <= handlers


def test_a_new_class_at_the_place_of_a_dead_one_is_resolved_anew() -> None:
    for n in range(300):
        cls = type("Passing", (), {"__digest__": lambda self, n=n: n} if n % 2 else {})
        assert digest(cls()) == digest(cls())
        assert registry.is_node(cls()) == bool(n % 2)
        del cls
        gc.collect(0)


class Mine(typing.Generic[T]):
    pass


ANNOTATIONS: list[Any] = [
    int, list[int], list[str], list, tuple[int, ...], tuple[int], int | None, int | str, str | int,
    typing.List[int], typing.List, typing.Any, typing.ClassVar, typing.ClassVar[int], typing.Union,  # noqa: UP006
    typing.Callable[[int], str], typing.Callable[[str], str], typing.Callable[..., str],
    collections.abc.Callable[[int], str], typing.Literal[1], typing.Literal[True],
    typing.Literal["1"], typing.Annotated[int, "a"], typing.Annotated[int, "b"], T,
    typing.TypeVar("T", bound=int), typing.TypeVar("T", int, str), typing.TypeVar("U"),
    typing.ParamSpec("T"), typing.ForwardRef("A"), typing.ForwardRef("B"),
    typing.ForwardRef("A", module="m"),
    typing.NewType("A", int), typing.NewType("A", str), Mine, Mine[int],
    Mine[str], typing.Protocol, typing.Unpack[tuple[int]], typing.Concatenate,
]  # fmt: skip


def test_annotations_that_differ_in_anything_have_different_digests() -> None:
    digests = list(map(digest, ANNOTATIONS))
    assert len(set(digests)) == len(digests)
    assert digests == list(map(digest, ANNOTATIONS))


def test_a_union_is_one_value_however_it_is_spelt() -> None:
    assert digest(int | None) == digest(typing.Optional[int]) == digest(typing.Union[int, None])  # noqa: UP007, UP045


def test_instances_of_many_short_lived_classes_are_not_mistaken_for_each_other() -> None:
    """What a class is was remembered for the time of one digest; it must not outlive the class."""

    class Fresh:
        def __init__(self, n: int) -> None:
            self.n = n

        def __getstate__(self) -> Any:
            return type(f"Passing{self.n}", (), {"__module__": "made", "n": self.n})

    def alone(n: int) -> bytes:
        return encode(type(f"Passing{n}", (), {"__module__": "made", "n": n}))

    encoding = encode([Fresh(n) for n in range(50)])
    assert all(alone(n) in encoding for n in range(50))


def test_many_instances_of_one_local_class_repeat_its_encoding() -> None:
    cls = made()
    one = encode(cls())
    assert encode([cls(), cls(), cls]) == b"[\3\0\0\0" + one + one + encode(cls)


def test_local_classes_differ_by_what_their_methods_close_over() -> None:
    """Else the second result of a factory would be stored as the first."""

    def made(k: Any) -> type:
        class Made:
            def go(self) -> Any:
                return k

            def again(self) -> Any:
                return Made, __class__  # type: ignore[name-defined]

        return Made

    assert digest(made(1)) == digest(made(1)) != digest(made(2))
    assert digest(made({"a": [1]})) != digest(made({"a": [2]}))
    assert digest(made(lambda: 1)) != digest(made(lambda: 2))
    itself: list[Any] = [1]
    itself.append(itself)
    assert digest(made(itself)) == digest(made(itself))
