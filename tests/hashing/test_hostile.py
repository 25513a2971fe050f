"""Objects that lie, raise, have side effects or change under way."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import datetime as dt
import decimal
import enum
import fractions
import itertools
import pathlib
import re
import subprocess
import sys
import threading
import types
import uuid
import weakref
from pathlib import Path
from typing import Any

import pytest

from fleche_like.errors import Indigestible
from fleche_like.hashing import digest, encode

ROOT = Path(__file__).resolve().parents[2]
LIES = {
    "__eq__": lambda self, other: True,
    "__hash__": lambda self: 0,
    "__repr__": lambda self: "None",
    "__str__": lambda self: "None",
    "__len__": lambda self: 7,
    "__iter__": lambda self: iter([1]),
    "__getitem__": lambda self, key: 5,
    "__bool__": lambda self: False,
    "__int__": lambda self: 9,
    "__index__": lambda self: 9,
    "__float__": lambda self: 9.0,
    "__bytes__": lambda self: b"9",
    "__contains__": lambda self, item: True,
    "items": lambda self: [("k", "v")],
    "keys": lambda self: ["k"],
    "values": lambda self: ["v"],
    "copy": lambda self: self,
    "encode": lambda self, *_: b"9",
    "__class__": property(lambda self: int),
}


def shout(*_: Any) -> Any:
    raise RuntimeError("called")


SHOUTS = {name: property(shout) if name == "__class__" else shout for name in LIES}
BUILTIN: dict[type, tuple[Any, Any]] = {
    int: (5, 6), float: (0.5, 1.5), complex: (1j, 2j), str: ("a", "b"), bytes: (b"a", b"b"),
    bytearray: (b"a", b"b"), tuple: ((1,), (2,)), list: ([1], [2]), dict: ({1: 2}, {1: 3}),
    set: ({1}, {2}), frozenset: ({1}, {2}), collections.OrderedDict: ({1: 2}, {1: 3}),
    collections.Counter: ("a", "b"), collections.deque: ([1], [2]),
    dt.date: (2024, 2025), pathlib.PurePosixPath: ("a", "b"), decimal.Decimal: (1, 2),
    fractions.Fraction: (1, 2), types.SimpleNamespace: ({"a": 1}, {"a": 2}),
}  # fmt: skip


def build(cls: type, base: type, content: Any) -> Any:
    if base is dt.date:
        return cls(content, 1, 1)
    return cls(**content) if base is types.SimpleNamespace else cls(content)


@pytest.mark.parametrize("base", BUILTIN)
@pytest.mark.parametrize("methods", [{}, LIES, SHOUTS], ids=["honest", "lying", "raising"])
def test_subclasses_are_told_by_their_content_whatever_they_say(base: Any, methods: Any) -> None:
    cls = type("Sub", (base,), {"__module__": "hostile", **methods})
    one, other = BUILTIN[base]
    with contextlib.suppress(RuntimeError):  # some constructors ask; the digest must not
        first, twin, second = (build(cls, base, c) for c in (one, one, other))
        assert digest(first) == digest(twin) != digest(second)
        assert digest(first) != digest(build(base, base, one))
        assert digest([first]) == digest([twin]) != digest([second])


class Counting:
    """Counts how often its methods are called."""

    calls = 0

    def __init__(self) -> None:
        self.content = [1]


for _name in LIES.keys() - {"__class__"}:

    def _count(self: Any, *_: Any) -> Any:
        type(self).calls += 1
        raise RuntimeError("called")

    setattr(Counting, _name, _count)


def test_no_method_of_an_instance_is_called_that_could_have_an_effect() -> None:
    value = Counting()
    assert digest([value, {"k": value}]) == digest([Counting(), {"k": Counting()}])
    assert digest({1: value}, "args") == digest({1: value})
    assert Counting.calls == 0


class Changing:
    """Has another state at every look."""

    looks = itertools.count()

    def __getstate__(self) -> Any:
        return {"n": next(self.looks)}


class Growing:
    def __init__(self) -> None:
        self.items: list[Any] = []

    def __getstate__(self) -> Any:
        self.items.append(1)
        return {"items": self.items}


def test_states_that_change_at_every_look_give_a_digest_all_the_same() -> None:
    for value in (Changing(), Growing()):
        assert len(digest([value])) == 32


class Refusing:
    def __getstate__(self) -> Any:
        raise KeyboardInterrupt


class Exhausting:
    def __getstate__(self) -> Any:
        raise MemoryError


class Recursing:
    def __getstate__(self) -> Any:
        return self.__getstate__()


def test_interrupts_pass_and_recursion_is_an_error_like_another() -> None:
    with pytest.raises(KeyboardInterrupt):
        digest([Refusing()])
    with pytest.raises(MemoryError):
        digest([Exhausting()])
    with pytest.raises(Indigestible):
        digest([Recursing()])


async def waits() -> None: ...


def refused() -> dict[str, Any]:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    here = weakref.ref(Counting)
    return {
        "keys": {1: 2}.keys(), "values": {1: 2}.values(), "items": {1: 2}.items(),
        "ordered keys": collections.OrderedDict(a=1).keys(), "match": re.match("a", "a"),
        "context variable": contextvars.ContextVar("v"), "context": contextvars.copy_context(),
        "weak reference": here, "weak set": weakref.WeakSet(),
        "weak dict": weakref.WeakValueDictionary(), "future": future,
        "thread": threading.Thread(), "condition": threading.Condition(),
        "semaphore": threading.Semaphore(), "barrier": threading.Barrier(2),
        "local": threading.local(), "async lock": asyncio.Lock(), "zip": zip([1], strict=True),
        "reversed": reversed([1]), "chain": itertools.chain([1]), "stdout": sys.__stdout__,
        "code": waits.__code__, "traceback": caught(), "object": object(),
        "set iterator": iter({1}), "text iterator": iter("a"),
    }  # fmt: skip


def caught() -> Any:
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__


@pytest.mark.parametrize("name", refused())
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [1, {"k": (x,)}]])
def test_refusals_name_the_type_and_say_what_to_do(name: str, wrap: Any) -> None:
    culprit = refused()[name]
    with pytest.raises(Indigestible) as error:
        digest(wrap(culprit), path="args")
    assert error.value.path.startswith("args")
    assert type(culprit).__name__ in str(error.value)
    advice = ("pass", "leave", "use", "give it", "not a value", "a value")
    assert any(word in str(error.value) for word in advice)


def test_a_subclass_of_what_is_refused_is_refused() -> None:
    class Worker(threading.Thread):
        pass

    with pytest.raises(Indigestible, match="Worker"):
        digest(Worker())


@pytest.mark.parametrize("make", [set, collections.deque, collections.OrderedDict, list, dict])
def test_containers_changed_by_another_thread_give_a_digest_or_an_error(make: Any) -> None:
    value = make() if make is not dict else {}
    stop = threading.Event()

    def change() -> None:
        for n in itertools.cycle(range(300)):
            if stop.is_set():
                return
            item: Any = (n, str(n)) if n % 3 else frozenset([n])
            if isinstance(value, dict):
                value[item] = n
                value.pop(next(iter(value)), None) if len(value) > 50 else None
            elif isinstance(value, set):
                value.add(item)
                value.discard((n - 50, str(n - 50)))
            else:
                value.append(item)
                value.pop() if len(value) > 50 else None

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(150):
            with contextlib.suppress(Indigestible):
                assert len(digest([value, {"k": value}])) == 32
    finally:
        stop.set()
        thread.join()


def test_a_plain_digest_is_right_while_other_threads_run() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        value = {"a": [1, (2, {"b": None})]}
        assert encode(value) == encode({"a": [1, (2, {"b": None})]})
    finally:
        stop.set()
        thread.join()


SCRIPT = """
import dataclasses, enum
from fleche_like.hashing import digest
class Plain:
    def __init__(self): self.x = 1
@dataclasses.dataclass
class Record: x: int = 1
class Colour(enum.Enum): RED = 1
def outer():
    class Local(Plain): pass
    return Local
def f(x): return g(x)
def g(x): return x + 1
print(*map(digest, [Plain(), Record(), Colour.RED, outer()(), Plain, Record, Colour, outer(), f]))
"""


def test_main_and_its_workers_agree_on_what_main_defines(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(SCRIPT)
    outputs = [
        subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for arguments in (["job.py"], ["-m", "job"], ["-c", "import job"])
    ]
    assert len(set(outputs)) == 1
    assert len(set(outputs[0].split())) == 9


class Tone(enum.IntFlag):
    LOW = 1
    HIGH = 2


def test_values_of_odd_corners() -> None:
    huge = 10**1_000_000
    odd = [
        huge, -huge, huge + 1, "\ud800", "\udfff\ud800", uuid.UUID(int=0), Tone(0), Tone(3),
        Tone(9),
        float("inf"), 5e-324, -5e-324, complex("nan+infj"), range(10**30), dt.datetime.max,
        dt.timedelta.min, decimal.Decimal("1e999999"), decimal.Decimal("Infinity"),
    ]  # fmt: skip
    assert len({digest(value) for value in odd}) == len(odd)
