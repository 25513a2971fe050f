"""Known traps of methods, and a search for wrong hits over classes, spellings and mutations."""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import fleche_like as fl
from fleche_like.testing.strategies import values

pytestmark = pytest.mark.usefixtures("cache")


class Base:
    factor = 1

    def __init__(self, k):
        self.k = k

    @fl.memoize
    def scaled(self, x):
        return self.factor * self.k * x

    @fl.memoize
    def hook(self, x):
        return self.step(x)

    def step(self, x):
        return x + 1

    @property
    @fl.memoize
    def double(self):
        return 2 * self.k

    @classmethod
    @fl.memoize
    def kind(cls, x):
        return cls.__name__, cls.factor, x

    @staticmethod
    @fl.memoize
    def plain(x):
        return x


class Child(Base):
    factor = 10

    def step(self, x):
        return x + 100


class Grandchild(Child):
    @fl.memoize
    def scaled(self, x):
        return -super().scaled(x)


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)

    @fl.memoize
    def shown(self):
        return self.x, tuple(self.tags)


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int

    @fl.memoize
    def plus(self, y):
        return self.x + y


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k

    @fl.memoize
    def get(self):
        return self.k


class Shape(abc.ABC):
    @abc.abstractmethod
    def side(self): ...

    @fl.memoize
    def area(self):
        return self.side() ** 2


class Two(Shape):
    def side(self):
        return 2


class Three(Shape):
    def side(self):
        return 3


def test_inherited_methods_of_two_classes():
    assert [Base(2).scaled(3), Child(2).scaled(3), Base(2).scaled(3)] == [6, 60, 6]


def test_a_method_that_calls_one_that_is_overridden():
    assert [Base(1).hook(1), Child(1).hook(1), Base(1).hook(1)] == [2, 101, 2]


def test_an_overridden_method_that_calls_the_one_above():
    assert Grandchild(2).scaled(3) == -60
    assert Grandchild(2).scaled(3) == -60
    assert Child(2).scaled(3) == 60


def test_abstract_bases():
    assert [Two().area(), Three().area(), Two().area()] == [4, 9, 4]


def test_a_class_attribute_that_changes(monkeypatch):
    assert Base(2).scaled(3) == 6
    monkeypatch.setattr(Base, "factor", 5)
    assert Base(2).scaled(3) == 30


def test_a_method_replaced_on_the_class(monkeypatch):
    assert Base(1).hook(1) == 2
    monkeypatch.setattr(Base, "step", lambda self, x: x - 1)
    assert Base(1).hook(1) == 0


def test_properties():
    values_: list[Any] = [Base(2).double, Base(3).double, Base(2).double]
    assert values_ == [4, 6, 4]


def test_class_methods_called_through_classes_and_instances():
    base: Any = Base
    child: Any = Child
    for _ in range(2):
        assert base.kind(1) == base(7).kind(1) == ("Base", 1, 1)
        assert child.kind(1) == child(7).kind(1) == ("Child", 10, 1)


def test_static_methods_called_through_classes_and_instances():
    instance: Any = Base(1)
    assert Base.plain(1) == instance.plain(1) == 1
    assert Base.plain.stats().hits == 1


def test_a_dataclass_as_self_counts_by_its_fields():
    point = Point(1)
    assert point.shown() == (1, ())
    point.tags.append("a")
    assert point.shown() == (1, ("a",))
    point.x = 2
    assert point.shown() == (2, ("a",))
    assert Point(1).shown() == (1, ())
    assert Point.shown.stats().hits == 1


def test_frozen_and_slotted_instances():
    assert [Frozen(1).plus(1), Frozen(2).plus(1), Frozen(1).plus(1)] == [2, 3, 2]
    assert [Slotted(1).get(), Slotted(2).get(), Slotted(1).get()] == [1, 2, 1]


def test_attributes_that_were_added_later():
    one, other = Base(1), Base(1)
    other.extra = 5  # type: ignore[attr-defined]

    @fl.memoize
    def names(instance):
        return sorted(vars(instance))

    assert [names(one), names(other), names(one)] == [["k"], ["extra", "k"], ["k"]]


def test_a_method_on_one_instance_alone():
    special = Base(1)
    special.step = lambda x: x + 1000  # type: ignore[method-assign]
    assert Base(1).hook(1) == 2
    assert special.hook(1) == 1001


def test_equal_instances_with_other_hashes_are_one():
    class Odd:
        def __init__(self, k):
            self.k = k

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    @fl.memoize
    def read(x):
        return x.k

    assert [read(Odd(1)), read(Odd(2)), read(Odd(1))] == [1, 2, 1]


def test_bound_methods_as_arguments():
    @fl.memoize
    def apply(function, x):
        return function(x)

    assert [apply(Base(k).step, 1) for k in (1, 2)] == [2, 2]
    assert [apply(Base(k).scaled, 1) for k in (1, 2, 1)] == [1, 2, 1]
    assert apply(functools.partial(Child(2).scaled), 1) == 20


# --- a search for wrong hits ----------------------------------------------------------------------


def described(value: Any) -> str:
    return f"{type(value).__qualname__}:{fl.digest(value)}"


def plain(a, b=0, /, c=1, *rest, d=2, **more):
    return [
        [described(each) for each in (a, b, c, d)],
        [described(each) for each in rest],
        {name: described(more[name]) for name in sorted(more)},
    ]


memoized = fl.memoize(plain)

SMALL = st.sampled_from([0, 1, True, False, 0.0, -0.0, 1.0, "", "1", b"1", (), (1,), [1], None])
SPELLINGS = st.fixed_dictionaries(
    {"positional": st.lists(SMALL | values(), min_size=1, max_size=5)},
    optional={
        "keywords": st.dictionaries(st.sampled_from(["d", "a", "b", "x", "y"]), SMALL, max_size=3)
    },
)


@given(st.lists(SPELLINGS, min_size=1, max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_spelling_gives_what_the_plain_function_gives(spellings):
    for spelling in [*spellings, *spellings]:
        args, kwargs = spelling["positional"], spelling.get("keywords", {})
        expected = plain(*args, **kwargs)
        assert memoized(*args, **kwargs) == expected
        assert list(memoized.map([args], star=True)) == [plain(*args)]


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, Any]]:
    steps = st.tuples(st.sampled_from(["set", "append", "pop", "attribute", "call"]), SMALL)
    return draw(st.lists(steps, min_size=1, max_size=12))


class State:
    def __init__(self):
        self.items: list[Any] = []
        self.table: dict[str, Any] = {}

    def look(self, x):
        return [described(self.items), described(self.table), described(vars(self)), described(x)]

    looked = fl.memoize(look)


@given(mutations())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_instance_that_changes_between_calls_gives_what_the_plain_method_gives(steps):
    state = State()
    for what, value in steps:
        if what == "set":
            state.table["k"] = value
        elif what == "append":
            state.items.append(value)
        elif what == "pop" and state.items:
            state.items.pop()
        elif what == "attribute":
            state.extra = value  # type: ignore[attr-defined]
        assert state.looked(1) == state.look(1)
