"""Optional abilities with a plain way around for backends that lack them.

For composites and storages, which must work over any backend, and be fast over able ones.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final, Protocol

from fleche_like.backends.base import (
    Buffer,
    ByteBackend,
    StorageStat,
    SupportsAge,
    SupportsAppend,
    SupportsBatch,
    SupportsEmptyContainers,
    SupportsMap,
    SupportsOpen,
    SupportsParts,
    SupportsRange,
    SupportsReplace,
    SupportsStarts,
    SupportsStat,
    SupportsSweep,
    as_bytes,
)
from fleche_like.backends.keys import normalise, normalise_name
from fleche_like.backends.stripes import Stripes
from fleche_like.errors import KeyNotFound, WriteConflict

_ATTEMPTS: Final = 50
_LONGEST_PAUSE_S: Final = 0.5

_appending: Final = Stripes()


def put_parts(backend: ByteBackend, key: str, parts: Sequence[Buffer]) -> None:
    """Store the concatenation of ``parts``; joins them first where it must."""
    if len(parts) == 1:
        backend.put_bytes(key, parts[0])
    elif isinstance(backend, SupportsParts):
        backend.put_parts(key, parts)
    else:
        backend.put_bytes(key, b"".join(map(as_bytes, parts)))


def open_read(backend: ByteBackend, key: str) -> BinaryIO:
    """Open what is stored as a file; reads it into memory where it must."""
    if isinstance(backend, SupportsOpen):
        return backend.open_read(key)
    return io.BytesIO(backend.get_bytes(key))


def map_bytes(backend: ByteBackend, key: str) -> memoryview:
    """Return private, writable memory with what is stored; reads it where it must."""
    if isinstance(backend, SupportsMap):
        return backend.map_bytes(key)
    return memoryview(bytearray(backend.get_bytes(key)))


def read_range(backend: ByteBackend, key: str, offset: int, length: int | None = None) -> bytes:
    """Read a part of what is stored; reads all of it where it must."""
    if isinstance(backend, SupportsRange):
        return backend.read_range(key, offset, length)
    return slice_bytes(backend.get_bytes(key), offset, length)


def slice_bytes(data: bytes, offset: int, length: int | None) -> bytes:
    """Return what ``read_range`` gives for ``data``.

    Raises:
        ValueError: ``offset`` or ``length`` is negative.
    """
    check_range(offset, length)
    return data[offset : None if length is None else offset + length]


def check_range(offset: int, length: int | None) -> None:
    """Refuse a negative offset or length with ValueError."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"no range: offset {offset}, length {length}")


def append_bytes(backend: ByteBackend, key: str, data: Buffer) -> None:
    """Put ``data`` behind what is stored; where it must, by reading and writing all of it.

    That is done by one thread of this process at a time. Others must keep away meanwhile, unless
    the backend tells when they did not (:class:`SupportsReplace`).

    Raises:
        WriteConflict: others change the key all the time; nothing was appended.
    """
    if isinstance(backend, SupportsAppend):
        backend.append_bytes(key, data)
        return
    name = normalise_name(key)
    with _appending.of(name):
        if isinstance(backend, SupportsReplace):
            _append_by_replacing(backend, name, bytes(data))
        else:
            before = backend.get_bytes(name) if backend.exists(name) else b""
            backend.put_bytes(name, before + as_bytes(data))


class _Replaceable(ByteBackend, SupportsReplace, Protocol): ...


def _append_by_replacing(backend: _Replaceable, name: str, data: bytes) -> None:
    for attempt in range(_ATTEMPTS):
        version, held = held_bytes(backend, name)
        if backend.replace(name, (held or b"") + data, version):
            return
        pause(attempt)
    message = f"{name!r} changes too often in {backend.url}"
    raise WriteConflict(message, key=name, url=backend.url)


def held_bytes(backend: _Replaceable, name: str) -> tuple[tuple[str, int] | None, bytes | None]:
    """Return what is stored, or None, with a fingerprint that is no younger."""
    version = backend.fingerprint(name)
    try:
        return version, None if version is None else backend.get_bytes(name)
    except KeyNotFound:
        return None, None


def pause(attempt: int) -> None:
    """Let others go ahead, for longer at each attempt, and never all for the same time."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.005 * 2**attempt)))


def sweep(backend: ByteBackend, older_than_s: float) -> int:
    """Remove what killed writers left behind, where that can be; return how much."""
    return backend.sweep(older_than_s=older_than_s) if isinstance(backend, SupportsSweep) else 0


def renew(backend: ByteBackend, key: str) -> bool:
    """Let what is stored count as written now; false if nothing is, or the place cannot do that."""
    return isinstance(backend, SupportsAge) and backend.renew(key)


def delete_older(backend: ByteBackend, key: str, before: float) -> bool:
    """Remove a key if it was last written before a moment; return whether nothing is there now.

    Where it must, by looking first: what somebody writes just in between is removed, too.
    """
    if isinstance(backend, SupportsAge):
        return backend.delete_older(key, before)
    found = stat(backend, key)
    if found is not None and found.mtime >= before:
        return False
    backend.delete(key)
    return True


def stat(backend: ByteBackend, key: str) -> StorageStat | None:
    """Return size and time of what is stored, or None; where it must, by reading, with time 0."""
    if isinstance(backend, SupportsStat):
        return backend.stat(key)
    try:
        return StorageStat(len(backend.get_bytes(key)), 0.0)
    except KeyError:
        return None


def get_many(backend: ByteBackend, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the keys that exist with their bytes, in any order; one by one where it must."""
    if isinstance(backend, SupportsBatch):
        yield from backend.get_many(keys)
        return
    for key in keys:
        try:
            data = backend.get_bytes(key)
        except KeyError:
            continue
        yield key, data


def get_starts(
    backend: ByteBackend, keys: Iterable[str], length: int
) -> Iterator[tuple[str, int, bytes]]:
    """Yield the keys that exist with their size and up to ``length`` of their first bytes.

    In any order; one by one where it must.
    """
    if isinstance(backend, SupportsStarts):
        yield from backend.get_starts(keys, length)
        return
    for key in keys:
        found = get_start(backend, key, length)
        if found is not None:
            yield key, *found


def get_start(backend: ByteBackend, key: str, length: int) -> tuple[int, bytes] | None:
    """Return size and up to ``length`` first bytes of what is stored, or None."""
    try:
        start = read_range(backend, key, 0, length)
    except KeyError:
        return None
    if len(start) < length:
        return len(start), start
    found = stat(backend, key)
    return None if found is None else (found.size, start)


def put_many(backend: ByteBackend, items: Iterable[tuple[str, Buffer]]) -> None:
    """Store many keys; one by one where it must."""
    if isinstance(backend, SupportsBatch):
        backend.put_many(items)
        return
    for key, data in items:
        backend.put_bytes(key, data)


def remove_empty(backend: ByteBackend, prefix: str) -> None:
    """Remove a container if nothing is in it, where containers exist apart from keys."""
    if isinstance(backend, SupportsEmptyContainers):
        backend.remove_empty(prefix)
    else:
        normalise(prefix)
