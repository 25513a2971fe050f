"""What a lineage begins with, and asking for it."""

from __future__ import annotations

from typing import Any

from fleche_like.calls import (
    Call,
    DigestedCall,
    LazyCall,
    LineageQuery,
    QueryCall,
    Related,
    SupportsLineage,
    related_in,
)
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import DIGEST_LENGTH, Digest, value_digest
from fleche_like.storage import CallStorage, ValueStorage


def beginning(
    of: Any, calls: CallStorage, values: ValueStorage
) -> tuple[Digest | None, Digest | None]:
    """Return the key of a call or the digest of a value, the other one ``None``.

    Args:
        of: a call; a digest or text, full or short, of a call or a value; or a value itself.
        calls: where calls are looked for.
        values: where the values of short digests are looked for.

    Raises:
        KeyNotFound: nothing begins with a short digest.
        AmbiguousDigestError: several calls, or several values, begin with it.
    """
    if isinstance(of, Call | DigestedCall | LazyCall):
        return of.key, None
    if isinstance(of, str):
        return _resolved(of, calls, values)
    return None, value_digest(of)


def _resolved(
    key: str, calls: CallStorage, values: ValueStorage
) -> tuple[Digest | None, Digest | None]:
    try:
        full = calls.expand(key)
        if calls.contains(full):
            return full, None
    except KeyNotFound:
        pass
    # A value need not be stored to be known by its full digest.
    return None, Digest(key.lower()) if len(key) == DIGEST_LENGTH else values.expand(key)


def related(calls: CallStorage, asked: LineageQuery) -> Related:
    """Return the calls of a lineage: in SQL where the storage can, else by looking at all."""
    if isinstance(calls, SupportsLineage):
        return calls.related(asked)
    return related_in(calls.query(QueryCall()), asked)
