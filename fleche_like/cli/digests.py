"""A digest as people type it, found among calls and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from fleche_like.cache import Cache
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.storage.base import _resolve_prefix


class Found(NamedTuple):
    """What a digest belongs to."""

    kind: Literal["call", "value"]
    digest: Digest


def resolve(cache: Cache, key: str) -> Found:
    """Return the one call or value that ``key`` stands for.

    Raises:
        KeyNotFound: there is none.
        AmbiguousDigestError: there are several, calls and values taken together.
        InvalidDigest: it is no digest.
    """
    found = list(_found(cache, key))
    if not found:
        raise KeyNotFound(f"no call and no value begins with {key!r}", key=key)
    _resolve_prefix(key, sorted({one.digest for one in found}))
    return found[0]


def _found(cache: Cache, key: str) -> Iterator[Found]:
    for kind, storage in (("call", cache.calls), ("value", cache.values)):
        try:
            full = storage.expand(key)
        except KeyNotFound:
            continue
        # A full digest is its own expansion, stored or not.
        if storage.contains(full):
            yield Found("call" if kind == "call" else "value", full)
