"""Nothing may come between storing a result and storing the call that names it."""

from __future__ import annotations

from fleche_like.storage import CallStorage


class Keeping:
    """Tells a writer when ``gc`` may have removed a result that no call named yet.

    Where calls are in SQLite there is one writer: gc removes values inside a transaction in which
    it looks for calls once more, so that it comes before a call is stored, or sees the call. Who
    has stored a call in a transaction, and a result before that began, therefore looks whether the
    result is still there. Elsewhere the grace period of gc is what protects it.

    Args:
        calls: where calls go.
    """

    def __init__(self, calls: CallStorage) -> None:
        database = getattr(calls, "database", None)
        self._database = None if database is None or database.dialect != "sqlite" else database

    def is_certain(self) -> bool:
        """Whether what is stored now will be there when a call is, without another look."""
        return self._database is None or bool(self._database.is_writing())
