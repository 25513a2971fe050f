"""Results by name in one byte backend: what a storage manager puts together."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Self

import xxhash

from fleche_like.backends import ByteBackend
from fleche_like.codecs import Buffer, PickleCodec, Signer
from fleche_like.errors import Indigestible, KeyNotFound
from fleche_like.hashing import Digest, value_digest
from fleche_like.storage.dividing import DESTRUCTURE_BYTES
from fleche_like.storage.names import NameRecord, names_in, next_stamp
from fleche_like.storage.values import BackendValueStorage
from fleche_like.support.sentinel import MISSING, Missing

_PICKLE: Final = PickleCodec()


class StorageType(enum.StrEnum):
    """Where results are."""

    MEMORY = "memory"
    FILESYSTEM = "filesystem"
    DATABASE = "database"
    REMOTE = "remote"


class Saved(NamedTuple):
    """A value that was stored."""

    digest: Digest
    envelope: Sequence[Buffer]
    stamp: int = 0


class ResultStorage:
    """Results by name in one place.

    A name is any text and refers to a content-addressed value: equal results are stored once, and
    renaming moves no bytes. Deleting a name leaves a tombstone, see :mod:`.names`, and its value
    where it is, for other names or calls may have it: ``gc`` removes what nobody has.

    Args:
        backend: where names and values go; closed with this.
        storage_type: what kind of place that is.
        config: what the factory of that kind was given.
        destructure_bytes: as for :class:`BackendValueStorage`.
        signer: signs names and results, and believes no others. It is no part of ``config``: give
            it again to whatever is made from that.

    Thread-safe and process-safe as far as the backend is: of several who save under one name at
    once, one stays.
    """

    def __init__(
        self,
        backend: ByteBackend,
        *,
        storage_type: StorageType = StorageType.REMOTE,
        config: dict[str, Any] | None = None,
        destructure_bytes: int | None = DESTRUCTURE_BYTES,
        signer: Signer | None = None,
    ) -> None:
        self.backend = backend
        self.storage_type = storage_type
        self.config = dict(config or {})
        self.names = names_in(backend, signer)
        self.values = BackendValueStorage(
            backend, destructure_bytes=destructure_bytes, signer=signer
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.backend!r})"

    def save_result(
        self,
        key: str,
        result: Any,
        metadata: dict[str, Any] | None = None,
        *,
        stamp: int | None = None,
    ) -> Saved:
        """Store a result under a name, over what had it.

        Args:
            key: any text.
            result: any object that can be pickled.
            metadata: what else to say of it, see :meth:`load_metadata`.
            stamp: what time to note; now if omitted.

        Returns:
            Digest and envelope of the result as it was stored, and the time that was noted. The
            envelope may refer to the result's memory.

        Raises:
            SaveError: the result or the metadata cannot be turned into bytes; nothing has changed.
        """
        name = _text(key)
        saved = self._save_value(result)
        said = None if metadata is None else self._save_value(metadata).digest
        record = NameRecord(name, saved.digest, stamp or next_stamp(), said)
        return saved._replace(stamp=self.names.write(record))

    def load_result(self, key: str) -> Any:
        """Return the result of a name, in memory of its own.

        Raises:
            KeyNotFound: there is none, or its bytes are gone or damaged.
        """
        found = self.find(key)
        if found is MISSING:
            raise self.absent(key)
        return found

    def load_metadata(self, key: str) -> dict[str, Any] | None:
        """Return what was said of a result when it was saved; ``None`` if nothing was.

        Raises:
            KeyNotFound: there is no such name, or the bytes are gone or damaged.
        """
        record = self.live(key)
        if record is None:
            raise self.absent(key)
        found = None if record.metadata is None else self.values.lookup(record.metadata)
        if found is MISSING:
            raise self.absent(key)
        said: dict[str, Any] | None = found
        return said

    def delete_result(self, key: str) -> None:
        """Remove a name.

        Raises:
            KeyNotFound: there is none.
        """
        record = self.live(key)
        if record is None:
            raise self.absent(key)
        self.bury(record)

    def rename_result(self, old_key: str, new_key: str, *, stamp: int | None = None) -> None:
        """Give a result another name. Interrupted, it has both.

        Args:
            old_key: its name.
            new_key: a name that nothing has.
            stamp: what time to note; now if omitted.

        Raises:
            KeyNotFound: there is no such name.
            NameTaken: something has the new name already.
        """
        if self.names.rename(_text(old_key), _text(new_key), stamp or next_stamp()) is None:
            raise self.absent(old_key)

    def exists_result(self, key: str) -> bool:
        """Return whether there is a result of a name."""
        return self.live(key) is not None

    def list_results(self, prefix: str | None = None) -> list[str]:
        """Return all names in order, or those that begin with ``prefix``; reads every name."""
        return sorted(record.name for record in self.records(prefix))

    def clear_results(self) -> int:
        """Remove every name; return how many there were."""
        count = 0
        for count, record in enumerate(self.records(), 1):  # noqa: B007  counts
            self.bury(record)
        return count

    def forget_deletions(self, older_than_s: float = 0.0) -> int:
        """Remove the tombstones of names that were deleted; return how many.

        A copy of such a name elsewhere comes back with the next ``bidirectional`` sync.

        Args:
            older_than_s: keep those of later deletions.
        """
        limit = next_stamp() - int(older_than_s * 1e9)
        gone = [each for each in self.names if not each.is_live and each.stamp <= limit]
        for record in gone:
            self.names.forget(record.name)
        return len(gone)

    def info(self) -> dict[str, Any]:
        """Return what kind of place this is, its URL without secrets, and how many names it has."""
        count = sum(1 for _ in self.records())
        return {"type": str(self.storage_type), "url": self.backend.url, "results": count}

    def close(self) -> None:
        """Release what the backend holds."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What a manager builds on

    def live(self, key: str) -> NameRecord | None:
        """Return the record of a name; ``None`` if it was deleted."""
        record = self.names.get(_text(key))
        return record if record is not None and record.is_live else None

    def records(self, prefix: str | None = None) -> Iterator[NameRecord]:
        """Yield the records of all names, or of those that begin with ``prefix``."""
        return (each for each in self.names if each.is_live and each.name.startswith(prefix or ""))

    def find(self, key: str) -> Any | Missing:
        """Return the result of a name, or ``MISSING``."""
        record = self.live(key)
        return (
            MISSING if record is None or record.value is None else self.values.lookup(record.value)
        )

    def bury(self, record: NameRecord, stamp: int | None = None) -> None:
        """Put a tombstone in the place of a record."""
        self.names.write(NameRecord(record.name, None, stamp or next_stamp(record)))

    def _save_value(self, value: Any) -> Saved:
        """Store a value; what has no digest gets that of its pickle."""
        try:
            key = value_digest(value)
        except Indigestible:
            key = _digest_of_pickle(value)
        envelope = self.values.encode(value, key)
        self.values.put_once(envelope, key)
        return Saved(key, envelope)

    def absent(self, key: str) -> KeyNotFound:
        """Return the error for a name that has no result."""
        return KeyNotFound(f"there is no result named {key!r}", key=key, url=self.backend.url)


def _digest_of_pickle(value: Any) -> Digest:
    """Return a digest that no value with one of its own can have: no encoding begins so."""
    payload, buffers = _PICKLE.encode(value)
    state = xxhash.xxh3_128(b"\xffpickle")
    for each in (payload, *buffers):
        state.update(len(each).to_bytes(8, "little"))
        state.update(each)
    return Digest(state.hexdigest())


def _text(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a name is text, not {type(key).__name__}")
    return str(key)
