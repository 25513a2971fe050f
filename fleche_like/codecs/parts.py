"""A value without its parts: what is left of it, and which values have to be put back in.

:class:`PartsCodec` writes the payload of an envelope as::

    offset  size  field
         0     4  number of parts, n (little-endian, unsigned)
         4    16  XXH3-128 of all digests
        20   16n  digests of the parts, by their number; one digest may have several numbers
                  then a pickle in which each part is a number

So the parts are known from the first bytes, whatever follows. Decoding this unpickles nothing: a
:class:`Skeleton` is put together by :func:`assemble`, once its parts were loaded.
"""

from __future__ import annotations

import functools
import io
import pickle
import struct
from collections.abc import Callable, Collection, Container, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import xxhash

from fleche_like.codecs.base import Buffer, Encoded
from fleche_like.codecs.pickle import collector, not_implemented
from fleche_like.codecs.registry import register_codec
from fleche_like.codecs.thawing import thawed
from fleche_like.errors import DecodeError, EncodeError
from fleche_like.hashing import DIGEST_LENGTH, Digest

_COUNT: Final = struct.Struct("<I16s")
_DIGEST_BYTES: Final = DIGEST_LENGTH // 2


class Asking(NamedTuple):
    """Which objects are left out of a pickle.

    Args:
        choose: returns the number of an object that is left out; ``None`` for all others.
        always: identities of objects that it is asked about whatever they are. If there are any,
            pickling takes a call for every object.
        never: exact types that it is not asked about otherwise. It never is about instances of
            exact builtin types.
        memo: whether what the pickle refers to is to be told; takes time for each such object.
    """

    choose: Callable[[Any], int | None]
    always: Collection[int] = ()
    never: Container[type] = ()
    memo: bool = True


class Skeleton(NamedTuple):
    """A pickled value whose parts are numbers.

    Args:
        parts: digests of the parts, by their number.
        payload: the pickle.
        buffers: its out-of-band buffers.
    """

    parts: tuple[Digest, ...]
    payload: Buffer
    buffers: Sequence[Buffer] = ()


class PartsCodec:
    """Skeletons as bytes, and back.

    >>> codec = PartsCodec()
    >>> codec.decode(*codec.encode(Skeleton((Digest("3f" * 16),), b"N."))).parts
    (Digest('3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f'),)
    """

    name: Final = "parts"

    def encode(self, value: Any) -> Encoded:
        if not isinstance(value, Skeleton):
            kind = type(value).__qualname__
            raise EncodeError(f"a {kind} is not a value without its parts", kind=kind)
        digests = bytes.fromhex("".join(value.parts))
        head = _COUNT.pack(len(value.parts), xxhash.xxh3_128_digest(digests))
        return Encoded(b"".join((head, digests, value.payload)), value.buffers)

    def decode(self, payload: Buffer, buffers: Sequence[Buffer]) -> Skeleton:
        parts = read_parts(payload)
        if parts is None:
            raise ValueError("the list of its parts is damaged")
        return Skeleton(parts, payload[parts_size(payload) :], buffers)


def parts_size(start: Buffer) -> int:
    """Return how many bytes the list of parts takes, from the beginning of a payload on.

    Args:
        start: the first bytes of a payload; if they are too few to tell, that many are meant.
    """
    if len(start) < _COUNT.size:
        return _COUNT.size
    count: int = _COUNT.unpack_from(start)[0]
    return _COUNT.size + count * _DIGEST_BYTES


def read_parts(start: Buffer) -> tuple[Digest, ...] | None:
    """Return the digests of the parts by their number; ``None`` if they are damaged or cut short.

    Args:
        start: a payload, or as much of it as :func:`parts_size` says.
    """
    if len(start) < parts_size(start):
        return None
    digests = bytes(start[_COUNT.size : parts_size(start)])
    if xxhash.xxh3_128_digest(digests) != _COUNT.unpack_from(start)[1]:
        return None
    places = range(0, len(digests), _DIGEST_BYTES)
    return tuple(Digest(digests[place : place + _DIGEST_BYTES].hex()) for place in places)


