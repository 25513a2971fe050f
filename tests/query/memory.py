"""A source in memory: what a cache offers to queries, spelled out, and what it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fleche_like.calls import Call, DigestedCall, LazyCall, Selection, select_from
from fleche_like.hashing import Digest, digest
from fleche_like.query import Query
from fleche_like.support.sentinel import MISSING

START = datetime(2026, 1, 1, tzinfo=UTC)


class MemorySource:
    """Calls in a dict, in order of saving; ``asked`` lists what came in."""

    def __init__(self, *calls: Call) -> None:
        self.calls: dict[Digest, DigestedCall] = {}
        self.values: dict[Digest, Any] = {}
        self.asked: list[tuple[Any, ...]] = []
        for call in calls:
            self.save(call)

    def save(self, call: Call) -> Digest:
        for value in [*call.arguments.values(), call.result]:
            if value is not MISSING:
                self.values[digest(value)] = value
        sealed = call.digested()
        self.calls[sealed.key] = sealed
        return sealed.key

    def select(self, selection: Selection) -> Iterator[LazyCall]:
        self.asked.append(("select", selection.limit, selection.offset))
        chosen = select_from(self.calls.values(), selection, self)
        return (LazyCall(call, self) for call in chosen)

    def count(self, selection: Selection) -> int:
        self.asked.append(("count", selection.limit, selection.offset))
        return sum(1 for _ in select_from(self.calls.values(), selection, self))

    def evict(self, key: Digest | str) -> None:
        self.asked.append(("evict", key))
        self.calls.pop(Digest(key), None)

    def shrink_keys(self, keys: Sequence[Digest]) -> Sequence[Digest]:
        self.asked.append(("shrink", len(keys)))
        return [Digest(key[:6]) for key in keys]

    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        self.asked.append(("load", len(digests)))
        return {d: self.values[d] for d in digests if d in self.values}

    def load_value(self, digest: Digest) -> Any:
        self.asked.append(("load one",))
        return self.values[digest]


def simulate(alpha: Any, steps: Any = 100, *, result: Any = MISSING, at: int = 0) -> Call:
    """Return a call that started ``at`` seconds after START."""
    if result is MISSING:
        result = alpha * steps
    runtime = {"started": START + timedelta(seconds=at), "walltime": float(at)}
    return Call(
        "simulate",
        {"alpha": alpha, "steps": steps},
        module="lab",
        result=result,
        metadata={"runtime": runtime},
    )


def grid(count: int = 10) -> MemorySource:
    """Return a source with alpha 0, 1, 2 … saved in a mixed-up order."""
    order = sorted(range(count), key=lambda n: (n * 7) % (count or 1))
    return MemorySource(*(simulate(n, at=count - n) for n in order))


def everything(source: MemorySource) -> Query:
    return Query(source)


def alphas(calls: Any) -> list[Any]:
    return [call.arguments["alpha"] for call in calls]
