"""What went into a code digest, with what is worth keeping to explain it later."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from fleche_like.hashing import Digest, digest

SOURCE: Final = "source "
"""How the parts begin that say which source text was behind another part."""


class Manifest(dict[str, Digest]):
    """Digests by part.

    Args:
        parts: what the code digest was made of.
        sources: gives source texts by part, called when the manifest is first stored.
        values: small values by the digest under which they are part of the manifest.
    """

    def __init__(
        self,
        parts: Mapping[str, Digest],
        sources: Callable[[], Mapping[str, str]] = dict,
        values: Mapping[Digest, Any] | None = None,
    ) -> None:
        super().__init__(parts)
        self._sources = sources
        self._values = values or {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Where it goes to, the sources may be out of reach.
        sources: Callable[[], dict[str, str]] = functools.partial(dict, {**self._sources()})
        return Manifest, ({**self}, sources, {**self._values})

    def sources(self) -> Mapping[str, str]:
        """Return source texts by part, as far as they are known."""
        return self._sources()

    def values_by_digest(self) -> Mapping[Digest, Any]:
        """Return small values by the digest under which they are a part."""
        return self._values

    def kept(self) -> tuple[dict[str, Digest], dict[Digest, Any]]:
        """Return the parts to store, those of sources added, and the values to store beside them.

        Sources are no part of the code digest: they differ where only layout does. Those that
        were behind the first call of a code digest are the ones that stay.
        """
        texts = {part: (digest(text), text) for part, text in self._sources().items()}
        parts = {f"{SOURCE}{part}": known for part, (known, _) in texts.items()}
        return {**self, **parts}, {**self._values, **dict(texts.values())}


def source_parts(parts: Mapping[str, str]) -> dict[str, Digest]:
    """Return the digests of source texts by the part they are the source of."""
    found = ((p.removeprefix(SOURCE), d) for p, d in parts.items() if p.startswith(SOURCE))
    return {part: Digest(known) for part, known in found}


def code_parts(parts: Mapping[str, str]) -> dict[str, Digest]:
    """Return the parts that the code digest was made of."""
    return {p: Digest(d) for p, d in parts.items() if not p.startswith(SOURCE)}
