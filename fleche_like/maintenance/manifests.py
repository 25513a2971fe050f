"""Copying code manifests with the values that they name."""

from __future__ import annotations

from collections.abc import Iterable

from fleche_like.cache import Cache
from fleche_like.cache.abilities import SupportsManifests
from fleche_like.hashing import Digest
from fleche_like.storage.replicate import ValueCopier


class ManifestCopier:
    """Copies manifests from one cache to another, each once in its life.

    Args:
        source: where they are.
        target: where they go.
    """

    def __init__(self, source: Cache, target: Cache) -> None:
        self._source = source
        self._target = target.calls if isinstance(target.calls, SupportsManifests) else None
        self._values = ValueCopier(source.values, target.values)
        self._known: set[Digest] = set()

    def copy(self, codes: Iterable[Digest]) -> set[Digest]:
        """Copy the manifests of code digests, with sources and other values that are kept.

        Returns:
            What to hand to :meth:`committed` once they are.
        """
        new = set(codes) - self._known
        for code in new:
            parts = {part: Digest(digest) for part, digest in self._source.manifest(code).items()}
            if parts and self._target is not None:
                # Most parts are digests of code, of which no value is kept.
                self._values.copy(parts.values())
                self._target.save_manifest(code, parts)
        return new

    def committed(self, codes: Iterable[Digest]) -> None:
        """Take note that manifests need not be looked at again."""
        self._known.update(codes)
