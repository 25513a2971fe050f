"""Which calls of a cache are meant: all, those of a template, or those of a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from fleche_like.cache import Cache
from fleche_like.calls import DigestedCall, QueryCall
from fleche_like.errors import QueryError
from fleche_like.query import Query
from fleche_like.support.progress import Progress, is_watched, progress

Selected: TypeAlias = Query | QueryCall | None
"""A query of the cache, a template, or ``None`` for every call."""


def query_of(cache: Cache, selected: Selected) -> Query:
    """Return what is selected as a query of the cache.

    Raises:
        QueryError: it is a query of another cache.
    """
    if isinstance(selected, Query):
        if selected.source is not cache:
            raise QueryError(f"the query asks {selected.source!r}, not {cache!r}")
        return selected
    return cache.query(selected)


def calls_of(query: Query) -> Iterator[DigestedCall]:
    """Yield the calls of a query, without their values."""
    return (call.digested for call in query)


def bar(what: str, query: Query, *, wanted: bool) -> Progress:
    """Return a bar up to the number of calls of a query, which is asked if anybody sees it."""
    seen = wanted and is_watched()
    return progress(what, range(query.count()) if seen else (), wanted=seen)
