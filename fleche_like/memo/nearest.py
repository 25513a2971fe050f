"""The stored call that is nearest to one that is not stored, among a bounded number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from fleche_like.cache import Cache
from fleche_like.calls import DigestedCall, LazyCall, QueryCall
from fleche_like.hashing import Digest

_OF_EACH: Final = 8
_MOST_ARGUMENTS: Final = 16


def nearest_call(cache: Cache, wanted: DigestedCall) -> LazyCall | None:
    """Return the stored call of that function that differs in the fewest things.

    Asked are calls with the same arguments, then those with all arguments but one the same, then
    any: a bounded number of indexed statements, each for a few calls, however many are stored.

    Args:
        cache: where to look.
        wanted: the call that is not stored.
    """
    found = {call.key: call for call in _candidates(cache, wanted)}
    found.pop(wanted.key, None)
    return min(found.values(), key=lambda call: _distance(call, wanted), default=None)


def _candidates(cache: Cache, wanted: DigestedCall) -> Iterator[LazyCall]:
    for template in _templates(wanted):
        yield from cache.query(template).limit(_OF_EACH)


def _templates(wanted: DigestedCall) -> Iterator[QueryCall]:
    name, code = wanted.name, wanted.code
    arguments = wanted.arguments
    yield QueryCall(name=name, arguments=arguments)
    for left_out in itertools.islice(arguments, _MOST_ARGUMENTS):
        others: Mapping[str, Digest] = {n: d for n, d in arguments.items() if n != left_out}
        yield QueryCall(name=name, module=wanted.module, code=code, arguments=others)
    yield QueryCall(name=name, module=wanted.module, code=code)
    yield QueryCall(name=name)


def _distance(call: LazyCall, wanted: DigestedCall) -> tuple[float, float, str]:
    stored = call.digested.arguments
    names = {*stored, *wanted.arguments}
    arguments = sum(stored.get(name) != wanted.arguments.get(name) for name in names)
    version = (type(call.version), call.version) != (type(wanted.version), wanted.version)
    others = (call.module != wanted.module) + version
    code = call.code != wanted.code
    return arguments + others + code / 2, -_started(call), call.key


def _started(call: LazyCall) -> float:
    runtime = call.metadata.get("runtime")
    started = runtime.get("started") if isinstance(runtime, Mapping) else None
    return started.timestamp() if isinstance(started, datetime) else 0.0
