"""Calls as named columns, for tables of every kind.

Names. An argument's column has the argument's name; ``result`` is the result; metadata is
flattened to ``meta.<dotted name>``; ``name``, ``module`` and ``version`` are there only if the
calls differ in them. An argument whose own name could be mistaken for one of those (``result``,
``meta.x``, ``key``, ``arg.x`` …) is always called ``arg.<name>``, whatever else the table holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleche_like.calls import RESULT, DigestedCall, Field, LazyCall, Scalar, arg, flatten
from fleche_like.hashing import Digest
from fleche_like.query import parts
from fleche_like.query.batches import load_all
from fleche_like.query.source import QuerySource
from fleche_like.support.sentinel import MISSING

RESERVED = frozenset({"key", "name", "module", "version", "result"})
PREFIXES = ("arg.", "meta.", "result.")


@dataclass(frozen=True)
class Choice:
    """What a table shows.

    Attributes:
        arguments: the fields to show by the names of their columns, or None for all arguments that
            occur.
        results: None for scalar results only (and no column if there are none), True to load
            all, False for no column.
        metadata: True, False, or dotted names.
        short: whether keys are shortened to what is unique among the stored ones.
        values: whether arguments that are no scalars are loaded; else their digest stands.
    """

    arguments: Mapping[str, Field] | None = None
    results: bool | None = None
    metadata: bool | Collection[str] = True
    short: bool = True
    values: bool = False


@dataclass(frozen=True)
class Columns:
    """Columns of one length; ``MISSING`` where a call has nothing to show, no keys for groups."""

    keys: list[str] | None
    named: dict[str, list[Any]]

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield one dict for each call, its key first; what is missing is left out."""
        for position, key in enumerate(self.keys or ()):
            cells = ((name, column[position]) for name, column in self.named.items())
            yield {"key": key} | {name: cell for name, cell in cells if cell is not MISSING}


def argument_column(name: str) -> str:
    """Return the column of an argument.

    >>> argument_column("alpha"), argument_column("result"), argument_column("arg.x")
    ('alpha', 'arg.result', 'arg.arg.x')
    """
    return f"arg.{name}" if name in RESERVED or name.startswith(PREFIXES) else name


def collect(calls: Sequence[DigestedCall], choice: Choice, source: QuerySource) -> Columns:
    """Read what ``choice`` asks for from ``calls``, in a constant number of batches.

    What compares like a scalar is shown as that scalar: ``np.float64(0.1)`` as ``0.1``.
    """
    keys = _keys(calls, source) if choice.short else [call.key for call in calls]
    seen = [_Seen(call, call.comparable) for call in calls]
    named = _identity(calls) | _arguments(seen, choice, source)
    named |= _results(seen, choice, source) | _metadata(calls, choice)
    return Columns(keys=[str(key) for key in keys], named=named)


def _keys(calls: Sequence[DigestedCall], source: QuerySource) -> Sequence[str]:
    keys = [call.key for call in calls]
    try:
        return source.shrink_keys(keys) if keys else ()
    except KeyError:
        # A call was evicted since it was read: what is not stored has no short digest.
        return keys


class _Seen(NamedTuple):
    call: DigestedCall
    comparable: Mapping[str, Scalar]  # built on each access: once for a call is enough

    def cell(self, name: str) -> Any:
        digest = self.call.arguments.get(name, MISSING)
        return digest if digest is MISSING else self.comparable.get(name, digest)

    def result(self) -> Any:
        digest = MISSING if self.call.result is None else self.call.result
        return digest if digest is MISSING else self.comparable.get(RESULT, digest)


def _identity(calls: Sequence[DigestedCall]) -> dict[str, list[Any]]:
    names = {call.name for call in calls}
    functions = {(call.module, call.name) for call in calls}
    versions = {(type(call.version), call.version) for call in calls}
    columns: dict[str, list[Any]] = {}
    if len(functions) > 1:
        columns["name"] = [call.name for call in calls]
    if len(functions) > len(names):
        columns["module"] = [call.module for call in calls]
    if len(versions) > 1:
        columns["version"] = [call.version for call in calls]
    return columns


def _arguments(seen: list[_Seen], choice: Choice, source: QuerySource) -> dict[str, list[Any]]:
    fields = choice.arguments
    if fields is None:
        names = dict.fromkeys(name for each in seen for name in each.call.arguments)
        fields = {argument_column(name): arg(name) for name in names}
    columns = {name: _cells(field, seen, choice, source) for name, field in fields.items()}
    if not choice.values:
        return columns
    cells = (cell for column in columns.values() for cell in column)
    values = _load(cells, source)
    return {
        name: [values.get(cell, cell) if type(cell) is Digest else cell for cell in column]
        for name, column in columns.items()
    }


def _cells(field: Field, seen: list[_Seen], choice: Choice, source: QuerySource) -> list[Any]:
    if field.kind == "arg" and not field.path:
        return [each.cell(field.name) for each in seen]
    calls = [each.call for each in seen]
    loader = parts.kept_by(field, calls, source, values=choice.values)
    return [parts.cell(field, LazyCall(call, loader), values=choice.values) for call in calls]


def _results(seen: list[_Seen], choice: Choice, source: QuerySource) -> dict[str, list[Any]]:
    if choice.results is False:
        return {}
    cells = [each.result() for each in seen]
    values = _load(cells, source) if choice.results else {}
    shown = [values.get(cell, MISSING) if type(cell) is Digest else cell for cell in cells]
    if choice.results is None and all(cell is MISSING for cell in shown):
        return {}
    return {"result": shown}


def _load(cells: Iterable[Any], source: QuerySource) -> dict[Digest, Any]:
    return load_all((cell for cell in cells if type(cell) is Digest), source.load_values)


def _metadata(calls: Sequence[DigestedCall], choice: Choice) -> dict[str, list[Any]]:
    if choice.metadata is False:
        return {}
    flat = [flatten(call.metadata) for call in calls]
    names: Iterable[str]
    if choice.metadata is True:
        names = dict.fromkeys(name for leaves in flat for name in leaves)
    else:
        names = choice.metadata
    return {f"meta.{name}": [leaves.get(name, MISSING) for leaves in flat] for name in names}
