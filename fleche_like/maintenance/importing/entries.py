"""Entries of other caches: which function they are of, and storing them as its calls."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn, TypeAlias

from fleche_like.cache import Cache
from fleche_like.errors import ConfigError, FlecheError
from fleche_like.maintenance.bulk import require_writable
from fleche_like.memo import Memoized
from fleche_like.support.progress import progress

logger = logging.getLogger(__name__)

Arguments: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional and keyword arguments of a call."""

Trust: TypeAlias = Literal["full"] | None
"""Whether what is pickled in a foreign folder may be read, which runs whatever code it holds."""


@dataclass
class Adopted:
    """What became of the entries of another cache; of a dry run, what would have.

    Attributes:
        imported: stored as calls that will be hits.
        present: the cache had these calls already, and keeps its results.
        skipped: how many could not come along, by reason.
    """

    imported: int = 0
    present: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


class SkippedEntry(Exception):
    """An entry cannot come along. The first argument says why, in words that many share."""


@dataclass
class Entry:
    """An entry, as far as it was read.

    Attributes:
        function: the memoized function that it is a call of.
        arguments: its arguments.
        result: reads the result; may raise anything.
        started: when its body began, in seconds since 1970, if that is known.
        seconds: how long it took, if that is known.
        metadata: what else is known.
    """

    function: Memoized[..., Any]
    arguments: Arguments
    result: Callable[[], Any]
    started: float | None = None
    seconds: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def require_trust(trust: Trust, what: str) -> None:
    """Refuse to read foreign pickles unless that was asked for.

    Raises:
        ConfigError: it was not.
    """
    if trust != "full":
        raise ConfigError(
            f"reading {what} unpickles what it holds, which runs any code that somebody put there; "
            'say trust="full" if you trust whoever could write to it',
            source="trust",
        )


def plain(function: Memoized[..., Any]) -> Callable[..., Any]:
    """Return the function that was memoized.

    Raises:
        ConfigError: it is no memoized function.
    """
    if not isinstance(function, Memoized):
        raise ConfigError(f"{function!r} is no memoized function", source="functions")
    return function.__wrapped__


def adopt(
    cache: Cache,
    origin: str,
    entries: Iterable[Callable[[], Entry]],
    *,
    dry_run: bool,
    show_progress: bool,
) -> Adopted:
    """Store entries as calls, one by one: it can be interrupted and run again at any moment.

    Args:
        cache: where they go.
        origin: what they were brought from, for the metadata of the calls.
        entries: each reads one entry, or raises :class:`SkippedEntry`.
        dry_run: only count; results are not read.
        show_progress: show a bar, if anybody sees it.
    """
    if not dry_run:
        require_writable(cache)
    done = Adopted()
    bar = progress(f"importing from {origin}", entries, wanted=show_progress)
    try:
        for read in entries:
            try:
                _adopt_one(cache, origin, read(), done, dry_run=dry_run)
            except SkippedEntry as reason:
                done.skipped[str(reason)] += 1
            bar.update()
    finally:
        bar.close()
    return done


def _adopt_one(cache: Cache, origin: str, entry: Entry, done: Adopted, *, dry_run: bool) -> None:
    args, kwargs = entry.arguments
    try:
        call = entry.function.call(*args, **kwargs)
        key = call.key
    except (TypeError, FlecheError) as problem:
        _skip("its arguments do not fit the function, or have no digest", problem)
    if cache.contains(key):
        done.present += 1
        return
    if not dry_run:
        try:
            call.result = entry.result()
        except SkippedEntry:
            raise
        except Exception as problem:  # noqa: BLE001  a foreign pickle may raise anything
            _skip("its result cannot be read", problem)
        call.metadata = {**entry.metadata, **_runtime(entry), "imported": {"from": origin}}
        try:
            cache.save(call)
        except (FlecheError, TypeError) as problem:
            _skip("its result cannot be stored", problem)
    done.imported += 1


def _runtime(entry: Entry) -> dict[str, Any]:
    runtime: dict[str, Any] = {}
    if entry.started is not None:
        runtime["started"] = datetime.fromtimestamp(entry.started, UTC)
    if entry.seconds is not None:
        runtime["walltime"] = float(entry.seconds)
    return {"runtime": runtime} if runtime else {}


def _skip(reason: str, problem: Exception) -> NoReturn:
    logger.info("an entry was not imported: %s: %s", reason, problem)
    raise SkippedEntry(reason) from problem


def spelt(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Arguments:
    """Return arguments by parameter as a call would pass them.

    Args:
        function: the plain function.
        arguments: by name of the parameter; of ``*args`` a sequence, of ``**kwargs`` a mapping.
            Parameters that are missing take their defaults.

    Raises:
        SkippedEntry: there is no such parameter.
    """
    signature = inspect.signature(function)
    if not arguments.keys() <= signature.parameters.keys():
        raise SkippedEntry("its arguments do not fit the function, or have no digest")
    ordered = {name: arguments[name] for name in signature.parameters if name in arguments}
    bound = inspect.BoundArguments(signature, ordered)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def items_as_arguments(items: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Iterator[Arguments]:
    """Yield what ``f.map(items, star=True)`` would pass: sequences by place, mappings by name."""
    for item in items:
        yield ((), item) if isinstance(item, Mapping) else (item, {})


def as_seconds(value: Any) -> float | None:
    """Return a number of seconds that somebody else noted; ``None`` if it is none."""
    return float(value) if isinstance(value, int | float) else None
