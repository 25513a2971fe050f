"""Bringing along the folder of a ``diskcache`` whose ``memoize`` was used.

What diskcache writes (5.6): a database ``cache.db`` with a table ``Cache``; large values in files
beside it; a FanoutCache has such folders named ``000``, ``001`` and so on. The key of a memoized
call is a pickled tuple: the function's full name, positional arguments, ``None``, names and values
of keyword arguments sorted by name, and with ``typed=True`` the types of all of these. It does not
say how often ``None`` was an argument: entries whose tuple can be read in several ways that make
different calls are skipped. Read with SQLite alone, and nothing is written.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pickle
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fleche_like.cache import Cache
from fleche_like.errors import CacheNotFound, FlecheError
from fleche_like.maintenance.importing.entries import (
    Adopted,
    Arguments,
    Entry,
    SkippedEntry,
    Trust,
    adopt,
    plain,
    require_trust,
)
from fleche_like.memo import Memoized

_RAW, _BINARY, _TEXT, _PICKLE = range(1, 5)
_COLUMNS: Final = "key, raw, store_time, expire_time, mode, filename, value"


def import_diskcache(
    cache: Cache,
    folder: str | os.PathLike[str],
    functions: Iterable[Memoized[..., Any]] | Mapping[str, Memoized[..., Any]],
    *,
    trust: Trust = None,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Adopted:
    """Store the calls that ``diskcache.Cache.memoize`` noted, so that memoized functions hit.

    diskcache does not note the code of functions: whoever names them says that what is stored is
    what they return now. Expired entries are skipped, and those of ``memoize_stampede``, whose
    values are no results.

    Args:
        cache: where the calls go.
        folder: of a ``Cache`` or ``FanoutCache`` with the usual ``Disk``; it is only read.
        functions: memoized functions whose calls are wanted; or by the names given to ``memoize``.
        trust: ``"full"`` lets keys and results be unpickled, which runs any code they hold.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ConfigError: ``trust`` was not given, or something is no memoized function.
        CacheNotFound: there is no such folder.
        ReadOnlyError: the cache was opened read-only.
    """
    require_trust(trust, "a diskcache folder")
    named = functions if isinstance(functions, Mapping) else {_name(f): f for f in functions}
    for function in named.values():
        plain(function)
    places = [*_places(Path(folder))]
    entries = (
        functools.partial(_entry, place, row, named) for place in places for row in _rows(place)
    )
    return adopt(cache, "diskcache", entries, dry_run=dry_run, show_progress=show_progress)


def _name(function: Memoized[..., Any]) -> str:
    known = plain(function)
    return f"{known.__module__}.{known.__qualname__}"


def _places(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a database each."""
    if (folder / "cache.db").is_file():
        yield folder
        return
    shards = [path.parent for path in sorted(folder.glob("[0-9][0-9][0-9]/cache.db"))]
    if not shards:
        raise CacheNotFound(f"there is no cache of diskcache in {folder}", url=str(folder))
    yield from shards


class _Row(NamedTuple):
    """A row of the table ``Cache``."""

    key: Any
    raw: int
    store_time: float | None
    expire_time: float | None
    mode: int
    filename: str | None
    value: Any


def _rows(place: Path) -> Iterator[_Row]:
    uri = f"{(place / 'cache.db').absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        for row in database.execute(f"SELECT {_COLUMNS} FROM Cache ORDER BY rowid"):  # noqa: S608
            yield _Row(*row)


def _entry(place: Path, row: _Row, functions: Mapping[str, Memoized[..., Any]]) -> Entry:
    if row.raw:
        raise SkippedEntry("it is no call: its key was set by hand")
    if row.expire_time is not None and row.expire_time < time.time():
        raise SkippedEntry("it has expired")
    key = _unpickled(row.key)
    if not isinstance(key, tuple) or len(key) < 2 or not isinstance(key[0], str):
        raise SkippedEntry("it is no call: its key was set by hand")
    function = functions.get(key[0])
    if function is None:
        raise SkippedEntry(f"it is of {key[0]}, which is none of the functions given")
    return Entry(
        function,
        _arguments(function, key[1:]),
        functools.partial(_result, place, row),
        row.store_time,
    )


def _unpickled(data: bytes) -> Any:
    try:
        return pickle.load(io.BytesIO(data))
    except Exception as problem:
        raise SkippedEntry("its key cannot be read") from problem


def _arguments(function: Memoized[..., Any], rest: tuple[Any, ...]) -> Arguments:
    """Return the one call that the rest of a key can stand for."""
    made: dict[Any, Arguments] = {}
    for arguments in _readings(rest):
        # What does not fit the function, or has no digest, is no reading of this key.
        with contextlib.suppress(TypeError, FlecheError):
            made[function.key(*arguments[0], **arguments[1])] = arguments
    if len(made) != 1:
        raise SkippedEntry("its arguments do not fit the function, or are not told apart")
    return made.popitem()[1]


def _readings(rest: tuple[Any, ...]) -> Iterator[Arguments]:
    for place, item in enumerate(rest):
        if item is not None:
            continue
        args, behind = rest[:place], rest[place + 1 :]
        for kwargs in _keywords(args, behind):
            yield args, kwargs


def _keywords(args: tuple[Any, ...], behind: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Yield the keyword arguments that what comes behind the mark can stand for."""
    untyped = _pairs(behind)
    if untyped is not None:
        yield untyped
    # With types: n names, n values, and one type for each of the values and the arguments.
    count, odd = divmod(len(behind) - len(args), 3)
    typed = None if odd or count < 0 else _pairs(behind[: 2 * count])
    if typed is not None and behind[2 * count :] == _types(args, typed) != ():
        yield typed


def _types(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[type, ...]:
    return (*map(type, args), *map(type, kwargs.values()))


def _pairs(flat: tuple[Any, ...]) -> dict[str, Any] | None:
    names = flat[::2]
    if len(flat) % 2 or not all(isinstance(name, str) for name in names):
        return None
    return dict(zip(names, flat[1::2], strict=True)) if list(names) == sorted(set(names)) else None


def _result(place: Path, row: _Row) -> Any:
    result = _value(place, row)
    if row.expire_time is not None and _is_of_stampede(result):
        raise SkippedEntry("it looks like one of memoize_stampede, whose values are no results")
    return result


def _is_of_stampede(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[1]) is float


def _value(place: Path, row: _Row) -> Any:
    if row.mode == _RAW:
        return bytes(row.value) if type(row.value) is memoryview else row.value
    if row.mode == _PICKLE and row.value is not None:
        return pickle.load(io.BytesIO(row.value))
    data = _file(place, row).read_bytes()
    if row.mode == _BINARY:
        return data
    return data.decode("utf-8") if row.mode == _TEXT else pickle.load(io.BytesIO(data))


def _file(place: Path, row: _Row) -> Path:
    # The name was read from a database that others may have written.
    file = (place / str(row.filename)).resolve()
    if not file.is_relative_to(place.resolve()):
        raise SkippedEntry("its file lies outside of the folder")
    return file
