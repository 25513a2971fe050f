"""Single changes of a value, each of which must change its digest: the oracle of a property test.

Nothing here knows the encoding: a change is one that a program could observe.
"""

from __future__ import annotations

import collections
import dataclasses
import types
from collections.abc import Iterator
from typing import Any

from fleche_like.testing.strategies import Instance, Record

OTHER = ("a value", "that nobody else", "has drawn")


def changed(value: Any) -> Iterator[Any]:
    """Yield values that differ from ``value`` in one place each."""
    yield OTHER
    yield [value]
    yield (value,)
    yield {"k": value}
    kind = type(value)
    if kind in (list, tuple, collections.deque):
        yield from _sequences(value)
    elif kind is dict:
        yield from _mappings(value)
    elif kind in (set, frozenset):
        yield kind([*value, OTHER])
    elif kind in (Record, Instance, types.SimpleNamespace):
        yield from _instances(value)


def _sequences(value: Any) -> Iterator[Any]:
    items = [*value]
    make = type(value)
    yield make([*items, None])
    yield tuple(items) if make is list else items
    for at, item in enumerate(items):
        yield make(items[:at] + items[at + 1 :])
        for other in changed(item):
            yield make([*items[:at], other, *items[at + 1 :]])


def _mappings(value: dict[Any, Any]) -> Iterator[Any]:
    pairs = [*value.items()]
    yield pairs
    yield collections.OrderedDict(pairs)
    if len(pairs) > 1:
        yield dict(reversed(pairs))
    for at, (key, item) in enumerate(pairs):
        yield dict(pairs[:at] + pairs[at + 1 :])
        yield dict([*pairs[:at], (OTHER, item), *pairs[at + 1 :]])
        for other in changed(item):
            yield dict([*pairs[:at], (key, other), *pairs[at + 1 :]])


def _instances(value: Any) -> Iterator[Any]:
    names = [f.name for f in dataclasses.fields(value)] if type(value) is Record else vars(value)
    kept = {name: getattr(value, name) for name in names}
    yield kept
    yield types.SimpleNamespace(**kept, more=1)
    for name, item in kept.items():
        for other in changed(item):
            yield type(value)(**{**kept, name: other})
