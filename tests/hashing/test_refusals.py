from __future__ import annotations

import contextlib
import io
import itertools
import pickle
import socket
import sys
import tempfile
import threading
import weakref
from typing import Any

import pytest

from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


class Evil:
    def __eq__(self, other):
        raise RuntimeError("eq")

    def __hash__(self):
        raise RuntimeError("hash")

    def __repr__(self):
        raise RuntimeError("repr")

    def __len__(self):
        raise RuntimeError("len")

    def __iter__(self):
        raise RuntimeError("iter")

    def __bool__(self):
        raise RuntimeError("bool")


class Unreadable:
    def __getstate__(self):
        raise RuntimeError("getstate")


class Endless:
    def __getstate__(self):
        return [self]


async def coroutine() -> None: ...


def generate():
    yield 1
    raise AssertionError("consumed")


async def generate_slowly():
    yield 1


CULPRITS: dict[str, Any] = {
    "generator": generate,
    "list iterator": lambda: iter([1]),
    "dict iterator": lambda: iter({1: 2}),
    "map": lambda: map(str, [1]),
    "count": itertools.count,
    "enumerate": lambda: enumerate([1]),
    "async generator": generate_slowly,
    "string file": lambda: io.StringIO("a"),
    "lock": threading.Lock,
    "reentrant lock": threading.RLock,
    "event": threading.Event,
    "thread": threading.Thread,
    "thread local": threading.local,
    "weak reference": lambda: weakref.ref(Box(1)),
    "frame": sys._getframe,
    "code": lambda: generate.__code__,
    "sentinel": object,
    "unreadable": Unreadable,
    "endless": Endless,
    "dict view": lambda: {}.keys(),
    "short digest": lambda: Digest("3f9a"),
    "upper-case digest": lambda: Digest("A" * 32),
    "long digest": lambda: Digest("a" * 33),
    "digest with a newline": lambda: Digest("a" * 32 + "\n"),
}


@pytest.mark.parametrize("name", CULPRITS)
@pytest.mark.parametrize("place", ["bare", "nested"])
def test_what_has_no_identity_is_refused_with_its_path(name: str, place: str) -> None:
    culprit = CULPRITS[name]()
    value = culprit if place == "bare" else {"hooks": Box([1, (culprit,)])}
    with pytest.raises(Indigestible) as caught:
        digest(value, path="args['cfg']")
    start = "args['cfg']" if place == "bare" else "args['cfg']['hooks'].content[1][0]"
    assert caught.value.path.startswith(start)
    assert str(caught.value).startswith(caught.value.path + ": " + caught.value.kind)
    assert len(str(caught.value)) > len(caught.value.path) + 20


def test_open_files_sockets_and_coroutines_are_refused() -> None:
    with tempfile.TemporaryFile() as file, socket.socket() as sock:
        waiting = coroutine()
        for culprit in (file, sock, waiting):
            with pytest.raises(Indigestible):
                digest([culprit])
        waiting.close()


def test_iterators_are_not_consumed() -> None:
    for make in (lambda: iter([1, 2]), lambda: map(int, "12"), lambda: (int(c) for c in "12")):
        iterator = make()
        with pytest.raises(Indigestible):
            digest({"a": [iterator]})
        assert list(iterator) == [1, 2]


def test_the_path_and_kind_of_the_culprit() -> None:
    with pytest.raises(Indigestible) as caught:
        digest({"cfg": Box([1, 2, generate()])}, path="args")
    assert caught.value.path == "args['cfg'].content[2]"
    assert caught.value.kind == "generator"
    assert "args['cfg'].content[2]: generator" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).path == caught.value.path


@pytest.mark.parametrize("make", [list, dict, Box])
def test_a_value_that_contains_itself_is_refused(make: Any) -> None:
    value: Any = make([]) if make is Box else make()
    if make is list:
        value.append((1, value))
    elif make is dict:
        value["self"] = [value]
    else:
        value.content.append(value)
    with pytest.raises(Indigestible, match="contains itself"):
        digest(value)
    with pytest.raises(Indigestible, match="contains itself"):
        digest([1, {"a": value}])


def test_methods_that_raise_are_never_called() -> None:
    assert digest(Evil()) == digest(Evil())
    assert digest([Evil(), {"k": Evil()}]) != digest(Evil())


def test_an_error_within_getstate_is_the_cause() -> None:
    with pytest.raises(Indigestible) as caught:
        digest([Unreadable()])
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_key_that_cannot_be_digested_is_named_by_position() -> None:
    with pytest.raises(Indigestible) as caught:
        digest({1: 2, threading.Lock(): 3})
    assert caught.value.path == "value.keys()[1]"


def test_a_full_digest_is_its_own_digest() -> None:
    full = digest([1, 2])
    assert digest(full) == full
    assert digest(Digest(full)) == full
    assert digest(str(full)) != full


def test_lists_that_other_threads_change_give_a_digest_or_an_error() -> None:
    shared: list[Any] = [{"k": i} for i in range(200)]
    table: dict[Any, Any] = {i: [i] for i in range(200)}
    stop = threading.Event()

    def change() -> None:
        for i in itertools.count():
            if stop.is_set():
                return
            shared[i % 100] = {i: bytearray(3)} if i % 3 else i
            shared.append(i)
            del shared[-1]
            table[i % 500] = {i}
            table.pop((i * 7) % 500, None)

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            for value in (shared, table, [shared, table]):
                with contextlib.suppress(Indigestible):
                    assert len(digest(value)) == 32
    finally:
        stop.set()
        for thread in threads:
            thread.join()
