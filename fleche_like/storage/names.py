"""Names of results: small records in a byte backend that point to content-addressed values.

The record of a name is stored under ``names/3f/9a/<digest of the name>``, so that a name may be any
text, in an envelope (see :mod:`fleche_like.codecs.layout`) of the codec ``name`` around one JSON
object, ASCII only::

    {"name": "any text", "value": "<digest>", "metadata": "<digest>", "stamp": 1700000000000000000}

``value`` is the digest of the result and ``metadata`` that of what was said of it, both values
under ``values/`` of the same backend; ``null`` if there is none. A record whose ``value`` is
``null`` is a tombstone: the name was deleted, which keeps an older copy elsewhere from coming
back. ``stamp`` is when it was written, in nanoseconds since 1970 (UTC), and at least one more than
that of the record it replaced, whatever the clock says.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from fleche_like.backends import ByteBackend, SupportsReplace
from fleche_like.backends.abilities import get_many
from fleche_like.codecs import Encoded, Signer, seal, unseal
from fleche_like.codecs.layout import damaged
from fleche_like.errors import DamagedEnvelope, NameTaken, UntrustedEnvelope
from fleche_like.hashing import Digest, digest
from fleche_like.storage.base import OperationContext
from fleche_like.storage.layout import path, quarantine
from fleche_like.storage.lock_places import place_of
from fleche_like.storage.locks import InterProcessLockMixin, PerKeyLockMixin

logger = logging.getLogger(__name__)

NAMES: Final = "names/"
CODEC: Final = "name"

_PAGE: Final = 256

_now = time.time_ns


@dataclass(frozen=True)
class NameRecord:
    """What a name stands for.

    Args:
        name: any text.
        value: digest of its result; ``None`` if the name was deleted.
        stamp: when it was written, in nanoseconds since 1970.
        metadata: digest of what was said of the result.
    """

    name: str
    value: Digest | None
    stamp: int
    metadata: Digest | None = None

    @property
    def is_live(self) -> bool:
        """Whether the name stands for something."""
        return self.value is not None

    @property
    def order(self) -> tuple[int, str]:
        """What the newer of two records has more of; equal only if they say the same."""
        return self.stamp, f"{self.value or ''} {self.metadata or ''}"


class Names(OperationContext):
    """The names in a byte backend, see :func:`names_in`.

    Args:
        backend: where they are.
        signer: signs records, and believes no others.

    A record is read and replaced within its context, and where the backend can refuse to overwrite
    what others wrote, by that. Each write is atomic in any case.
    """

    prefix: Final = NAMES

    def __init__(self, backend: ByteBackend, signer: Signer | None = None) -> None:
        self.backend = backend
        self.signer = signer

    def get(self, name: str) -> NameRecord | None:
        """Return the record of a name, tombstones included; ``None`` if it never had one.

        A damaged record is put aside under ``quarantine/``, and is none; so is one that is not
        trusted, which stays.
        """
        key = name_digest(name)
        try:
            data = self.backend.get_bytes(path(NAMES, key))
        except KeyError:
            return None
        return self._opened(key, data)

    def write(self, record: NameRecord) -> int:
        """Write the record of a name over an earlier one; return its stamp, newer than that one's.

        The stamp is the record's unless that is no newer.
        """
        with self._operation_context(name_digest(record.name)):
            stamp = _later(record.stamp, self.get(record.name))
            self._put(replace(record, stamp=stamp))
            return stamp

    def replace(self, old: NameRecord | None, new: NameRecord) -> bool:
        """Write a record as it is, unless another than ``old`` is there; return whether it was."""
        with self._operation_context(name_digest(new.name)):
            return self._replace(old, new)

    def rename(self, old_name: str, new_name: str, stamp: int) -> NameRecord | None:
        """Write the record of one name under another, which has none, and a tombstone in its place.

        Args:
            old_name: the name; interrupted, both are there.
            new_name: the other.
            stamp: of both, unless there was a newer one.

        Returns:
            What the first name stood for; ``None`` if nothing, and nothing was written.

        Raises:
            NameTaken: the other name stands for something.
        """
        with self._operation_contexts(map(name_digest, (old_name, new_name))):
            record, other = self.get(old_name), self.get(new_name)
            if record is None or not record.is_live:
                return None
            stamp = _later(stamp, record, other)
            taken = other is not None and other.is_live
            if taken or not self._replace(other, replace(record, name=new_name, stamp=stamp)):
                raise NameTaken(f"there is a result named {new_name!r} already", key=new_name)
            self._put(NameRecord(old_name, None, stamp))
            return record

    def _replace(self, old: NameRecord | None, new: NameRecord) -> bool:
        key = name_digest(new.name)
        where, data = path(NAMES, key), _sealed(new, key, self.signer)
        if isinstance(self.backend, SupportsReplace):
            version = self.backend.fingerprint(where)
            return self.get(new.name) == old and self.backend.replace(where, data, version)
        if self.get(new.name) != old:
            return False
        self.backend.put_bytes(where, data)
        return True

    def _put(self, record: NameRecord) -> None:
        key = name_digest(record.name)
        self.backend.put_bytes(path(NAMES, key), _sealed(record, key, self.signer))

    def forget(self, name: str) -> None:
        """Remove the record of a name, tombstone or not."""
        self.backend.delete(path(NAMES, name_digest(name)))

    def __iter__(self) -> Iterator[NameRecord]:
        """Yield all records in the order of their names' digests, read page by page."""
        keys = self.backend.list_prefix(NAMES, recursive=True)
        while page := [*islice(keys, _PAGE)]:
            found = dict(get_many(self.backend, page))
            for each in page:
                record = self._opened(Digest(each.rpartition("/")[2]), found.get(each, b""))
                if record is not None:
                    yield record

    def _opened(self, key: Digest, data: bytes) -> NameRecord | None:
        if not data:
            return None  # removed while we were looking
        try:
            return _unsealed(key, data, self.signer)
        except DamagedEnvelope as damage:
            logger.warning("the name %s is damaged and was put aside: %s", key, damage.reason)
            quarantine(self.backend, path(NAMES, key))
            return None
        except UntrustedEnvelope as doubt:
            logger.warning("the name %s is passed over: %s", key, doubt.reason)
            return None


