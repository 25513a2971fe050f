"""Which parts of a value are stored under digests of their own, and what is left without them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from fleche_like.codecs import Encoded, Skeleton
from fleche_like.codecs.parts import Asking, Taken, take_apart
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, is_node, value_digest
from fleche_like.storage.containers import Survey, is_flat, members_of
from fleche_like.storage.sharing import Objects, is_opaque, referred, without_opaque

logger = logging.getLogger(__name__)

DESTRUCTURE_BYTES: Final = 256 * 1024
"""From this size on a part is worth a file of its own: that takes as long as writing it inline."""

MOST_LEVELS: Final = 16
"""Parts have parts in turn, so deep at most."""

MOST_PARTS: Final = 2**16
"""So many objects of one value are looked at; what is beyond is not split off."""

LOOKS_PER_BYTE: Final = 2
"""Containers looked at for each byte of a pickle: some ten times what a large value takes in which
each is held once, and a second for a megabyte."""

Content: TypeAlias = Encoded | Skeleton


class Part(NamedTuple):
    """A part of a value: its digest, its bytes without parts of its own, and these."""

    digest: Digest
    content: Content
    parts: Sequence[Part]


class Division(NamedTuple):
    """A value without its parts, and these, each digest once."""

    skeleton: Skeleton
    parts: Sequence[Part]


def divide(value: Any, whole: Encoded, least: int) -> Division | None:
    """Split a value into parts that are stored on their own.

    A part is an array, a frame, another object with a digest of its own, a text or a container,
    whose own pickle (without parts that it has in turn) takes ``least`` bytes or more. What shares
    a mutable object with the rest of the value stays where it is, so that it still does when the
    value is loaded.

    Args:
        value: the value.
        whole: its pickle.
        least: the size in bytes from which on a part is split off.

    Returns:
        ``None`` if nothing is worth it. The result refers to the value's memory: store it before
        the value changes.
    """
    try:
        return None if is_node(value) else _divide(value, whole, least)
    except MemoryError:
        raise
    # What was pickled once may refuse to be taken apart: code of its class, another thread.
    except Exception as error:  # noqa: BLE001
        logger.debug("a %s is stored as a whole: %s", type(value).__qualname__, error)
        return None


def _divide(value: Any, whole: Encoded, least: int) -> Division | None:
    survey = None
    if len(whole.payload) >= least:  # otherwise nothing in it is large, but for its buffers
        survey = Survey(value, least, LOOKS_PER_BYTE * len(whole.payload))
        if not (survey.found or whole.buffers or any(map(_may_hide, survey.samples.values()))):
            return None
    return _Divider(least, survey).divide(value)


def _may_hide(sample: Any) -> bool:
    """Whether what is of the same type may have, or be, a part that the survey did not see."""
    if members_of(sample) or is_opaque(sample) or isinstance(sample, (list, tuple, dict)):
        return is_node(sample)
    return type(sample) is not bytearray


def size_of(content: Content) -> int:
    """Return how many bytes were encoded, headers apart."""
    size = len(content.payload)
    return size + sum(map(len, content.buffers)) if content.buffers else size


class _Piece(NamedTuple):
    """An object that may be a part, with the objects that its pickle refers to."""

    value: Any
    digest: Digest
    stream: _Stream


class _Stream(NamedTuple):
    """A pickle, and the pieces left out of it by their number."""

    taken: Taken
    pieces: list[_Piece]

    def content(self) -> Content:
        payload, buffers, _ = self.taken
        if not self.pieces:
            return Encoded(payload, buffers)
        return Skeleton(tuple(piece.digest for piece in self.pieces), payload, buffers)

    def parts(self) -> list[Part]:
        each = {piece.digest: piece.stream for piece in self.pieces}
        return [Part(digest, stream.content(), stream.parts()) for digest, stream in each.items()]


class _Divider:
    """One division under way.

    Args:
        least: from how many bytes on something is a part.
        survey: which containers and texts may be; ``None`` if none is.
    """

    def __init__(self, least: int, survey: Survey | None) -> None:
        self._least = least
        self._survey = survey
        self._found = survey.found if survey is not None else {}
        self._refused: set[int] = set()
        self._never: set[type] = set()  # types whose instances have no digest of their own
        self._nodes: set[type] = set()  # types whose instances do
        self._begin()

    def _begin(self) -> None:
        self._pieces: dict[int, _Piece | None] = {}
        self._held: list[Any] = []
        self._open: set[int] = set()

    def divide(self, value: Any) -> Division | None:
        """Split until no part shares anything with what is outside of it."""
        while True:
            stream = self._stream(value)
            crossing = {*_Sharing().crossing(stream)}
            if not crossing:
                break
            self._refused |= crossing
            self._begin()
        content = stream.content()
        return Division(content, stream.parts()) if isinstance(content, Skeleton) else None

    def _stream(self, value: Any, level: int = 0) -> _Stream:
        """Pickle an object without its parts; one with a digest of its own has none."""
        numbers: dict[int, int] = {}
        pieces: list[_Piece] = []

        def choose(obj: Any) -> int | None:
            number = numbers.get(id(obj))
            if number is not None or obj is value or not self._may_be_part(obj):
                return number
            piece = self._piece(obj, level + 1)
            if piece is not None:
                number = numbers[id(obj)] = len(pieces)
                pieces.append(piece)
            return number

        if level and is_node(value):
            return _Stream(take_apart(value, Asking(_nothing)), pieces)
        always = self._survey.within(value) if self._survey is not None else ()
        if level and not always and is_flat(value):
            return _Stream(take_apart(value, Asking(choose, memo=False)), pieces)
        return _Stream(take_apart(value, Asking(choose, always, self._never)), pieces)

    def _may_be_part(self, obj: Any) -> bool:
        if id(obj) in self._found:
            return True
        kind = type(obj)
        if kind not in self._nodes:
            if isinstance(obj, type) or not is_node(obj):
                self._never.add(kind)
                return False
            self._nodes.add(kind)
        return not _is_small(obj, self._least)

    def _piece(self, value: Any, level: int) -> _Piece | None:
        identity = id(value)
        if identity in self._open or identity in self._refused or level > MOST_LEVELS:
            return None
        if identity not in self._pieces:
            self._open.add(identity)
            self._held.append(value)  # so that its identity stays its own
            self._pieces[identity] = self._made(value, level)
            self._open.discard(identity)
        return self._pieces[identity]

    def _made(self, value: Any, level: int) -> _Piece | None:
        stream = self._stream(value, level)
        if size_of(stream.content()) < self._least or len(self._pieces) > MOST_PARTS:
            return None
        try:
            return _Piece(value, value_digest(value), stream)
        except Indigestible:
            return None


def _nothing(_obj: Any) -> None:
    return None


def _is_small(obj: Any, least: int) -> bool:
    """Whether an array of numbers says that it is smaller than ``least``."""
    size = getattr(obj, "nbytes", None)
    objects = getattr(getattr(obj, "dtype", None), "hasobject", True)
    return type(size) is int and size < least and objects is False


class _Sharing:
    """Which objects several pickles of one value refer to."""

    def __init__(self) -> None:
        self._reached: dict[int, Objects] = {}
        self._looked: set[int] = set()
        self._own: dict[int, Objects] = {}

    def crossing(self, stream: _Stream) -> Iterator[int]:
        """Yield the identities of pieces that share an object with what is outside of them."""
        if id(stream) in self._looked:
            return
        self._looked.add(id(stream))
        for piece in stream.pieces:
            yield from self.crossing(piece.stream)
        reached = [self._inside(piece) for piece in stream.pieces]
        users = Counter(chain.from_iterable([self._referred(stream), *reached]))
        for piece, objects in zip(stream.pieces, reached, strict=True):
            shared = {key: obj for key, obj in objects.items() if users[key] > 1}
            if without_opaque(shared):
                yield id(piece.value)

    def _inside(self, piece: _Piece) -> Objects:
        """Return what a piece and those within it refer to, the piece itself apart."""
        found = self._reached.get(id(piece.value))
        if found is None:
            found = dict(self._referred(piece.stream))
            for each in piece.stream.pieces:
                found |= self._inside(each)
            found.pop(id(piece.value), None)
            self._reached[id(piece.value)] = found
        return found

    def _referred(self, stream: _Stream) -> Objects:
        """Return the objects that a pickle refers to, its pieces included, by their identity."""
        found = self._own.get(id(stream))
        if found is None:
            pieces = {id(piece.value): piece.value for piece in stream.pieces}
            found = self._own[id(stream)] = referred(stream.taken) | pieces
        return found
