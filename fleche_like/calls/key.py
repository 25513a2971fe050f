"""The key of a call: one digest over its identity and its arguments' digests."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from xxhash import xxh3_128_digest, xxh3_128_hexdigest

from fleche_like.calls.display import shown_value
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest, encode, encode_node, encode_str, tuple_prefix
from fleche_like.hashing.bulk import scalar
from fleche_like.hashing.tags import NODE

Version: TypeAlias = int | str | None

_VERSIONS: Final = frozenset({int, str, type(None)})
_MAX_NAMES: Final = 1024
_FULL: Final = re.compile(r"[0-9a-f]{32}\Z").match


def call_key(
    name: str,
    module: str | None,
    version: Version,
    code: Digest | None,
    pairs: Iterable[tuple[str, Digest]],
) -> Digest:
    """Return the key of a call: the digest of one tuple of all that identifies it.

    Args:
        name: qualified name of the function.
        module: its module.
        version: its declared version.
        code: digest of its code.
        pairs: argument names and full digests, in the binder's order; the order is part of the key.

    Raises:
        Indigestible: a digest is malformed or short.
    """
    return digest((name, module, version, code, tuple(pairs)))


class KeyMaker:
    """Makes the keys of one function's calls: :func:`call_key` with the constant part encoded once.

    Thread-safe: its one cache, of encoded argument names, only ever gains equal entries.

    >>> pairs = [("x", digest(1))]
    >>> KeyMaker("f", "m", None, None).key(pairs) == call_key("f", "m", None, None, pairs)
    True
    """

    def __init__(
        self, name: str, module: str | None, version: Version, code: Digest | None
    ) -> None:
        self._identity = (name, module, version, code)
        self._head = (
            tuple_prefix(5) + b"".join(map(encode, (name, module, version))) + _encoded(code)
        )
        self._openings: dict[str, bytes] = {}

    def key(self, pairs: Iterable[tuple[str, Digest]]) -> Digest:
        """Return the key of the call with these argument names and full digests.

        Raises:
            Indigestible: a digest is malformed or short.
        """
        pairs = tuple(pairs)
        parts = [self._head, tuple_prefix(len(pairs))]
        for name, value in pairs:
            # encode_node trusts its argument; what is no canonical digest takes the checked way.
            if not _is_full(value):
                return call_key(*self._identity, pairs)
            parts.append(self._openings.get(name) or self._opening(name))
            parts.append(encode_node(value))
        return Digest(xxh3_128_hexdigest(b"".join(parts)))

    def key_of_own(self, digests: Mapping[str, Digest]) -> Digest:
        """Return :meth:`key` for digests that ``digest`` itself returned, which are not checked.

        A first hit pays this: a third of the checked way.

        >>> digests = {"x": digest(1), "y": digest("a")}
        >>> maker = KeyMaker("f", "m", None, None)
        >>> maker.key_of_own(digests) == maker.key(digests.items())
        True
        """
        openings, node, raw = self._openings, NODE, bytes.fromhex
        try:
            pairs = [openings[name] + node + raw(value) for name, value in digests.items()]
        except KeyError:  # the first call with this name
            return self.key(digests.items())
        return Digest(xxh3_128_hexdigest(self._head + tuple_prefix(len(pairs)) + b"".join(pairs)))

    def key_of_scalars(self, arguments: Mapping[str, Any]) -> Digest:
        """Return :meth:`key` for plain numbers and texts, whose digests nobody has to see.

        A batch of hits pays this: a third of digests one by one.

        Args:
            arguments: values by name, of exact types in ``hashing.tags.SCALARS``.

        >>> maker = KeyMaker("f", "m", None, None)
        >>> maker.key_of_scalars({"x": 1}) == maker.key([("x", digest(1))])
        True
        """
        openings, node, raw, encoded = self._openings, NODE, xxh3_128_digest, scalar
        try:
            pairs = [openings[name] + node + raw(encoded(v)) for name, v in arguments.items()]
        except KeyError:  # the first call with this name
            return self.key([(name, digest(value)) for name, value in arguments.items()])
        return Digest(xxh3_128_hexdigest(self._head + tuple_prefix(len(pairs)) + b"".join(pairs)))

    def _opening(self, name: str) -> bytes:
        opening = tuple_prefix(2) + (encode_str(name) if type(name) is str else encode(name))
        if len(self._openings) < _MAX_NAMES and type(name) is str:
            self._openings[name] = opening
        return opening


@functools.lru_cache(maxsize=256, typed=True)
def key_maker(name: str, module: str | None, version: Version, code: Digest | None) -> KeyMaker:
    """Return the maker of keys for an identity; the same one again for a while.

    Raises:
        Indigestible: as :func:`checked_version`.
    """
    return KeyMaker(name, module, checked_version(version), code)


def checked_version(version: Version) -> Version:
    """Return a version that a record can hold.

    Raises:
        Indigestible: it is neither an ``int`` nor a text nor ``None``, or of a type derived from
            these: it would not be read back as what it was.
    """
    if type(version) not in _VERSIONS:
        shown = shown_value(version)
        raise Indigestible(
            f"version={shown}: a version is an int or a text, such as version={str(version)!r:.60}",
            path="version",
            kind=type(version).__name__,
        )
    return version


def _is_full(value: object) -> bool:
    return type(value) is Digest and _FULL(value) is not None


def _encoded(code: Digest | None) -> bytes:
    return encode_node(code) if code is not None and _is_full(code) else encode(code)
