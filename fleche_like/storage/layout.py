"""Where a digest lives in a byte backend: ``<prefix>3f/9a/<digest>``.

The shard of the first four characters keeps folders small and makes a short digest, which has at
least four, one listable segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fleche_like.backends import ByteBackend
from fleche_like.hashing import DIGEST_LENGTH, Digest

VALUES: Final = "values/"
CALLS: Final = "calls/"
QUARANTINE: Final = "quarantine/"

_HEX: Final = frozenset("0123456789abcdef")


def shard(prefix: str, key: str) -> str:
    """Return the container of a full or short digest, with its closing slash."""
    return f"{prefix}{key[:2]}/{key[2:4]}/"


def path(prefix: str, key: str) -> str:
    """Return the backend key of a full digest.

    >>> path("values/", "3f9a" + "0" * 28)
    'values/3f/9a/3f9a0000000000000000000000000000'
    """
    return f"{prefix}{key[:2]}/{key[2:4]}/{key}"


def digests_under(backend: ByteBackend, container: str) -> Iterator[Digest]:
    """Yield every digest stored below a container, passing over whatever else lies there."""
    for key in backend.list_prefix(container, recursive=True):
        name = key.rpartition("/")[2]
        if len(name) == DIGEST_LENGTH and _HEX.issuperset(name):
            yield Digest(name)


def quarantine(backend: ByteBackend, key: str) -> None:
    """Move damaged bytes aside, for a person to look at; silent if they are gone.

    The copy is written before the original goes, so that an interruption loses neither.
    """
    try:
        damaged = backend.get_bytes(key)
    except KeyError:
        return
    backend.put_bytes(QUARANTINE + key, damaged)
    backend.delete(key)
