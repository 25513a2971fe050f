"""Writing a selection of calls to one file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from fleche_like.cache import Cache
from fleche_like.cache.abilities import loaded
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Buffer, PickleCodec, Signer, dumps
from fleche_like.errors import CodecError, SaveError
from fleche_like.hashing import Digest
from fleche_like.maintenance.archives import layout
from fleche_like.maintenance.bulk import in_batches
from fleche_like.maintenance.parts import named_by, result_of
from fleche_like.maintenance.selecting import Selected, bar, calls_of, query_of
from fleche_like.maintenance.spool import Spool
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.records import seal_record
from fleche_like.storage.replicate import Copied, SealedCopier
from fleche_like.storage.sealed import signing

CALLS: Final = 1000
"""So many calls are read at a time."""


@dataclass
class Exported:
    """What an archive has.

    Attributes:
        calls: how many.
        values: results, arguments, their parts and sources of code, each once.
        manifests: of code digests.
        incomplete: calls that were left out because their result is gone or damaged.
        size_bytes: of the file.
    """

    calls: int = 0
    values: int = 0
    manifests: int = 0
    incomplete: int = 0
    size_bytes: int = 0


def export(
    cache: Cache,
    file: str | os.PathLike[str],
    query: Selected = None,
    *,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Exported:
    """Write calls with their results, stored arguments, parts and code manifests to one file.

    The file is there when it is whole, in the place of an earlier one, and readable for its owner
    alone. The same calls of one cache give the same bytes. Memory stays flat. Nothing is decoded,
    so that no code runs. The format is described in
    :mod:`fleche_like.maintenance.archives.layout`.

    Args:
        cache: where the calls are.
        file: what to write.
        query: which ones: a query of ``cache``, a template, or all of them.
        dry_run: read everything, and write nothing.
        show_progress: show a bar, if anybody sees it.

    Raises:
        QueryError: the query is another cache's.
        OSError: the file cannot be written.
    """
    asked = query_of(cache, query)
    with _atomic(Path(file), dry_run=dry_run) as target, Spool() as keys, Spool() as written:
        writer = _Writer(target, cache, written)
        with contextlib.closing(bar("exporting", asked, wanted=show_progress)) as shown:
            for batch in in_batches(calls_of(asked)):
                keys.update(call.key for call in batch)
            for some in in_batches(keys, CALLS):
                writer.write(sorted(loaded(cache.calls, some), key=lambda call: call.key))
                shown.update(len(some))
        writer.end()
    return writer.done


@contextlib.contextmanager
def _atomic(file: Path, *, dry_run: bool) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``file`` at the end, or goes if something is raised."""
    if dry_run:
        with open(os.devnull, "wb") as nothing:
            yield nothing
        return
    descriptor, name = tempfile.mkstemp(".part", f".{file.name}.", file.parent)
    try:
        with open(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


class _Writer:
    """Writes the frames of an archive; also where sealed values go.

    Args:
        file: where.
        cache: what is exported.
        written: takes the digests of the values that are written.
    """

    signer: Signer | None = None  # what is signed is the archive as a whole

    def __init__(self, file: BinaryIO, cache: Cache, written: Spool) -> None:
        self._file = file
        self._cache = cache
        self._written = written
        self._hasher = hashlib.sha256()
        self._codes: set[Digest] = set()
        self._functions: Counter[tuple[str, str]] = Counter()
        self.done = Exported()
        values = cache.values
        self._copier = (
            SealedCopier(values, self) if isinstance(values, BackendValueStorage) else None
        )
        self._put(layout.MAGIC)

    # --- what goes in --------------------------------------------------------------------------

    def write(self, calls: Sequence[DigestedCall]) -> None:
        """Write calls, their values and manifests first."""
        parts = [self._manifest(call.code) for call in calls if call.code is not None]
        kept = [Digest(digest) for manifest in parts for digest in manifest.values()]
        wanted = [digest for call in calls for digest in named_by(call)]
        copied = self._values(dict.fromkeys([*wanted, *kept]))
        for call in calls:
            if result_of(call) in copied.lost:
                self.done.incomplete += 1
                continue
            self._frame(layout.CALL, call.key, (seal_record(call),))
            self.done.calls += 1
            self._functions[call.module or "", call.name] += 1

    def _manifest(self, code: Digest) -> Mapping[str, str]:
        """Write the manifest of a code digest unless it was; return it the first time."""
        if code in self._codes:
            return {}
        self._codes.add(code)
        parts = self._cache.manifest(code)
        if parts:
            pairs = [[part, str(digest)] for part, digest in parts.items()]
            self._frame(layout.MANIFEST, code, (json.dumps(pairs).encode(),))
            self.done.manifests += 1
        return parts

    def _values(self, digests: dict[Digest, None]) -> Copied:
        copied = Copied()
        wanted = sorted(digest for digest in digests if digest not in self._written)
        if self._copier is not None:
            self._copier.copy(wanted, copied)
        else:
            self._encode(wanted, copied)
        return copied

    def _encode(self, digests: Sequence[Digest], copied: Copied) -> None:
        codec = PickleCodec()
        for digest in digests:
            try:
                parts = dumps(self._cache.values.load(digest), digest, codec)
            except (KeyError, CodecError, SaveError) as problem:
                copied.lose(digest, problem)
            else:
                self.put([(digest, b"".join(parts))])

    # --- where sealed values go ----------------------------------------------------------------

    def accepts(self, codec: str) -> bool:  # noqa: ARG002  any codec's
        """Return that any value may go into an archive."""
        return True

    def contains(self, digest: Digest) -> bool:
        """Return whether a value is written."""
        return digest in self._written

    def put(self, items: Sequence[tuple[Digest, Buffer]]) -> None:
        """Write sealed values, each once."""
        for digest, data in sorted(items, key=lambda item: item[0]):
            if digest not in self._written:
                self._frame(layout.VALUE, digest, (data,))
                self._written.update([digest])
                self.done.values += 1

    # --- bytes ---------------------------------------------------------------------------------

    def _frame(self, kind: bytes, digest: Digest, content: Sequence[Buffer]) -> None:
        size = layout.DIGEST_BYTES + sum(map(len, content))
        self._put(layout.HEAD.pack(kind, size) + bytes.fromhex(digest))
        for piece in content:
            self._put(piece)

    def _put(self, data: Buffer) -> None:
        self._hasher.update(data)
        self._file.write(data)
        self.done.size_bytes += len(data)

    def end(self) -> None:
        """Write the last frame."""
        functions = [[*name, count] for name, count in sorted(self._functions.items())]
        end: dict[str, Any] = {
            "calls": self.done.calls,
            "values": self.done.values,
            "manifests": self.done.manifests,
            "functions": functions,
            "sha256": self._hasher.hexdigest(),
        }
        signer = signing(self._cache.values)
        signature = None
        if signer is not None:
            signature = signer.sign(layout.SIGNED, "", [layout.end_bytes(end)]).hex()
        content = layout.end_bytes({**end, "signature": signature})
        self._put(layout.HEAD.pack(layout.END, len(content)) + content)
