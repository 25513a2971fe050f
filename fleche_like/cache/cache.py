"""A value storage and a call storage, used together."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from fleche_like.cache.abilities import (
    SupportsClose,
    SupportsEncoding,
    SupportsManifests,
    generation_of,
    place_of_calls,
)
from fleche_like.cache.asking import Asking
from fleche_like.cache.contexts import wraps
from fleche_like.cache.keeping import Keeping
from fleche_like.cache.leases import Leases, leases_of
from fleche_like.cache.manifest import Manifest
from fleche_like.cache.memory import MemoryTier
from fleche_like.cache.pins import pins_of
from fleche_like.cache.prepared import ArgumentsKept, SealedArguments, prepare
from fleche_like.cache.reading import Reader, reader_of
from fleche_like.cache.reading_many import ManyReader, many_reader_of, many_values_of
from fleche_like.cache.saving import UnitOfWork, straight_saver
from fleche_like.cache.stats import CacheStats, Meter, folder_bytes, sum_known
from fleche_like.calls import (
    Call,
    DigestedCall,
    PreparedCall,
    QueryCall,
    Selection,
)
from fleche_like.codecs import Codec
from fleche_like.errors import KeyNotFound, ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.storage import (
    BackendValueStorage,
    CallStorage,
    Intent,
    StoredPart,
    ValueStorage,
)
from fleche_like.support.sentinel import MISSING, Missing

MEMORY_BYTES: Final = 256 * 1024 * 1024

_serials: Final = itertools.count()


class Cache(Asking):
    """Calls and their values.

    Args:
        values: where values go, by digest.
        calls: where calls go, by key.
        memory_bytes: bound of the memory tier in front of both; 0 turns it off. It is also off
            where the call storage cannot tell that others changed something.
        read_only: refuse to save and to evict.
        url: what the cache is called in ``repr`` and messages.
        folder: where an embedded cache lives, to tell its size.
        resources: closed with the cache, after its storages: a database that they share.

    Thread-safe as its storages are. A call becomes visible only once its result is stored; where
    both storages share a database, values, record and index rows commit in one transaction.
    """

    def __init__(
        self,
        values: ValueStorage,
        calls: CallStorage,
        *,
        memory_bytes: int = MEMORY_BYTES,
        read_only: bool = False,
        url: str = "",
        folder: Path | None = None,
        resources: Sequence[SupportsClose] = (),
    ) -> None:
        self.values = values
        self.calls = calls
        self.read_only = read_only
        self.url = url
        self.folder = folder
        self._resources = resources
        self._memory_bytes = memory_bytes
        self._start()

    def _start(self) -> None:
        """Set up what belongs to this process alone."""
        generation = generation_of(self.calls)
        self.memory = MemoryTier(
            0 if generation is None else self._memory_bytes,
            generation or int,
            self._memory_codec(),
            place_of_calls(self.calls),
        )
        self._read_stored = reader_of(self.values, self.calls)
        self._read_many = many_reader_of(self.values, self.calls)
        # Asked once: isinstance() against a protocol costs more than a whole warm hit.
        # A context that does nothing would cost a tenth of a hit.
        self._wraps = wraps(self)
        self._read: Reader = self._read_in_context if self._wraps else self._read_stored
        self._read_many_in_place: ManyReader = (
            self._read_many_in_context if self._wraps else self._read_many
        )
        self._values_of = many_values_of(self.values)
        self._encoding = self.values if isinstance(self.values, SupportsEncoding) else None
        self._unit_of_work = UnitOfWork(self.values, self.calls)
        self._keeping = Keeping(self.values, self.calls)
        self._pins = None if self.read_only else pins_of(self.folder)
        straight = straight_saver(self.values, self.calls)
        self._save_straight = None if self._wraps else straight
        self.serial = next(_serials)
        self.hits = 0
        self.misses = 0
        self.stored = 0
        self._known_codes: set[Digest | None] = set()
        self._mapped: dict[bool | Literal["verify"], Reader] = {}
        self._database = database = getattr(self.calls, "database", None)
        self._is_local = database is None or database.dialect == "sqlite"
        self.meters: weakref.WeakSet[Meter] = weakref.WeakSet()
        self.leases: Leases | None = None if self.read_only else leases_of(self.folder, self.calls)

    def _memory_codec(self) -> Codec | None:
        """Return what the memory tier is to hold values with, where it must not be pickle."""
        match self.values:
            case BackendValueStorage(trusted=trusted, codec=codec) if trusted is not None:
                return codec
        return None

    def __getstate__(self) -> dict[str, Any]:
        mine = ("values", "calls", "read_only", "url", "folder", "_resources", "_memory_bytes")
        return {name: self.__dict__[name] for name in mine}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __repr__(self) -> str:
        if self.url:
            return f"{type(self).__name__}({self.url!r})"
        return f"{type(self).__name__}({self.values!r}, {self.calls!r})"

    # Looking up

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of the call of a full key, in memory of its own, or ``MISSING``.

        A record whose result is gone or damaged is a miss.

        Raises:
            DecodeError: the stored result is intact, but decoding it raised.
        """
        result = self.memory.get(key)
        if result is MISSING:
            since = self.memory.changes
            result = self._read(key)
            if result is MISSING:
                self.misses += 1
                return MISSING
            self.memory.put(key, result, since)
        self.hits += 1
        return result

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many full keys that are stored, as :meth:`lookup` would.

        One statement reads those that are not in memory, where calls and values share a database.
        What cannot be decoded here is left out; :meth:`lookup` says why.
        """
        wanted = dict.fromkeys(keys)
        found = self.memory.get_many(wanted)
        missing = [key for key in wanted if key not in found]
        if missing:
            since, keep = self.memory.changes, self.memory.put
            read = self._read_many_in_place(missing)
            for key, result in read.items():
                keep(key, result, since)
            found |= read
        self.hits += len(found)
        self.misses += len(wanted) - len(found)
        return found

    def recall(self, key: Digest) -> Any | Missing:
        """Return what :meth:`lookup` would if that takes microseconds, or ``MISSING``.

        From the memory tier, and without asking a server. For callers that must not wait.
        """
        result = self.memory.get(key) if self._is_local else self.memory.recall(key)
        if result is not MISSING:
            self.hits += 1
        return result

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return what :meth:`lookup` does, with large arrays mapped or not as is said here.

        What is mapped lies outside the memory tier, which is passed by.

        Args:
            key: of the call.
            mmap: as for :func:`~fleche_like.config.open_cache`.

        Raises:
            DecodeError: the stored result is intact, but decoding it raised.
        """
        read = self._mapped.get(mmap) or self._mapped_reader(mmap)
        with self._operation_context(key, intent=Intent.READ):
            result = read(key)
        if result is MISSING:
            self.misses += 1
        else:
            self.hits += 1
        return result

    def _mapped_reader(self, mmap: bool | Literal["verify"]) -> Reader:
        values = self.values
        if isinstance(values, BackendValueStorage):
            values = copy.copy(values)
            values.mmap = mmap
        reader = self._mapped[mmap] = reader_of(values, self.calls)
        return reader

    def _read_many_in_context(self, keys: Sequence[Digest]) -> dict[Digest, Any]:
        with self._operation_contexts(keys, intent=Intent.READ):
            return self._read_many(keys)

    def _read_in_context(self, key: Digest) -> Any | Missing:
        with self._operation_context(key, intent=Intent.READ):
            return self._read_stored(key)

    def contains(self, key: Digest | str) -> bool:
        """Return whether a call is stored under a full or short key.

        Raises:
            KeyError: the key is no digest.
            AmbiguousDigestError: several calls begin with a short key.
        """
        if not self._wraps:
            return self.calls.contains(key)
        try:
            full = self.calls.expand(key)
        except KeyNotFound:
            return False
        with self._operation_context(full, intent=Intent.READ):
            return self.calls.contains(full)

    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        """Return the values of full digests; those that are not stored are left out."""
        return self._values_of(digests)

    def parts(self, digest: Digest | str, *, uses: bool = False) -> list[StoredPart]:
        """Return the parts that a value is stored in, with their sizes; none if it is whole.

        Args:
            digest: of the value, full or short.
            uses: also count of how many values each is a part, which reads the beginning of every
                value that is stored.

        Raises:
            KeyError: it is not stored.
            AmbiguousDigestError: several values begin with a short digest.
        """
        if isinstance(self.values, BackendValueStorage):
            return self.values.parts(digest, uses=uses)
        self.values.expand(digest)
        return []

    # Saving

    def prepare(
        self,
        call: Call,
        digested: DigestedCall | None = None,
        *,
        arguments: ArgumentsKept = "auto",
    ) -> SealedArguments:
        """Seal a call before its body runs: its key, and the argument values to store.

        Args:
            call: the call, without its result.
            digested: what ``call.digested()`` returned, if that is known already.
            arguments: which argument values: ``"auto"``, those up to 64 MB that can be encoded;
                ``"all"``; ``"none"``, digests only, of numbers and texts too.

        Raises:
            Indigestible: an argument has no stable identity.
            ReadOnlyError: the cache is read-only.
            SaveError: ``"all"``, and one cannot be turned into bytes.
        """
        self._refuse_if_read_only()
        digested = digested or call.digested()
        sealed = prepare(call, digested, self.values, self._encoding, arguments)
        if sealed.relied and self._pins is not None:
            self._pins.hold(sealed, sealed.relied)
        return sealed

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call, then its record; all or nothing.

        Args:
            prepared: what :meth:`prepare` returned.
            result: what the body returned.
            metadata: what else is known of the call.
            manifest: the parts of the call's code digest, stored once per digest.

        Returns:
            The call's key.

        Raises:
            Indigestible: the result has no stable identity.
            SaveError: the result could not be turned into bytes.
        """
        self._refuse_if_read_only()
        call = prepared.finished(result, metadata)
        self._store(call, result, prepared, manifest)
        self._known_codes.add(call.code)
        return call.key

    def adopt(self, call: DigestedCall, result: Any) -> None:
        """Store a finished call of another cache as it is, with its result; all or nothing.

        Args:
            call: the call.
            result: its result, whose digest the call has: this is not checked.

        Raises:
            SaveError: the result could not be turned into bytes.
            ReadOnlyError: the cache is read-only.
        """
        self._refuse_if_read_only()
        self._store(call, result, SealedArguments(call), None)

    def _store(
        self,
        call: DigestedCall,
        result: Any,
        prepared: PreparedCall,
        manifest: Mapping[str, Digest] | None,
    ) -> None:
        if self._save_straight is None or self._has_more(prepared, manifest):
            self._save_by_steps(call, result, prepared, manifest)
        else:
            self._save_straight(call, result)
        self._forget(call.key)
        self.stored += 1

    def _forget(self, key: Digest) -> None:
        """Let no memory answer with what a call was before it was written or evicted."""
        self.memory.discard(key)
        if self._database is not None and self._database.in_transaction():
            # Somebody's around this: what was written is not committed yet, and may never be.
            writer = object()
            end = functools.partial(self.memory.end_writing, writer)
            self._database.after_commit(end, end)
            self.memory.begin_writing(writer)

    def _has_more(self, prepared: PreparedCall, manifest: Mapping[str, Digest] | None) -> bool:
        """Whether there is more to store than a call and its result."""
        if manifest is not None and prepared.call.code not in self._known_codes:
            return True
        return not isinstance(prepared, SealedArguments) or bool(prepared.pending)

    def _save_by_steps(
        self,
        call: DigestedCall,
        result: Any,
        prepared: PreparedCall,
        manifest: Mapping[str, Digest] | None,
    ) -> None:
        digest: Digest = call.result  # type: ignore[assignment]  # a finished call has one

        def save() -> None:
            # The result first: when it goes into a file, no transaction has begun yet.
            is_kept = self._keeping.put(result, digest)
            self._save_record(call, manifest)
            self._save_arguments(prepared)
            if not (is_kept or self._keeping.is_whole(digest)):
                self.values.save(result, digest)

        with self._operation_context(call.key), self._storage_contexts(call, prepared):
            self._unit_of_work.run(save)

    def _save_record(
        self, call: DigestedCall, manifest: Mapping[str, Digest] | None
    ) -> Iterable[Digest]:
        """Save record and manifest; return the values that were stored for the manifest."""
        self.calls.save(call)
        return self._save_manifest(call.code, manifest)

    def _storage_contexts(
        self, call: DigestedCall, prepared: PreparedCall
    ) -> contextlib.AbstractContextManager[Any]:
        """Enter what the storages will enter, before a database's lock, as all others do.

        Inside the transaction it would be the other way round: a deadlock with whoever saves or
        evicts in a storage itself.
        """
        if not (wraps(self.calls) or wraps(self.values)):
            return contextlib.nullcontext()
        pending = prepared.pending if isinstance(prepared, SealedArguments) else ()
        results = () if call.result is None else (call.result,)
        with contextlib.ExitStack() as entered:
            entered.enter_context(self.calls._operation_context(call.key))
            entered.enter_context(self.values._operation_contexts([*results, *pending]))
            return entered.pop_all()

    def _save_arguments(self, prepared: PreparedCall) -> None:
        if self._encoding is not None and isinstance(prepared, SealedArguments):
            for key, data in prepared.pending.items():
                self._encoding.put_encoded((data,), key)

    def _save_manifest(
        self, code: Digest | None, manifest: Mapping[str, Digest] | None
    ) -> Iterable[Digest]:
        if code is None or manifest is None or code in self._known_codes:
            return ()
        if not isinstance(self.calls, SupportsManifests) or self.calls.manifest(code):
            return ()
        kept: Mapping[Digest, Any] = {}
        if isinstance(manifest, Manifest):
            manifest, kept = manifest.kept()
            for digest, value in kept.items():
                self.values.save(value, digest)
        self.calls.save_manifest(code, manifest)
        return kept

    def save(self, call: Call) -> Digest:
        """Store a call whose result is known, with its values, and return its key.

        Raises:
            ValueError: the call has no result.
            Indigestible: a value has no stable identity.
            SaveError: the result could not be turned into bytes.
        """
        if call.result is MISSING:
            raise ValueError(f"{call!r} has no result to save")
        return self.commit(self.prepare(call), call.result, call.metadata)

    def evict(self, key: Digest | str) -> None:
        """Remove the record of a call; its values stay, since others may share them.

        Silent if a full key is absent.

        Raises:
            KeyError: nothing begins with a short key, or it is no digest.
            AmbiguousDigestError: several calls begin with a short key.
            ReadOnlyError: the cache is read-only.
        """
        self._refuse_if_read_only()
        full = self.calls.expand(key)
        with self._operation_context(full):
            self.calls.evict(full)
            self._forget(full)

    def _refuse_if_read_only(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened read-only", url=self.url)

    # The whole

    def stats(self) -> CacheStats:
        """Return counts of this process's use and of what is stored."""
        return CacheStats(
            calls=self.count(Selection(QueryCall())),
            size_bytes=None if self.folder is None else folder_bytes(self.folder),
            hits=self.hits,
            misses=self.misses,
            stored=self.stored,
            memory_items=len(self.memory),
            memory_bytes=self.memory.bytes,
            seconds_saved=sum_known(meter.seconds_saved(self) for meter in self.meters),
        )

    def close(self) -> None:
        """Release connections and memory; the cache is not to be used afterwards."""
        self.memory.clear()
        with contextlib.ExitStack() as closing:
            # Last in, first out; each is closed even if another one fails to.
            for resource in (
                *reversed(self._resources),
                self.calls,
                self.values,
                self.leases,
                self._pins,
            ):
                if isinstance(resource, SupportsClose):
                    closing.callback(resource.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
