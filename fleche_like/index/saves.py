"""What a miss writes: a call and its small result, where both are in one database."""

from __future__ import annotations

from collections.abc import Callable

from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Signer
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.writing import Stored
from fleche_like.storage.layout import path
from fleche_like.storage.records import seal_record


class Saves:
    """Writes calls together with their results: one transaction, one statement each.

    Args:
        database: holds calls and blobs.
        container: where values are among the blobs, with its closing slash.
        save: writes the rows of a call; runs inside the transaction.
        signer: signs the records.
    """

    def __init__(
        self,
        database: Database,
        container: str,
        save: Callable[[Stored], None],
        signer: Signer | None = None,
    ) -> None:
        self._signer = signer
        self._database = database
        self._container = container
        self._save = save
        self._put = DatabaseBackend(database).put_normal

    def save(self, call: DigestedCall, digest: Digest, result: bytes) -> None:
        """Store a call and the bytes of its result; both or neither, even after a lost server.

        Args:
            call: the call, with its result's digest.
            digest: that digest.
            result: the result, sealed under it.
        """
        stored = Stored(call, seal_record(call, self._signer), len(result))
        where = path(self._container, digest)

        def write() -> None:
            self._put(where, result)
            self._save(stored)

        self._database.retrying(write)
