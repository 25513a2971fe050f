"""Values in parts as envelopes: sealing them, and putting them together again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from fleche_like.backends import ByteBackend
from fleche_like.backends.abilities import read_range
from fleche_like.codecs import Buffer, Encoded, PartsCodec, PickleCodec, Signer, Skeleton, seal
from fleche_like.codecs.layout import HEAD_SIZE, damaged, read_head
from fleche_like.codecs.parts import assemble, parts_size, read_parts
from fleche_like.codecs.serial import rebuilt
from fleche_like.errors import CodecError, KeyNotFound, PartNotFound
from fleche_like.hashing import Digest
from fleche_like.storage.dividing import MOST_LEVELS, Content, Division, Part, divide

START_BYTES: Final = 4096
"""Read at first, to see what a value is: nearly always all there is to its list of parts."""

_PARTS_NAME: Final = PartsCodec.name.encode()

MOST_OBJECTS: Final = 2**18
"""Parts of one value that are loaded: more than are ever written."""


class Divided(list[Buffer]):
    """The parts of an envelope, and the envelopes of the values that it refers to.

    Args:
        envelope: what is stored under the value's digest.
        members: digest and envelope of each part, to be stored before.
    """

    def __init__(
        self, envelope: Sequence[Buffer], members: Sequence[tuple[Digest, Sequence[Buffer]]]
    ) -> None:
        super().__init__(envelope)
        self.members = members


def stored_bytes(envelope: Sequence[Buffer]) -> int:
    """Return how many bytes an envelope has, those of its parts included."""
    size = sum(map(len, envelope))
    if isinstance(envelope, Divided):
        size += sum(stored_bytes(each) for _, each in envelope.members)
    return size


def divided(
    value: Any, whole: Encoded, key: Digest, least: int, signer: Signer | None = None
) -> Divided | None:
    """Return the envelopes of a value in parts; ``None`` if it is to be stored as a whole.

    Args:
        value: the value.
        whole: its pickle.
        key: its digest.
        least: the size in bytes from which on a part is split off.
        signer: signs each envelope.
    """
    division = divide(value, whole, least)
    return None if division is None else _sealed_division(key, division, signer)


def _sealed_division(key: Digest, division: Division, signer: Signer | None) -> Divided:
    members = [(part.digest, _sealed_part(part, signer)) for part in division.parts]
    return Divided(_sealed(key, division.skeleton, signer), members)


def _sealed_part(part: Part, signer: Signer | None) -> Sequence[Buffer]:
    if isinstance(part.content, Skeleton):
        return _sealed_division(part.digest, Division(part.content, part.parts), signer)
    return _sealed(part.digest, part.content, signer)


def _sealed(key: Digest, content: Content, signer: Signer | None) -> list[Buffer]:
    if isinstance(content, Skeleton):
        return seal(key, PartsCodec.name, PartsCodec().encode(content), signer)
    return seal(key, PickleCodec.name, content, signer)


def part_digests(backend: ByteBackend, path: str, key: Digest) -> tuple[Digest, ...]:
    """Return the digests of the parts of a stored value, from the first bytes of its envelope.

    Returns:
        Each once; none if it is stored as a whole, or not at all, or damaged there.
    """
    try:
        start = read_range(backend, path, 0, START_BYTES)
    except KeyNotFound:
        return ()
    return parts_at(start, key, backend, path)


def parts_at(start: Buffer, key: Digest, backend: ByteBackend, path: str) -> tuple[Digest, ...]:
    """Return what :func:`part_digests` does, given the first :data:`START_BYTES` of an envelope.

    Args:
        start: these, or all there are.
        key: the digest of the value.
        backend: where it is: read again if the list of its parts is longer than that.
        path: under which key.
    """
    try:
        head = read_head(key, start, len(start) if len(start) < START_BYTES else sys.maxsize)
    except CodecError:
        return ()
    if start[HEAD_SIZE : head.name_end] != _PARTS_NAME:
        return ()
    found = start[head.payload_start :]
    if len(found) < parts_size(found):
        try:
            found = read_range(backend, path, head.payload_start, parts_size(found))
        except KeyNotFound:
            return ()
    return tuple(dict.fromkeys(read_parts(found) or ()))


def part_not_found(key: Digest, part: Digest) -> PartNotFound:
    """Return the error for a value that lacks a part."""
    reason = f"its part {part} is not stored"
    return PartNotFound(f"value {key}: {reason}", key=key, part=part, reason=reason)


class Assembly:
    """Puts one value together from its parts, and these from theirs.

    Every part is verified and made anew: two loads share nothing. Bytes that somebody made up end
    in an error, not in a loop.

    Args:
        load: returns what is stored under a digest, parts not yet in place.
    """

    def __init__(self, load: Callable[[Digest], Any]) -> None:
        self._load = load
        self._levels = 0
        self._objects = 0

    def whole(self, skeleton: Skeleton, key: Digest) -> Any:
        """Return the value of a skeleton.

        Raises:
            PartNotFound: a part is not stored.
            DamagedEnvelope: a part is not what was stored, or a value would be a part of itself.
            DecodeError: the bytes are intact, but unpickling them raised.
        """
        self._levels += 1
        self._check(key, len(skeleton.parts))
        parts = list(self._parts(skeleton, key))
        self._levels -= 1
        return rebuilt(key, assemble, skeleton, parts)

    def _check(self, key: Digest, count: int) -> None:
        self._objects += count
        if self._levels > MOST_LEVELS + 1:
            raise damaged(key, "its parts have parts that never end")
        if self._objects > MOST_OBJECTS:
            raise damaged(key, f"it has more than {MOST_OBJECTS} parts")

    def _parts(self, skeleton: Skeleton, key: Digest) -> Iterator[Any]:
        for digest in skeleton.parts:
            try:
                found = self._load(digest)
            except KeyNotFound as error:
                raise part_not_found(key, digest) from error
            yield self.whole(found, digest) if type(found) is Skeleton else found
