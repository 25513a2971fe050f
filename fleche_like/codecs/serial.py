"""Objects to sealed bytes and back, in one step each: what storages call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

from fleche_like.codecs.base import Buffer, Codec
from fleche_like.codecs.envelope import seal, unseal, unseal_small
from fleche_like.codecs.layout import JOIN_BYTES
from fleche_like.codecs.memory import copy
from fleche_like.codecs.reader import unseal_file
from fleche_like.codecs.registry import get_codec
from fleche_like.codecs.signing import Signer
from fleche_like.errors import DecodeError

T = TypeVar("T")
U = TypeVar("U")


def dumps(value: Any, key: str, codec: Codec, signer: Signer | None = None) -> list[Buffer]:
    """Turn ``value`` into the parts of an envelope, to be written one after the other.

    Small values are one part. Large arrays are not copied: write the parts before the value
    changes.

    Raises:
        EncodeError: ``codec`` cannot represent the value; names its type.

    >>> from fleche_like.codecs.pickle import PickleCodec
    >>> (part,) = dumps({"a": 1}, "some/key", PickleCodec())
    >>> loads(part, "some/key")
    {'a': 1}
    """
    return seal(key, codec.name, codec.encode(value), signer)


def loads(data: Buffer, key: str) -> Any:
    """Rebuild the object from a whole envelope in memory; everything is verified.

    Its large buffers are copied to writable memory, so it shares nothing with ``data``.

    Raises:
        DamagedEnvelope: cut short, altered, or stored under another key.
        UnknownFormat: written by a later release.
        UnknownCodec: by a codec that is not registered here.
        DecodeError: the bytes are intact, but decoding them raised (its cause).
    """
    small = unseal_small(key, data)
    if small is not None:
        return decode(key, *small)
    codec, payload, buffers = unseal(key, data)
    if buffers:
        buffers = [copy(buffer) for buffer in buffers]
    return decode(key, codec, payload, buffers)


def load_file(file: BinaryIO, key: str) -> Any:
    """Rebuild the object from a file as :func:`loads` does, holding its bytes once.

    Args:
        file: open for reading bytes at its beginning, seekable, with ``readinto``; unbuffered is
            fastest. It is left open.
        key: the key that it is stored under.

    Raises:
        OSError: reading failed. Otherwise as :func:`loads`.
    """
    small = unseal_small(key, file.read(JOIN_BYTES))
    if small is not None:
        return decode(key, *small)
    return decode(key, *unseal_file(key, file))


def load_mapped(data: memoryview, key: str, *, verify_buffers: bool = False) -> Any:
    """Rebuild the object around a memory map: its large arrays are views into ``data``.

    Args:
        data: a private copy-on-write map of the whole envelope. It stays mapped as long as an
            array in the object lives; writes to the object never reach the file.
        key: the key that it is stored under.
        verify_buffers: also check every buffer, which reads the whole file. All else is always
            checked.

    Raises:
        As :func:`loads`.
    """
    return decode(key, *unseal(key, data, verify_buffers=verify_buffers))


def decode(key: str, codec: str, payload: Buffer, buffers: Sequence[Buffer] = ()) -> Any:
    """Rebuild the object of an opened envelope.

    Raises:
        UnknownCodec: its codec is not registered here.
        DecodeError: decoding it raised (its cause).
    """
    return rebuilt(key, get_codec(codec).decode, payload, buffers)


def rebuilt(key: str, rebuild: Callable[[T, U], Any], encoded: T, rest: U) -> Any:
    """Return what a function makes of the verified bytes of a key.

    Args:
        key: what they are stored under.
        rebuild: decodes them, which may run anybody's code.
        encoded: its first argument.
        rest: its second.

    Raises:
        DecodeError: it raised (its cause).
    """
    try:
        return rebuild(encoded, rest)
    except MemoryError:
        raise
    # Not BaseException: KeyboardInterrupt, or SystemExit from a signal handler, is not the file's.
    except Exception as error:
        message = f"decoding {key!r} raised {type(error).__name__}: {error}"
        raise DecodeError(message, key=key) from error
