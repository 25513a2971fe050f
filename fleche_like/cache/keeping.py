"""Nothing may come between storing a result and storing the call that names it."""

from __future__ import annotations

from fleche_like.hashing import Digest
from fleche_like.storage import CallStorage, ValueStorage
from fleche_like.storage.references import SupportsReferences


class Keeping:
    """Tells a writer when ``gc`` may have removed a result that no call named yet.

    Where calls are in SQLite there is one writer: gc removes values inside a transaction in which
    it looks for calls once more, so that it comes before a call is stored, or sees the call. Who
    put a result before that transaction, and has stored the call inside, therefore looks whether
    the result is still there. Elsewhere the grace period of gc is what protects it.

    Args:
        values: where results go.
        calls: where calls go.
    """

    def __init__(self, values: ValueStorage, calls: CallStorage) -> None:
        database = getattr(calls, "database", None)
        self._database = None if database is None or database.dialect != "sqlite" else database
        self._values = values

    def is_certain(self) -> bool:
        """Whether what is put from now on will be there when a call is stored."""
        return self._database is None or bool(self._database.is_writing())

    def is_whole(self, key: Digest) -> bool:
        """Return whether a value is stored, and all its parts are."""
        values, seen, rest = self._values, {key}, [key]
        while rest:
            digest = rest.pop()
            if not values.contains(digest):
                return False
            if isinstance(values, SupportsReferences):
                new = set(values.references(digest)) - seen
                seen |= new
                rest += new
        return True
