"""Bringing along a ``fleche`` cache.

What fleche writes (0.22): values and calls apart, each under digests of its own kind; the folder
that its configuration describes has ``values`` (a pickle file for each) and ``calls`` (likewise)
or ``calls.db`` (SQLite). Arguments and results are values; a call notes the digest of its
function's code if fleche was told to. fleche gives ``1`` and ``1.0`` one digest, and stores the one
that came last: such arguments come along as they are stored. All is read through fleche itself,
which must be installed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from fleche_like.cache import Cache
from fleche_like.errors import CacheNotFound
from fleche_like.maintenance.importing.entries import (
    Adopted,
    Arguments,
    Entry,
    SkippedEntry,
    Trust,
    adopt,
    as_seconds,
    plain,
    require_trust,
    spelt,
)
from fleche_like.memo import Memoized
from fleche_like.support.optional import require

Theirs: TypeAlias = Any
"""What is of fleche, which has no types."""


def import_fleche(
    cache: Cache,
    source: str | os.PathLike[str] | Theirs,
    functions: Iterable[Memoized[..., Any]],
    *,
    trust: Trust = None,
    changed_code: bool = False,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Adopted:
    """Store the calls that a ``fleche`` cache holds, so that memoized functions hit.

    A call comes along if its arguments and its result are stored, and its function is the one
    given: of the same module and name, and the same code if that was noted. Where it was not,
    whoever names the function says that what is stored is what it returns now.

    Args:
        cache: where the calls go.
        source: a folder with ``values`` and ``calls`` or ``calls.db``; or a ``fleche`` cache of
            any other kind, with ``values`` and ``calls``.
        functions: memoized functions whose calls are wanted.
        trust: ``"full"`` lets values be unpickled, which runs any code they hold.
        changed_code: take results too of a function whose code is not what fleche noted.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ConfigError: ``trust`` was not given, or something is no memoized function.
        CacheNotFound: the folder holds no fleche cache.
        MissingExtra: fleche is not installed.
        ReadOnlyError: the cache was opened read-only.
    """
    require_trust(trust, "a fleche cache")
    require("fleche", "fleche")
    known = dict(_profiles(functions))
    theirs = _opened(Path(source)) if isinstance(source, str | os.PathLike) else source
    reader = _Reader(theirs, known, changed_code=changed_code)
    return adopt(cache, "fleche", reader.entries(), dry_run=dry_run, show_progress=show_progress)


def _opened(folder: Path) -> Theirs:
    from fleche.caches import Cache as TheirCache
    from fleche.storage import CallPickleFile, Sql, ValuePickleFile

    if not (folder / "values").is_dir():
        raise CacheNotFound(f"there is no cache of fleche in {folder}", url=str(folder))
    values = ValuePickleFile.with_pickle(root=folder / "values")
    if (folder / "calls.db").is_file():
        return TheirCache(values=values, calls=Sql(url=f"sqlite:///{folder / 'calls.db'}"))
    if (folder / "calls").is_dir():
        return TheirCache(values=values, calls=CallPickleFile.with_pickle(root=folder / "calls"))
    raise CacheNotFound(f"there are no calls of fleche in {folder}", url=str(folder))


def _profiles(
    functions: Iterable[Memoized[..., Any]],
) -> Iterator[tuple[tuple[str, str], tuple[Memoized[..., Any], Theirs]]]:
    from fleche.call import FunctionProfile

    for function in functions:
        profile = FunctionProfile.of(plain(function))
        yield (profile.module, profile.qualname), (function, profile)


class _Reader:
    """Reads the calls of a fleche cache."""

    def __init__(
        self,
        theirs: Theirs,
        known: Mapping[tuple[str, str], tuple[Memoized[..., Any], Theirs]],
        *,
        changed_code: bool,
    ) -> None:
        self._theirs = theirs
        self._known = known
        self._changed_code = changed_code

    def entries(self) -> Iterator[Callable[[], Entry]]:
        """Yield what reads one call each."""
        for key in self._theirs.calls.list():
            yield functools.partial(self._entry, key)

    def _entry(self, key: str) -> Entry:
        try:
            call = self._theirs.calls.load(key)
        except Exception as problem:
            raise SkippedEntry("its record cannot be read") from problem
        known = self._known.get((call.module, call.name))
        if known is None:
            name = f"{call.module}.{call.name}"
            raise SkippedEntry(f"it is of {name}, which is none of the functions given")
        function, profile = known
        if call.code_digest not in (None, profile.code_digest) and not self._changed_code:
            raise SkippedEntry("the code of its function has changed")
        if call.result is None:
            raise SkippedEntry("it has no result")
        result = functools.partial(self._theirs.values.load, call.result)
        metadata = dict(call.metadata or {})
        started, seconds = _runtime(metadata.get("runtime"))
        arguments = self._arguments(function, call)
        return Entry(function, arguments, result, started, seconds, metadata)

    def _arguments(self, function: Memoized[..., Any], call: Theirs) -> Arguments:
        try:
            values = {
                name: self._theirs.values.load(digest) for name, digest in call.arguments.items()
            }
        except Exception as problem:
            raise SkippedEntry("its arguments are not stored, or cannot be read") from problem
        return spelt(plain(function), values)


def _runtime(told: Any) -> tuple[float | None, float | None]:
    if not isinstance(told, Mapping):
        return None, None
    started, seconds = told.get("timestart"), told.get("walltime")
    return as_seconds(started), as_seconds(seconds)
