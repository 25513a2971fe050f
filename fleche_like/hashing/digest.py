"""The public entry: a value's digest, and the pieces that keys of calls are put together from."""

from __future__ import annotations

from typing import Any

from xxhash import xxh3_128, xxh3_128_hexdigest

from fleche_like.hashing import bulk, encoder, tags
from fleche_like.hashing.text import Digest, literally

_IN_PLACE = 1 << 16


def digest(value: Any, path: str = "value") -> Digest:
    """Return the digest of a value.

    Args:
        value: anything digestible; a full :class:`Digest` is its own digest.
        path: what to call the value in an error, as ``args['cfg']``.

    Returns:
        XXH3-128 of the canonical encoding, or the digest of a node. Values that agree in type and
        representation agree in digest, in every process and on every platform.

    Raises:
        Indigestible: the value, or something in it, has no stable identity; the error names the
            path to it. Nothing was consumed.

    Thread-safe. Where another thread changes the value meanwhile, the digest is that of some state
    in between, or ``Indigestible`` is raised.

    >>> digest(1) == digest(1), digest(1) == digest(1.0), digest(digest(1)) == digest(1)
    (True, False, True)
    """
    kind = type(value)
    if kind in tags.SCALARS:
        if kind is bytes and len(value) >= _IN_PLACE:
            return _digest_in_place(value)
        return Digest(xxh3_128_hexdigest(bulk.scalar(value)))
    if kind in tags.CONTAINERS:
        plain = bulk.tree(value)
        if plain is not None:
            return Digest(xxh3_128_hexdigest(plain))
    encoding = encoder.walk(value, path)
    if encoding[0] == tags.NODE[0]:
        return Digest(encoding[1:].hex())
    return Digest(xxh3_128_hexdigest(encoding))


def value_digest(value: Any, path: str = "value") -> Digest:
    """Return the digest of a value that is to be stored, or handed to a function.

    It is :func:`digest`, but a :class:`Digest` inside counts as the text that it is and not as
    what it stands for: ``[digest(array)]`` and ``[array]`` are two values, though either names
    the other's parts.

    Args and raises: see :func:`digest`.

    >>> value_digest([1, 2]) == digest([1, 2]), value_digest([digest(1)]) == digest([digest(1)])
    (True, False)
    """
    if type(value) in tags.SCALARS:
        return digest(value, path)
    with literally():
        return digest(value, path)


def _digest_in_place(value: bytes) -> Digest:
    state = xxh3_128(tags.BYTES + tags.length(len(value)))
    state.update(value)
    return Digest(state.hexdigest())


def encode_str(text: str) -> bytes:
    r"""Return the encoding of an exact ``str``; equal to ``encode(text)``, without the checks.

    >>> encode_str("a")
    b'u\x01\x00\x00\x00a'
    """
    return bulk.scalar(text)


def encode_node(value: Digest) -> bytes:
    """Return the encoding of a full digest inside a container: 17 bytes, not checked.

    >>> len(encode_node(digest(1)))
    17
    """
    return tags.NODE + bytes.fromhex(value)


def tuple_prefix(count: int) -> bytes:
    """Return the bytes that open a tuple; its members' encodings follow, and nothing after them.

    >>> from fleche_like.hashing import encode
    >>> tuple_prefix(2) + encode_str("a") + encode(1) == encode(("a", 1))
    True
    """
    return tags.TUPLE + tags.length(count)
