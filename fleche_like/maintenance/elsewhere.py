"""An index that was opened without its values: refused, before anything is taken for damage.

Nothing in an index says where its values are. One that was opened by its bare URL looks for them in
its own database; if they are elsewhere, every result seems to be gone, and mending would put every
call aside.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

from fleche_like.backends import DatabaseBackend
from fleche_like.config.opening import INDEX_FILE
from fleche_like.errors import ConfigError
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.parts import CacheLike, result_of, stored_calls, uses_of, values_of
from fleche_like.storage.layout import VALUES

_LOOKED_AT: Final = 1000
"""Calls among which one that needs a stored value is looked for."""


def refuse_values_elsewhere(cache: CacheLike, verb: str) -> None:
    """Refuse a cache whose values seem to be in another place than where it looks for them.

    That is one whose values are in the database of its index, and that is the index of an embedded
    cache with files beside it; or has calls whose results must be stored, and not a single value.

    Args:
        cache: what is about to be looked at.
        verb: what for.

    Raises:
        ConfigError: it seems so; the message says what to pass.
    """
    backend, calls = values_of(cache).backend, cache.calls
    if not (isinstance(backend, DatabaseBackend) and isinstance(calls, SqlCallStorage)):
        return
    if backend.database is not calls.database:
        return
    path = calls.database.path
    if path is not None and _is_embedded(path):
        raise ConfigError(
            f"{path} is the index of an embedded cache, whose large values are files in"
            f" {path.parent}: {verb} wants that folder",
            source=verb,
        )
    if next(iter(backend.list_prefix(values_of(cache).prefix)), None) is None and _needs(calls):
        raise ConfigError(
            f"calls in {backend.url} have results, and not one value is in this database: {verb}"
            " wants the cache with its values, open_cache(URL, values=PLACE), or on the command"
            " line --cache @NAME, with url and values under that name in fleche-like.toml",
            source=verb,
        )


def _is_embedded(index: Path) -> bool:
    return index.name == INDEX_FILE and (index.parent / VALUES).is_dir()


def _needs(calls: SqlCallStorage) -> bool:
    some = itertools.islice(stored_calls(calls, uses_of(calls)), _LOOKED_AT)
    return any(each.call is not None and result_of(each.call) is not None for each in some)
