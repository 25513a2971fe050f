"""Sets of digests too large for memory, kept in a file that vanishes with its process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Final

from fleche_like.hashing import DIGEST_LENGTH, Digest

BUCKETS: Final = tuple(f"{number:02x}" for number in range(256))
"""By the first two characters; digests are as good as random, so that buckets are alike."""

_BYTES: Final = DIGEST_LENGTH // 2
_HELD_BYTES: Final = 4 * 1024 * 1024


class Marks:
    """Rows of some digests each, sorted into buckets by the first digest of a row.

    Only what is waiting to be written and one bucket at a time are in memory, as in the partitions
    of a hash join (M. Kitsuregawa et al., "Application of hash to data base machine and its
    architecture", 1983). The file has no name: nothing of it stays, however the process ends.

    Args:
        width: digests in a row.
    """

    def __init__(self, width: int = 1) -> None:
        self._width = width
        self._file: IO[bytes] | None = None
        self._waiting: dict[str, bytearray] = {bucket: bytearray() for bucket in BUCKETS}
        self._written: dict[str, list[tuple[int, int]]] = {bucket: [] for bucket in BUCKETS}
        self._held = 0
        self._end = 0

    def add(self, *row: str) -> None:
        """Add a row of full digests; repeated ones may be kept twice."""
        self._waiting[row[0][:2]] += bytes.fromhex("".join(row))
        self._held += _BYTES * self._width
        if self._held >= _HELD_BYTES:
            self._flush()

    def add_all(self, digests: Iterable[str]) -> None:
        """Add rows of one digest."""
        for digest in digests:
            self.add(digest)

    def rows(self, bucket: str) -> Iterator[tuple[bytes, ...]]:
        """Yield the rows of a bucket, each digest as 16 bytes, in no order."""
        size = _BYTES * self._width
        for data in self._pieces(bucket):
            for start in range(0, len(data), size):
                row = data[start : start + size]
                yield tuple(row[place : place + _BYTES] for place in range(0, size, _BYTES))

    def digests(self, bucket: str) -> set[bytes]:
        """Return the first digests of a bucket's rows, each as 16 bytes."""
        size = _BYTES * self._width
        return {
            data[start : start + _BYTES]
            for data in self._pieces(bucket)
            for start in range(0, len(data), size)
        }

    def all(self) -> Iterator[Digest]:
        """Yield the first digests of all rows, each once, bucket by bucket."""
        for bucket in BUCKETS:
            yield from (Digest(found.hex()) for found in self.digests(bucket))

    def close(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._file.close()

    def _pieces(self, bucket: str) -> Iterator[bytes]:
        for start, length in self._written[bucket]:
            assert self._file is not None
            self._file.seek(start)
            yield self._file.read(length)
        yield bytes(self._waiting[bucket])

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="fleche-like-", buffering=0)  # noqa: SIM115
        self._file.seek(self._end)
        for bucket, waiting in self._waiting.items():
            if waiting:
                self._file.write(waiting)
                self._written[bucket].append((self._end, len(waiting)))
                self._end += len(waiting)
                waiting.clear()
        self._held = 0
