"""Values as they count in a code digest: code inside them stands for itself by its label."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import operator
import pathlib
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from fleche_like.cache import is_immutable
from fleche_like.errors import Indigestible
from fleche_like.hashing import encode, is_node, type_names
from fleche_like.hashing.tags import SCALARS
from fleche_like.memo.contents import (
    DESCRIPTORS,
    MAPPINGS,
    MOST_ITEMS,
    SEQUENCES,
    attributes_of,
    held_by,
    is_dependency,
    wrapped_by,
)
from fleche_like.memo.own import importable_name, is_own_class, is_own_namespace
from fleche_like.memo.sites import read_cell
from fleche_like.memo.types_only import is_by_type
from fleche_like.support.sentinel import MISSING

LARGE_BYTES: Final = 16 * 1024
"""Above this a mutable capture is digested once; below, digesting it costs each call < 20 µs."""

_CODE: Final = "fleche_like.code"
_FIXED: Final = (tuple, frozenset)
_COPIED_BY_WRAPS: Final = (*functools.WRAPPER_ASSIGNMENTS, "__wrapped__")
_COPYING: Final = ("__reduce_ex__", "__reduce__", "__getstate__")
_STEADY: Final = (
    re.Pattern, pathlib.PurePath, dt.datetime, dt.timezone, types.GenericAlias, enum.Enum,
)  # fmt: skip


@dataclass(slots=True)
class Described:
    """A value as it counts, and what of it can change in place.

    Args:
        form: what is digested.
        shapes: containers that hold code, each with its items.
        leaves: what else can change, each to be encoded again on every call.
        cells: closure cells of installed decorators, with what they held.
        settings: wrappers, each with those of its attributes that count.
    """

    form: Any = None
    shapes: list[tuple[Any, list[Any]]] = field(default_factory=list)
    leaves: list[Any] = field(default_factory=list)
    cells: list[tuple[types.CellType, Any]] = field(default_factory=list)
    settings: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)


class Describer:
    """Describes values after everything that is reached has its label.

    Args:
        labels: what functions and classes are called, by identity.
        is_written: whether the content of a class's attribute is changed by what is reached.
    """

    def __init__(self, labels: dict[int, str], is_written: Callable[[type, str], bool]) -> None:
        self._labels = labels
        self._is_written = is_written
        self._open: set[int] = set()
        self._now = Described()

    def describe(self, value: Any) -> Described:
        """Return a value as it counts."""
        self._now = found = Described()
        found.form = self.form(value)
        return found

    def form(self, value: Any) -> Any:
        """Return ``value`` itself where no code is inside, else a structure with labels for it."""
        if type(value) in SCALARS:
            return value
        label = self._labels.get(id(value))
        if label is not None:
            return (_CODE, label)
        if id(value) in self._open:
            return (_CODE, "itself", "again")
        self._open.add(id(value))
        try:
            return self._structure(value)
        finally:
            self._open.discard(id(value))

    def _structure(self, value: Any) -> Any:
        if is_by_type(value):
            return (_CODE, "of type", type_names(type(value)))
        if is_dependency(value):
            version, function = value.__dependency__()
            return (_CODE, "memoized", version, self.form(function))
        if type(value) is types.FunctionType and not is_own_namespace(value.__globals__):
            return self._installed(value)
        name = importable_name(value) if callable(value) or _is_module(value) else None
        if name is not None and not self._is_entered_wrapper(value):
            return (_CODE, "named", name)
        return self._by_kind(value)

    def _by_kind(self, value: Any) -> Any:
        kind = type(value)
        if kind is functools.partial:
            if value.keywords:
                self._now.shapes.append((value.keywords, [*_flat(value.keywords)]))
            keywords = {n: self.form(v) for n, v in sorted(value.keywords.items())}
            return (_CODE, "partial", self.form(value.func), self._all(value.args), keywords)
        if kind is types.MethodType:
            return (_CODE, "method", self.form(value.__func__), self.form(value.__self__))
        if kind in DESCRIPTORS:
            return (_CODE, kind.__name__, self._all(held_by(value)))
        if kind in SEQUENCES or kind in MAPPINGS:
            return self._container(value)
        wrapped = wrapped_by(value)
        if wrapped is not None:
            return self._wrapper(value, wrapped)
        return self._instance(value)

    def _is_entered_wrapper(self, value: Any) -> bool:
        """Whether an instance goes by the name of what it wraps, but has code and settings too."""
        return id(type(value)) in self._labels and not isinstance(value, type)

    def _wrapper(self, value: Any, wrapped: Any) -> Any:
        """A callable that wraps another; one of the project's own counts by its settings too."""
        kind = type(value)
        name = self._labels.get(id(kind), type_names(kind))
        if id(kind) not in self._labels:
            return (_CODE, "wrapper", name, self.form(wrapped))
        space = attributes_of(value)
        told = (n for n in space if n not in _COPIED_BY_WRAPS and not self._is_written(kind, n))
        settings = {n: self.form(space[n]) for n in told}
        self._now.settings.append((value, {n: space[n] for n in settings}))
        return (_CODE, "wrapper", name, self.form(wrapped), settings)

    def _leaf(self, value: Any) -> Any:
        if issubclass(type(value), type):
            return value  # a class that no name leads to: by its code, which nothing watches
        if not is_steady(value):
            self._now.leaves.append(value)
        return value

    def _instance(self, value: Any) -> Any:
        """An instance; where its attributes hold code or loggers, each of them as it counts."""
        space = getattr(value, "__dict__", None) if _is_plain_instance(value) else None
        if not space or not {*map(type, space.values())} - SCALARS:
            return self._leaf(value)
        before = len(self._now.leaves)
        forms = {name: self.form(each) for name, each in space.items()}
        if all(forms[name] is space[name] for name in space):
            del self._now.leaves[before:]
            return self._leaf(value)
        self._now.shapes.append((space, [*_flat(space)]))
        kind = self._labels.get(id(type(value)), type_names(type(value)))
        return (_CODE, "instance", kind, forms)

    def _all(self, values: Any) -> tuple[Any, ...]:
        return tuple(self.form(each) for each in values)

    def _container(self, value: Any) -> Any:
        if len(value) > MOST_ITEMS or not {*map(type, _flat(value))} - SCALARS:
            return self._leaf(value)
        before = len(self._now.leaves)
        items = [*_flat(value)]
        forms = [self.form(each) for each in items]
        fixed = type(value) in _FIXED
        if all(form is item for form, item in zip(forms, items, strict=True)):
            changing = len(self._now.leaves) > before
            del self._now.leaves[before:]
            return self._leaf(value) if changing or not fixed else value
        if not fixed:
            self._now.shapes.append((value, items))
        name = type(value).__name__
        if type(value) in (set, frozenset):
            forms = sorted(forms, key=encode)
        factory = getattr(value, "default_factory", None)
        return (_CODE, name, forms, self.form(factory))

    def _installed(self, function: types.FunctionType) -> Any:
        """A function of an installed package: its name, and what code and settings it holds."""
        held = []
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            content = read_cell(cell)
            form = self._held(content)
            if form is not MISSING:
                self._now.cells.append((cell, content))
                held.append((name, form))
        wrapped = function.__dict__.get("__wrapped__")
        origin = function.__globals__.get("__name__"), function.__code__.co_qualname
        return (_CODE, "installed", origin, held, self.form(wrapped))

    def _held(self, value: Any) -> Any:
        """Return what a cell of an installed decorator contributes, or ``MISSING``.

        Its caches, locks and counters do not count; the code that it wraps and its settings do.
        """
        if value is MISSING or is_by_type(value):
            return MISSING
        if is_immutable(value):
            return value
        before = len(self._now.leaves)
        form = self.form(value)
        if form is value:
            del self._now.leaves[before:]
            return MISSING
        return form


