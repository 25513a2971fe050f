"""A set of digests on disk: what a run has to remember, however much that is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, Self

from fleche_like.hashing import Digest

_PAGE: Final = 1000


class Spool:
    """A set of digests in a temporary file, which goes with it; memory stays flat.

    For one thread. Iterating yields the digests in ascending order; more may be added meanwhile.

    >>> with Spool() as spool:
    ...     spool.update([Digest("b" * 32), Digest("a" * 32), Digest("b" * 32)])
    ...     [str(digest)[:1] for digest in spool], len(spool)
    (['a', 'b'], 2)
    """

    def __init__(self) -> None:
        # An empty name is a file of SQLite's own, which is written once memory does not do.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE digests (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def update(self, digests: Iterable[Digest]) -> None:
        """Add digests."""
        self._database.executemany(
            "INSERT OR IGNORE INTO digests VALUES (?)", ((bytes.fromhex(key),) for key in digests)
        )

    def __contains__(self, digest: Digest) -> bool:
        found = self._database.execute(
            "SELECT 1 FROM digests WHERE digest = ?", (bytes.fromhex(digest),)
        )
        return found.fetchone() is not None

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM digests").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Digest]:
        last = b""
        while page := self._database.execute(
            "SELECT digest FROM digests WHERE digest > ? ORDER BY digest LIMIT ?", (last, _PAGE)
        ).fetchall():
            yield from (Digest(digest.hex()) for (digest,) in page)
            (last,) = page[-1]

    def close(self) -> None:
        """Remove it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
