"""Stored digests, bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator

from fleche_like.backends import ByteBackend
from fleche_like.hashing import Digest
from fleche_like.maintenance.marks import BUCKETS
from fleche_like.storage.layout import digests_under


def by_bucket(backend: ByteBackend, container: str) -> Iterator[tuple[str, Iterator[Digest]]]:
    """Yield every bucket, in order, and the digests in it; empty ones cost no request.

    Args:
        backend: where they are.
        container: under which prefix, with its closing slash.
    """
    start = len(container)
    there = {key[start : start + 2] for key in backend.list_prefix(container)}
    for bucket in BUCKETS:
        inside = f"{container}{bucket}/"
        yield bucket, digests_under(backend, inside) if bucket in there else iter(())