class _NamesOfProcesses(InterProcessLockMixin, Names):
    """Names that one of all threads and processes changes at a time."""


class _NamesOfThreads(PerKeyLockMixin, Names):
    """Names that one thread of this process changes at a time."""


def names_in(backend: ByteBackend, signer: Signer | None = None) -> Names:
    """Return the names in a backend, locked among processes where it has a place for locks."""
    kind = _NamesOfThreads if place_of(Names(backend)) is None else _NamesOfProcesses
    return kind(backend, signer)


def name_digest(name: str) -> Digest:
    """Return the digest that a name is stored under."""
    return digest(str(name))


def next_stamp(*records: NameRecord | None) -> int:
    """Return a stamp of now that is newer than those of some records, even if clocks are not."""
    return _later(_now(), *records)


def _later(stamp: int, *records: NameRecord | None) -> int:
    return max(stamp, *(record.stamp + 1 for record in records if record is not None), 0)


def _sealed(record: NameRecord, key: Digest, signer: Signer | None) -> bytes:
    fields = {
        "name": record.name,
        "value": record.value,
        "metadata": record.metadata,
        "stamp": record.stamp,
    }
    text = json.dumps(fields, separators=(",", ":"))  # ASCII: a name may have lone surrogates
    return b"".join(seal(key, CODEC, Encoded(text.encode()), signer))


def _unsealed(key: Digest, data: bytes, signer: Signer | None) -> NameRecord:
    codec, payload, _ = unseal(key, data, signer=signer)
    try:
        fields = json.loads(bytes(payload)) if codec == CODEC else {}
        value, metadata = (_digest(fields[name]) for name in ("value", "metadata"))
        record = NameRecord(str(fields["name"]), value, int(fields["stamp"]), metadata)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(key, "no record of a name") from error
    if name_digest(record.name) != key:
        raise damaged(key, "the record of another name")
    return record


def _digest(text: str | None) -> Digest | None:
    return None if text is None else Digest(str(text))
