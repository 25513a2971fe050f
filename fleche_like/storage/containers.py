"""What values are put together from: members of containers, and where large ones lie among them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain
from typing import Any, Final, TypeAlias

Members: TypeAlias = Callable[[Any], Collection[Any]]
"""From a container to the objects in it."""

_FIXED: Final = frozenset({type(None), bool, int, float, complex})
_TEXTS: Final = frozenset({str, bytes, bytearray})
_ATOMS: Final = _FIXED | {str, bytes}

_INSTANCE_BYTES: Final = 32
"""Taken for the size of a number, a reference, and of an instance that nobody knows more of."""

_DEEPEST: Final = 50

_registered: dict[type, Members] = {}
_resolved: dict[type, Members | None] = {}
_lock = threading.Lock()


def register_container(cls: type, members: Members | None = None) -> Any:
    """Say what instances of a class hold, so that large ones are stored part by part.

    Known already: lists, tuples, dicts, named tuples, dataclasses, attrs classes, and subclasses.
    Arrays, frames and what has a digest of its own become parts wherever they are.

    Args:
        cls: the class; for its subclasses, too.
        members: from an instance to the objects in it, as its pickle has them (what it makes anew
            each time is no part). Its attributes if omitted; usable as a decorator then.

    Returns:
        ``cls``.

    Thread-safe. Says nothing about digests: a value has the same one, however it is stored.

    >>> @register_container
    ... class Run:
    ...     def __init__(self, log): self.log = log
    >>> members_of(Run([1, 2]))
    [[1, 2]]
    """
    with _lock:
        _registered[cls] = members or _attributes
        _resolved.clear()
    return cls


def members_of(container: Any) -> Collection[Any]:
    """Return the objects in a container; none of anything else."""
    members = _members(type(container))
    return () if members is None else members(container)


def _attributes(value: Any) -> Collection[Any]:
    return list(getattr(value, "__dict__", {}).values())


def _members(cls: type) -> Members | None:
    try:
        return _resolved[cls]
    except KeyError:
        pass
    with _lock:
        found = _resolved[cls] = _find(cls)
    return found


def _find(cls: type) -> Members | None:
    for base in cls.__mro__:
        if base in _registered:
            return _registered[base]
    if issubclass(cls, (list, tuple)):
        return _itself
    if issubclass(cls, dict):
        return dict.values
    if is_dataclass(cls):
        return _getter([field.name for field in fields(cls)])
    attributes = getattr(cls, "__attrs_attrs__", None)
    return None if attributes is None else _getter([each.name for each in attributes])


def _itself(value: Any) -> Collection[Any]:
    collection: Collection[Any] = value
    return collection


def _getter(names: Sequence[str]) -> Members:
    def get(value: Any) -> Collection[Any]:
        return [getattr(value, name, None) for name in names]

    return get


def is_flat(value: Any) -> bool:
    """Whether a value is a text, or an exact builtin container of nothing but numbers and texts."""
    kind = type(value)
    if kind is dict:
        return set(map(type, chain(value, value.values()))) <= _ATOMS
    return kind in _TEXTS or (kind in (list, tuple) and set(map(type, value)) <= _ATOMS)


class Survey:
    """Which containers and texts inside a value may be large.

    May, since only pickling tells how large they are: estimates are bounds from above, made in
    bulk, level by level, so that a value of many small containers costs no call for each.

    Args:
        value: the value; is not among what is found.
        least: from how many bytes on something is large.
        most: containers that are looked at, one again wherever it is met again. Where everything
            refers to everything, there would be more ways through a value than can be gone.

    Raises:
        ValueError: there were more.

    Attributes:
        found: what may be large, by identity.
        inside: of the value and of each of these, the identities of those right inside.
        samples: an instance of each type that was seen.
    """

    def __init__(self, value: Any, least: int, most: int) -> None:
        self._least = least
        self._left = most
        self.samples: dict[type, Any] = {type(value): value}
        self.found: dict[int, Any] = {}
        self.inside: dict[int, list[int]] = {}
        pending = [value]
        while pending:
            container = pending.pop()
            large = [*self._large_among(members_of(container))]
            new = {id(each): each for each in large if id(each) not in self.found}
            self.inside[id(container)] = [id(each) for each in large]
            self.found |= new
            pending += new.values()

    def within(self, value: Any) -> set[int]:
        """Return the identities of what may be large at any depth inside a value."""
        reached: set[int] = set()
        pending = [id(value)]
        while pending:
            new = set(self.inside.get(pending.pop(), ())) - reached
            reached |= new
            pending += new
        return reached

    def _large_among(self, members: Collection[Any]) -> Iterator[Any]:
        """Yield the texts and containers among some objects that may be large."""
        containers, texts = self._sorted_out(members)
        yield from (text for text in texts if len(text) >= self._least)
        for kind, group in containers:
            yield from self._searched(kind, group)

    def _searched(self, kind: type, group: Sequence[Any]) -> Iterator[Any]:
        """Yield those of one type that may be large; halves that are small all over cost little."""
        if self._bound(kind, group, _DEEPEST) < self._least:
            return
        if len(group) == 1:
            yield group[0]
            return
        middle = len(group) // 2
        yield from self._searched(kind, group[:middle])
        yield from self._searched(kind, group[middle:])

    def _bound(self, kind: type, group: Sequence[Any], depth: int) -> float:
        """Return how many bytes the largest of some containers of one type has at most."""
        if depth == 0:
            return float("inf")
        self._left -= len(group)
        if self._left < 0:
            raise ValueError("its parts hold each other in too many ways")
        held = group if kind in (list, tuple) else [*map(_members(kind) or members_of, group)]
        containers, texts = self._sorted_out([*chain.from_iterable(held)])
        inner = (self._bound(each, several, depth - 1) for each, several in containers)
        item = max(max(map(len, texts), default=_INSTANCE_BYTES), _INSTANCE_BYTES, *inner)
        return max(map(len, held), default=0) * item

    def _sorted_out(
        self, members: Collection[Any]
    ) -> tuple[list[tuple[type, list[Any]]], list[Any]]:
        """Return the containers among some objects by type, each once, and the texts."""
        kinds = set(map(type, members))
        for kind in kinds - self.samples.keys():
            self.samples[kind] = next(each for each in members if type(each) is kind)
        texts = _TEXTS & kinds
        holding = [kind for kind in kinds - _FIXED - texts if _members(kind) is not None]
        containers = [(kind, _of(kind, members, kinds)) for kind in holding]
        return containers, [each for each in members if type(each) in texts] if texts else []


def _of(kind: type, members: Collection[Any], kinds: Collection[type]) -> list[Any]:
    """Return the objects of one type, each once; ``kinds`` are all types that there are."""
    if len(kinds) == 1:
        return [*dict(zip(map(id, members), members, strict=True)).values()]
    return [*{id(each): each for each in members if type(each) is kind}.values()]
