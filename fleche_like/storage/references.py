"""Values that are stored in parts: which stored values one is put together from."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fleche_like.hashing import Digest


@runtime_checkable
class SupportsReferences(Protocol):
    """A value storage that may keep parts of a value under digests of their own."""

    def references(self, key: Digest) -> tuple[Digest, ...]:
        """Return the digests of the direct parts of a stored value.

        Args:
            key: a full digest.

        Returns:
            Each part once, in no particular order; none for a value that is stored whole, or that
            is not stored.
        """
        ...
