"""The contenders and how each is set up: always its own defaults, always in a folder of its own.

* fleche-like: ``open_cache(folder)``; SQLite in WAL mode, ``synchronous=NORMAL``. "no tier" is the
  same with ``memory_bytes=0``, so that every hit reads the database.
* diskcache: ``Cache(folder).memoize()``; SQLite in WAL mode, ``synchronous=NORMAL``.
* joblib: ``Memory(folder, verbose=0).cache``; files, written and renamed, never synced.
* fleche: values as pickle files, calls in its SQL storage on SQLite in WAL mode with
  SQLite's own ``synchronous=FULL``; metadata off.
* lru_cache: ``functools.lru_cache(maxsize=None)``; memory of this process, nothing is stored.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benchmarks.rows import OURS

Function = Callable[..., Any]
Memoizer = Callable[[Function], Function]

NO_TIER = f"{OURS}, no tier"


def ours(folder: Path) -> Memoizer:
    """This package with everything at its default."""
    import fleche_like

    return fleche_like.memoize(cache=fleche_like.open_cache(folder))


def ours_without_tier(folder: Path) -> Memoizer:
    """This package without its memory tier."""
    import fleche_like

    return fleche_like.memoize(cache=fleche_like.open_cache(folder, memory_bytes=0))


def diskcache(folder: Path) -> Memoizer:
    """The diskcache package."""
    from diskcache import Cache

    cache = Cache(str(folder))

    def memoize(function: Function) -> Function:
        return cache.memoize()(function)  # type: ignore[no-any-return]

    return memoize


def joblib(folder: Path) -> Memoizer:
    """The joblib package."""
    from joblib import Memory

    return Memory(str(folder), verbose=0).cache  # type: ignore[no-any-return]


def fleche(folder: Path) -> Memoizer:
    """The fleche package; its active cache is per context, so one is opened in a process."""
    from fleche import cache, fleche, meta
    from fleche.caches import Cache
    from fleche.storage import Sql, ValuePickleFile

    folder.mkdir(parents=True, exist_ok=True)
    values = ValuePickleFile.with_pickle(root=folder / "values")
    cache(Cache(values=values, calls=Sql(url=f"sqlite:///{folder}/calls.db")))
    meta()
    return fleche()  # type: ignore[no-any-return]


def lru_cache(_folder: Path) -> Memoizer:
    """The standard library's memory cache: the floor under any of these."""
    return functools.lru_cache(maxsize=None)


CONTENDERS: dict[str, Callable[[Path], Memoizer]] = {
    OURS: ours,
    NO_TIER: ours_without_tier,
    "lru_cache": lru_cache,
    "diskcache": diskcache,
    "joblib": joblib,
    "fleche": fleche,
}


def memoized(name: str, folder: Path, function: Function) -> Function:
    """A function memoized by a contender in a folder of its own under ``folder``."""
    own = folder / name.replace(", ", "-").replace(" ", "-")
    return CONTENDERS[name](own)(function)
