"""What type checkers make of memoized functions. Run by mypy and by pyright, never executed.

A line that must be refused says so to both checkers, which report an ignore that is not needed.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import fleche_like as fl
from fleche_like.calls import Call
from fleche_like.memo import BoundCall, MemoExecutor
from fleche_like.query import Query


@fl.memoize
def half(value: int, digits: str = "") -> float:
    return value / 2


@fl.memoize(version=2, ignore="digits", expire=60)
def twice(value: int, *, digits: str = "") -> list[int]:
    return [value, value]


@fl.memoize
async def later(value: int) -> bytes:
    return bytes(value)


@fl.memoize
def many(*values: int, **named: str) -> int:
    return len(values) + len(named)


@fl.memoize
def untyped(value: Any) -> Any:
    return value


class Model:
    @fl.memoize
    def predict(self, value: int) -> str:
        return str(value)

    @fl.memoize(strict=True)
    async def fetch(self, value: int) -> bytes:
        return bytes(value)

    @staticmethod
    @fl.memoize
    def static(value: int) -> complex:
        return complex(value)


def calls() -> None:
    assert_type(half(1), float)
    assert_type(half(value=1, digits="x"), float)
    assert_type(twice(3, digits="x"), list[int])
    assert_type(many(1, 2, x="y"), int)
    assert_type(Model().predict(1), str)
    assert_type(Model.predict(Model(), 1), str)
    assert_type(Model.static(1), complex)
    # Checkers bind what they find on an instance, static or not: call it on the class.

    half("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    half()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    twice(1, "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    many("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    many(x=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Model().predict("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Model().predict()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Model.static("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fl.memoize(version=[])(half)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def awaited() -> None:
    assert_type(await later(1), bytes)
    assert_type(await Model().fetch(1), bytes)
    assert_type(await later.rerun(1), bytes)
    await later("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tools() -> None:
    assert_type(half.load(1), float)
    assert_type(half.rerun(value=1, digits="x"), float)
    assert_type(later.load(1), bytes)
    assert_type(Model().predict.load(1), str)
    assert_type(Model().fetch.load(1), bytes)
    assert_type(half.contains(1), bool)
    assert_type(half.key(1), fl.Digest)
    assert_type(half.call(1), Call)
    assert_type(half.query(1), Query)
    assert_type(Model().predict.query(value=1), Query)

    half.key(1, unknown=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    half.load("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    half.contains()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Model().predict.evict("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def batches(pool: concurrent.futures.Executor) -> None:
    assert_type(half.map([1, 2]), Iterator[float])
    assert_type(half.map(range(3), executor=pool, progress=True, chunk=10), Iterator[float])
    assert_type(later.map([1, 2]), AsyncIterator[bytes])
    assert_type(Model().predict.map([1]), Iterator[str])
    assert_type(Model().fetch.map([1]), AsyncIterator[bytes])
    assert_type(half.map([(1, "x"), {"value": 1}], star=True), Iterator[float])
    assert_type(later.map([(1,)], star=True), AsyncIterator[bytes])

    assert_type(untyped.map([1]), Any)
    assert_type(list(untyped.map([1])), list[Any])

    half.map(["x"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    half.map([1], chunk="x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    half.map([1], star=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    half.map(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def elsewhere(pool: concurrent.futures.Executor) -> None:
    assert_type(half.bind(1), BoundCall[float])
    assert_type(half.bind(1)(), float)
    assert_type(Model().predict.bind(value=1)(), str)
    wrapped = fl.wrap_executor(pool)
    assert_type(wrapped, MemoExecutor)
    assert_type(wrapped.submit(half, 1, digits="x"), concurrent.futures.Future[float])
    assert_type(wrapped.submit(Model().predict, 1).result(), str)
    assert_type(wrapped.map(half, [1, 2]), Iterator[float])

    half.bind("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wrapped.submit(half, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def caches() -> None:
    cache = fl.open_cache("folder", read_only=True, memory_bytes=0)
    assert_type(cache, fl.Cache)
    with fl.open_cache("memory://") as opened, fl.use_cache(opened) as used:
        assert_type(opened, fl.Cache)
        assert_type(used, fl.Cache)
    assert_type(cache.shrink("3f9a"), fl.Digest)
    assert_type(cache.shrink("3f9a", "77aa"), tuple[fl.Digest, ...])
    assert_type(cache.load("3f9a"), fl.LazyCall)
    found = cache.query(name="half").where(fl.arg("value") > 3).order_by("value")
    assert_type(found, Query)
    assert_type(found[:10], Query)
    assert_type(found.count(), int)
    assert_type(found.one(), fl.LazyCall)
    assert_type([call.result for call in found], list[Any])

    fl.open_cache(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fl.open_cache("x", durability="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache.query(nome="half")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    found.where("value")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