def _is_plain_instance(value: Any) -> bool:
    """Whether an instance is what its attributes are: its class does not say otherwise."""
    cls = type(value)
    return (
        all(getattr(cls, name, None) is getattr(object, name, None) for name in _COPYING)
        and not issubclass(cls, BaseException)
        and not any("__slots__" in vars(base) for base in cls.__mro__[:-1])
        and not is_node(value)
        and isinstance(vars(cls).get("__dict__"), types.GetSetDescriptorType | type(None))
        and is_own_class(cls)
    )


def is_steady(value: Any) -> bool:
    """Whether a value cannot change in place, so that its identity tells all."""
    return is_immutable(value) or issubclass(type(value), _STEADY) or is_by_type(value)


def _is_module(value: Any) -> bool:
    return issubclass(type(value), types.ModuleType)


def _flat(container: Any) -> Iterator[Any]:
    if type(container) in MAPPINGS:
        for key, value in container.items():
            yield key
            yield value
    else:
        yield from container


def has(value: Any, settings: dict[str, Any]) -> bool:
    """Whether an instance has the very same attributes, whatever others it has."""
    space = attributes_of(value)
    return all(space.get(name, MISSING) is each for name, each in settings.items())


def holds(container: Any, items: list[Any]) -> bool:
    """Whether a container holds the very same items, in the same order."""
    now = [*_flat(container)]
    return len(now) == len(items) and all(map(operator.is_, now, items))


def _size_of(node: Any) -> Any:
    """Return the bytes of an array, a frame or a table; ``None`` where it does not tell."""
    size = getattr(node, "nbytes", None)
    if size is None and callable(usage := getattr(node, "memory_usage", None)):
        return int(usage().sum())
    if size is None and callable(usage := getattr(node, "estimated_size", None)):
        return int(usage())
    return size


def watcher(value: Any) -> tuple[Callable[[], bytes], bytes] | None:
    """Return how to encode a value again, and its encoding now; ``None`` if it is large.

    Raises:
        Indigestible: it has no stable identity.
    """
    if is_node(value):
        size = _size_of(value)
        if not isinstance(size, int) or size > LARGE_BYTES:
            return None
    again = functools.partial(encode, value)
    now = again()
    return None if len(now) > LARGE_BYTES else (again, now)


def refusal(path: str, error: Exception) -> Indigestible:
    """Return the error that says what to do about a capture that cannot be digested."""
    if isinstance(error, Indigestible):
        reason, path, kind = str(error), error.path, error.kind
    else:
        kind = type(error).__name__
        reason = f"{path} cannot be looked at ({kind}: {error})"
    remedy = "if results do not depend on it, register its type with"
    return Indigestible(
        f"{reason}; {remedy} fleche_like.memo.register_by_type", path=path, kind=kind
    )