# Skeletons that are stored refer to this function: its name and place are part of the format.
def part(number: int) -> NoReturn:
    """Stand for a part in the pickle of a skeleton: what it names is given by :func:`assemble`.

    Raises:
        DecodeError: always; nothing else can say which value it is.
    """
    raise DecodeError(f"part {number} of a value that is loaded without its parts", key="")


def assemble(skeleton: Skeleton, parts: Sequence[Any]) -> Any:
    """Return the value of a skeleton; each part is put in wherever its number stands.

    Unpickles, so that the skeleton must have been verified.

    Args:
        skeleton: a value without its parts.
        parts: these, by their number.
    """
    file = io.BytesIO(skeleton.payload)
    return _Assembler(file, skeleton.buffers, parts).load()


class _Assembler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, buffers: Sequence[Buffer], parts: Sequence[Any]) -> None:
        super().__init__(file, buffers=buffers)
        self._part = parts.__getitem__

    def persistent_load(self, pid: Any) -> Any:
        return self._part(pid)

    def find_class(self, module: str, name: str, /) -> Any:
        if name == part.__name__ and module == __name__:
            return self._part
        return super().find_class(module, name)


class Taken(NamedTuple):
    """A pickle without what was left out of it.

    ``memo`` has the objects that pickle kept track of, by their identity. It keeps them alive, so
    that no other object can get the identity of one of them.
    """

    payload: Buffer
    buffers: Sequence[Buffer]
    memo: dict[int, tuple[int, Any]]


def take_apart(value: Any, asking: Asking) -> Taken:
    """Pickle a value, leaving out the objects that are chosen.

    An object that occurs several times is one part, and one object again when it is assembled.

    Raises:
        EncodeError: the value cannot be pickled.
    """
    try:
        return _pickled(pickle.Pickler, value, asking)
    except MemoryError:
        raise
    except Exception as refusal:  # noqa: BLE001  # whatever a __reduce__ may raise
        return _pickled_by_value(value, asking, refusal)


def _pickled_by_value(value: Any, asking: Asking, refusal: Exception) -> Taken:
    import cloudpickle

    try:
        return _pickled(cloudpickle.Pickler, value, asking)
    except MemoryError:
        raise
    except Exception as error:
        kind = type(value).__qualname__
        raise EncodeError(f"cannot pickle a {kind}: {refusal}", kind=kind) from error


def _pickled(base: Any, value: Any, asking: Asking) -> Taken:
    file = io.BytesIO()
    buffers: list[Buffer] = []
    kind = _asking_always(base, asking) if asking.always else _asking(base)
    pickler = kind(file, protocol=5, buffer_callback=collector(buffers))
    pickler.choose, pickler.never = asking.choose, asking.never
    pickler.dump(value)
    return Taken(file.getbuffer(), buffers, pickler.memo.copy() if asking.memo else {})


@functools.cache
def _asking(base: Any) -> Any:
    """Return a class of picklers that ask about all but instances of exact builtin types."""
    override = base.reducer_override if base is not pickle.Pickler else not_implemented

    class Picklers(base):  # type: ignore[misc]  # pickle's class or cloudpickle's
        def reducer_override(self, obj: Any) -> Any:
            if type(obj) in self.never:
                return override(self, obj)
            number = self.choose(obj)
            if number is not None:
                return part, (number,)
            reduced = thawed(obj)
            return override(self, obj) if reduced is NotImplemented else reduced

    return Picklers


def _asking_always(base: Any, asking: Asking) -> Any:
    """Return a class that asks about certain objects of any type; looks at each that it meets."""
    always, choose = asking.always, asking.choose

    def persistent_id(_pickler: Any, obj: Any) -> int | None:
        return choose(obj) if id(obj) in always else None

    return type("Picklers", (_asking(base),), {"persistent_id": persistent_id})


register_codec(PartsCodec())
