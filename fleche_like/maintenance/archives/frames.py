"""The frames of an archive, read one after the other; the file is checked as a whole before."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from fleche_like.calls import DigestedCall, key_maker
from fleche_like.codecs import Buffer, Signer
from fleche_like.errors import ArchiveError, CodecError, FlecheError
from fleche_like.hashing import Digest
from fleche_like.maintenance.archives import layout
from fleche_like.maintenance.parts import result_of
from fleche_like.maintenance.spool import Spool
from fleche_like.storage.records import open_record
from fleche_like.storage.sealed import Opened, open_sealed

_MAPPED_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024


class Frame(NamedTuple):
    """One frame.

    Attributes:
        kind: its letter.
        digest: what it is about; empty for the end.
        content: the rest of it.
    """

    kind: bytes
    digest: Digest
    content: Buffer


class ArchiveFile:
    """An archive that is open for reading. Nothing that it says is taken for a path.

    Args:
        path: the file.

    Raises:
        ArchiveError: it is no archive, or of a later format.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        try:
            self._check_magic()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- the whole -----------------------------------------------------------------------------

    def check(self, step: Callable[[int], object]) -> dict[str, Any]:
        """Read all of it once, and require that it is sound; return what its end says.

        Args:
            step: is told of each call.

        Raises:
            ArchiveError: it is cut short, altered, or was never sound.
        """
        counts = dict.fromkeys((layout.VALUE, layout.MANIFEST, layout.CALL, layout.END), 0)
        with Spool() as values:
            for frame in self.frames():
                counts[frame.kind] += 1
                self._check_frame(frame, values)
                if frame.kind == layout.CALL:
                    step(1)
        end: Any = self._parsed(frame.content)
        if type(end) is not dict:
            self.refuse("its end is malformed")
        found = (counts[layout.CALL], counts[layout.VALUE], counts[layout.MANIFEST])
        if tuple(end.get(name) for name in ("calls", "values", "manifests")) != found:
            self.refuse("its end counts other frames than there are")
        if end.get("sha256") != self._sha256(self._size - layout.HEAD.size - len(frame.content)):
            self.refuse("its checksum does not match")
        return dict(end)

    def _check_frame(self, frame: Frame, values: Spool) -> None:
        if frame.kind == layout.VALUE:
            opened = self.value_of(frame, None)
            if not all(part in values for part in opened.parts):
                self.refuse(f"a part of value {frame.digest} does not come before it")
            values.update([frame.digest])
        elif frame.kind == layout.MANIFEST:
            self.manifest_of(frame)
        elif frame.kind == layout.CALL:
            call = self.call_of(frame)
            if result_of(call) is not None and Digest(call.result or "") not in values:
                self.refuse(f"the result of call {frame.digest} does not come before it")

    def _sha256(self, size: int) -> str:
        hasher = hashlib.sha256()
        self._file.seek(0)
        while size:
            chunk = self._file.read(min(size, _CHUNK_BYTES))
            if not chunk:
                self.refuse("it became shorter while it was read")
            hasher.update(chunk)
            size -= len(chunk)
        return hasher.hexdigest()

    # --- one by one ----------------------------------------------------------------------------

    def frames(self) -> Iterator[Frame]:
        """Yield all frames, that of the end last.

        Raises:
            ArchiveError: a frame is no frame, or reaches beyond the file; or there is no end.
        """
        position, kind = len(layout.MAGIC), b""
        while position < self._size:
            if kind == layout.END:
                self.refuse("something comes after its end")
            kind, size = layout.HEAD.unpack(self._read(position, layout.HEAD.size))
            position += layout.HEAD.size
            yield self._frame(kind, position, size)
            position += size
        if kind != layout.END:
            self.refuse("it is cut short: there is no end")

    def _frame(self, kind: bytes, position: int, size: int) -> Frame:
        if kind not in (layout.VALUE, layout.MANIFEST, layout.CALL, layout.END):
            self.refuse(f"a frame of an unknown kind, {kind!r}")
        if size > self._size - position:
            self.refuse("it is cut short: a frame reaches beyond its end")
        if kind != layout.VALUE and size > layout.LONGEST_JSON:
            self.refuse(f"a frame of {size:,} bytes where a few are expected")
        if kind == layout.END:
            return Frame(kind, Digest(""), self._read(position, size))
        if size < layout.DIGEST_BYTES:
            self.refuse("a frame without a digest")
        data = self._read(position, size)
        digest = Digest(bytes(data[: layout.DIGEST_BYTES]).hex())
        return Frame(kind, digest, data[layout.DIGEST_BYTES :])

    def _read(self, position: int, size: int) -> Buffer:
        if size >= _MAPPED_BYTES:
            return self._mapped(position, size)
        self._file.seek(position)
        pieces = []
        while size:
            piece = self._file.read(size)
            if not piece:
                self.refuse("it is cut short")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _mapped(self, position: int, size: int) -> memoryview:
        start = position - position % mmap.ALLOCATIONGRANULARITY
        mapped = mmap.mmap(
            self._file.fileno(), position + size - start, access=mmap.ACCESS_READ, offset=start
        )
        return memoryview(mapped)[position - start :]

    # --- what a frame has ----------------------------------------------------------------------

    def value_of(self, frame: Frame, signer: Signer | None) -> Opened:
        """Return codec, envelope and parts of a value, sealed for who signs with ``signer``.

        Raises:
            ArchiveError: the envelope is damaged, or another value's.
        """
        try:
            return open_sealed(frame.digest, frame.content, None, signer)
        except CodecError as problem:
            self.refuse(str(problem), problem)

    def manifest_of(self, frame: Frame) -> dict[str, Digest]:
        """Return the manifest of a code digest.

        Raises:
            ArchiveError: it is none.
        """
        pairs = self._parsed(frame.content)
        try:
            return {str(part): _full(digest) for part, digest in pairs}
        except (TypeError, ValueError) as problem:
            self.refuse(f"the manifest of {frame.digest} is malformed", problem)

    def call_of(self, frame: Frame) -> DigestedCall:
        """Return a call, whose key follows from what it says.

        Raises:
            ArchiveError: the record is damaged, or another call's.
        """
        try:
            call = open_record(frame.content, frame.digest)
            maker = key_maker(call.name, call.module, call.version, call.code)
            key = maker.key(call.arguments.items())
        except FlecheError as problem:
            self.refuse(str(problem), problem)
        if key != frame.digest:
            self.refuse(f"a record under key {frame.digest} is that of call {key}")
        return call

    def _parsed(self, content: Buffer) -> Any:
        try:
            return json.loads(bytes(content))
        except (ValueError, RecursionError) as problem:
            self.refuse("malformed JSON", problem)

    def _check_magic(self) -> None:
        found = self._file.read(len(layout.MAGIC))
        if found[:-1] != layout.MAGIC[:-1]:
            self.refuse("it is no archive of calls")
        if found != layout.MAGIC:
            self.refuse(f"its format, {found[-1]}, is not known here: a later release wrote it")

    def refuse(self, reason: str, cause: BaseException | None = None) -> NoReturn:
        """Raise the error of an archive that cannot be used.

        Raises:
            ArchiveError: always.
        """
        raise ArchiveError(f"{self.path}: {reason}", path=str(self.path), reason=reason) from cause


def _full(text: Any) -> Digest:
    if not isinstance(text, str) or len(bytes.fromhex(text)) != layout.DIGEST_BYTES:
        raise ValueError("no digest")
    return Digest(text.lower())
