"""Nothing may come between storing a result and storing the call that names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from fleche_like.codecs import Buffer
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, CallStorage, Intent, ValueStorage
from fleche_like.storage.divided import Divided
from fleche_like.storage.references import SupportsReferences
from fleche_like.storage.values import OVERWRITTEN_BYTES

_WAYS: Final = ("save", "put", "encode", "put_once", "put_encoded")


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
        self._plain = values if _is_plain(values) else None
        backend = getattr(values, "backend", None)
        self._most_inside = getattr(backend, "threshold_bytes", OVERWRITTEN_BYTES)

    def put(self, value: Any, key: Digest) -> bool:
        """Store a result; return whether it will surely be there when its call is stored."""
        if self._plain is None:
            certain = self._is_certain()
            self._values.save(value, key)
            return certain
        with self._plain._operation_context(key, intent=Intent.WRITE):
            return self.put_encoded(self._plain, self._plain.encode(value, key), key)

    def put_encoded(
        self, values: BackendValueStorage, parts: Sequence[Buffer], key: Digest
    ) -> bool:
        """Store what the value storage encoded; as :meth:`put`."""
        certain = self._is_certain()
        values.put_once(parts, key)
        if certain or isinstance(parts, Divided) or sum(map(len, parts)) > self._most_inside:
            return certain  # some of it is in files, which no transaction holds
        return self._is_certain()

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

    def _is_certain(self) -> bool:
        """Whether nobody but this thread can write to the database, or it does not matter."""
        return self._database is None or bool(self._database.is_writing())


def _is_plain(values: ValueStorage) -> TypeGuard[BackendValueStorage]:
    """Whether a storage saves as :class:`BackendValueStorage` does, into a database."""
    if not isinstance(values, BackendValueStorage) or not values.transacts:
        return False
    kind = type(values)
    return all(getattr(kind, way) is getattr(BackendValueStorage, way) for way in _WAYS)
