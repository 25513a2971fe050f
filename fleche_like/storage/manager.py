"""Results by name in one or two places, with a memory tier in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from fleche_like.backends import ByteBackend
from fleche_like.errors import NameTaken, StorageError
from fleche_like.storage.factories import (
    create_database_storage,
    create_filesystem_storage,
    create_memory_storage,
    create_remote_storage,
    create_storage,
    describe,
    storage_over,
)
from fleche_like.storage.falling_back import load
from fleche_like.storage.names import NameRecord, next_stamp
from fleche_like.storage.result_cache import ResultCache
from fleche_like.storage.results import ResultStorage, StorageType
from fleche_like.storage.syncing import Replicator, copy_result
from fleche_like.support.progress import progress

__all__ = [
    "ResultStorage",
    "StorageError",
    "StorageManager",
    "StorageType",
    "create_database_storage",
    "create_filesystem_storage",
    "create_memory_storage",
    "create_remote_storage",
    "create_storage_manager",
]


class StorageManager:
    """Results of any kind by name, in a primary storage and, if there is one, a secondary.

    Results are saved in both. What the primary lacks, or cannot give, comes from the secondary, and
    is put back into the primary. Equal results are stored once, whatever their names.

    Args:
        primary: a storage of results, as the factories return it, or a byte backend.
        secondary: another one.
        use_cache: keep the bytes of results in memory. Names are looked up in the primary all the
            same, so that what other processes save is seen at once.
        cache_size_mb: how many of them, in megabytes (2**20 bytes); ``None`` for no bound.

    Thread-safe and process-safe as its storages are: of several who save under one name at once,
    one result stays, whole. A load never shares mutable state with another.
    """

    def __init__(
        self,
        primary: ResultStorage | ByteBackend,
        secondary: ResultStorage | ByteBackend | None = None,
        use_cache: bool = True,
        cache_size_mb: float | None = 100.0,
    ) -> None:
        self.primary = storage_over(primary)
        self.secondary = None if secondary is None else storage_over(secondary)
        self.use_cache = use_cache
        self.cache_size_mb = cache_size_mb
        self._cache = ResultCache(self.primary.backend, cache_size_mb if use_cache else 0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.primary!r}, {self.secondary!r})"

    def save_result(
        self,
        key: str,
        result: Any,
        metadata: dict[str, Any] | None = None,
        replicate: bool = True,
    ) -> None:
        """Store a result under a name, over what had it.

        Args:
            key: any text.
            result: any object that can be pickled.
            metadata: what else to say of it.
            replicate: store it in the secondary, too.

        Raises:
            SaveError: the result or the metadata cannot be turned into bytes; nothing has changed.
            OSError: a storage failed. If that was the secondary, the primary has the result.
        """
        saved = self.primary.save_result(key, result, metadata)
        self._cache.keep(saved.digest, saved.envelope)
        if replicate and self.secondary is not None:
            self.secondary.save_result(key, result, metadata, stamp=saved.stamp)

    def load_result(
        self,
        key: str,
        use_cache: bool = True,
    ) -> Any:
        """Return the result of a name, in memory of its own.

        Args:
            key: the name.
            use_cache: take its bytes from memory, if they are there.

        Raises:
            KeyNotFound: neither storage has it.
            OSError: the primary failed, and the secondary does not have it.
        """
        lookup = self._cache.lookup if use_cache else self.primary.values.lookup
        return load(key, self.primary, self.secondary, lookup)

    def load_metadata(self, key: str) -> dict[str, Any] | None:
        """Return what was said of a result when it was saved; ``None`` if nothing was.

        Raises:
            KeyNotFound: neither storage has it.
        """
        holder = next((each for each in self._storages() if each.exists_result(key)), self.primary)
        return holder.load_metadata(key)

    def delete_result(
        self,
        key: str,
        from_all: bool = True,
    ) -> None:
        """Remove a name; its value stays until ``gc``, since other names or calls may have it.

        Args:
            key: the name.
            from_all: in the secondary, too; it has the result otherwise, and ``load_result`` finds
                it there.

        Raises:
            KeyNotFound: none of these has it.
        """
        found = [(each, each.live(key)) for each in self._storages(both=from_all)]
        stamp = next_stamp(*(record for _, record in found))
        if all(record is None for _, record in found):
            raise self.primary.absent(key)
        for storage, record in reversed(found):  # or a load would bring it back in between
            if record is not None:
                storage.bury(record, stamp)

    def rename_result(self, old_key: str, new_key: str) -> None:
        """Give a result another name, in every storage that has it. Interrupted, it has both.

        Args:
            old_key: its name.
            new_key: a name that nothing has.

        Raises:
            KeyNotFound: there is no such name.
            NameTaken: something has the new name already, in either storage.
        """
        holders = [each for each in self._storages() if each.exists_result(old_key)]
        if not holders:
            raise self.primary.absent(old_key)
        if self.exists_result(new_key, check_all=True):
            raise NameTaken(f"there is a result named {new_key!r} already", key=new_key)
        records = [each.names.get(name) for each in holders for name in (old_key, new_key)]
        stamp = next_stamp(*records)
        for storage in holders:
            storage.rename_result(old_key, new_key, stamp=stamp)

    def exists_result(
        self,
        key: str,
        check_all: bool = False,
    ) -> bool:
        """Return whether there is a result of a name.

        Args:
            key: the name.
            check_all: ask the secondary, too.
        """
        return any(storage.exists_result(key) for storage in self._storages(both=check_all))

    def list_results(self, prefix: str | None = None, from_backend: str = "primary") -> list[str]:
        """Return names in order; reads every name.

        Args:
            prefix: only those that begin with it.
            from_backend: ``"primary"``, ``"secondary"``, or ``"cache"`` for those of the primary
                whose bytes are in memory.

        Raises:
            StorageError: there is no such place.
        """
        if from_backend == "cache":
            records = self.primary.records(prefix)
            return sorted(each.name for each in records if self._is_cached(each))
        return self._storage(from_backend).list_results(prefix)

    def migrate_result(self, key: str, from_backend: str, to_backend: str) -> None:
        """Copy a result from one place to another, over what has its name there.

        Args:
            key: the name.
            from_backend: ``"primary"``, ``"secondary"`` or ``"cache"``.
            to_backend: one of these, too. What comes into the cache from the secondary comes into
                the primary, too, whose names the cache has.

        Raises:
            KeyNotFound: the first place does not have it.
            StorageError: there is no such place.
        """
        source, target = self._storage(from_backend), self._storage(to_backend)
        record = source.live(key)
        if record is None or (from_backend == "cache" and not self._is_cached(record)):
            raise source.absent(key)
        if target is not source:
            place = (target.names, target.values)
            copy_result(record, source.values, place, target.names.get(key))
        if to_backend == "cache" and record.value is not None:
            self._cache.lookup(record.value)

    def sync_backends(
        self, direction: str = "primary_to_secondary", *, show_progress: bool = True
    ) -> dict[str, int]:
        """Bring the storages in line; interrupted, the next run goes on from there.

        Args:
            direction: ``"primary_to_secondary"`` and ``"secondary_to_primary"`` copy every result
                of one storage into the other, over what has its name there, and delete nothing.
                ``"bidirectional"`` brings both to what was written last of each name, by the clocks
                of those who wrote, deletions included.
            show_progress: show a bar, where somebody can see it.

        Returns:
            What became of the names: ``copied``, ``deleted``, ``skipped`` (the same in both) and
            ``errors`` (their bytes are damaged or gone); ``size_bytes`` copied; names written
            ``primary_to_secondary`` and ``secondary_to_primary``.

        Raises:
            StorageError: there is no secondary, or no such direction.
        """
        primary, secondary = self._storage("primary"), self._storage("secondary")
        bar = progress("syncing", iter(()), wanted=show_progress)
        mine, other = ((each.names, each.values) for each in (primary, secondary))
        replicator = Replicator(mine, other, bar.update)
        try:
            if direction == "bidirectional":
                replicator.merge()
            elif direction == "primary_to_secondary":
                replicator.copy_all("primary", "secondary")
            elif direction == "secondary_to_primary":
                replicator.copy_all("secondary", "primary")
            else:
                raise StorageError(f"no direction to sync in: {direction!r}")
        finally:
            bar.close()
        return replicator.counts.as_dict()

    def get_storage_info(self) -> dict[str, Any]:
        """Return kind, URL and number of names of each storage, and what is in memory."""
        return {
            "primary": self.primary.info(),
            "secondary": None if self.secondary is None else self.secondary.info(),
            "cache": {"enabled": self.use_cache, **self._cache.info()},
        }

    def clear_cache(self) -> None:
        """Forget what is in memory."""
        self._cache.clear()

    def clear_all_results(
        self,
        from_all: bool = True,
    ) -> None:
        """Remove every name.

        Args:
            from_all: in the secondary, too.
        """
        for storage in reversed(self._storages(both=from_all)):
            storage.clear_results()
        self.clear_cache()

    def get_result_storage_type(self, key: str) -> StorageType | None:
        """Return what kind of place has a result, the primary first; ``None`` if none has it."""
        holders = (storage for storage in self._storages() if storage.exists_result(key))
        return next((storage.storage_type for storage in holders), None)

    def close(self) -> None:
        """Release what the storages hold; the manager is not to be used afterwards."""
        self.clear_cache()
        try:
            self.primary.close()
        finally:
            if self.secondary is not None:
                self.secondary.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` makes such a manager of: plain data, without secrets.

        Passwords of databases are left out: their drivers look for them in the environment. What is
        in memory does not travel.

        Raises:
            StorageError: a storage is over a byte backend that cannot be described.
        """
        return {
            "primary": describe(self.primary),
            "secondary": None if self.secondary is None else describe(self.secondary),
            "use_cache": self.use_cache,
            "cache_size_mb": self.cache_size_mb,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the manager that :meth:`to_dict` described.

        Raises:
            StorageError: it describes none.
        """
        primary, secondary = data.get("primary"), data.get("secondary")
        if not isinstance(primary, Mapping):
            raise StorageError("the description of a manager has a primary storage")
        return cls(
            create_storage(primary.get("type", ""), primary.get("config")),
            secondary and create_storage(secondary.get("type", ""), secondary.get("config")),
            data.get("use_cache", True),
            data.get("cache_size_mb", 100.0),
        )

    def _storages(self, *, both: bool = True) -> list[ResultStorage]:
        found = (self.primary, self.secondary if both else None)
        return [storage for storage in found if storage is not None]

    def _storage(self, place: str) -> ResultStorage:
        """Return the storage of a place; the cache is one of the primary."""
        if place in {"primary", "cache"}:
            return self.primary
        if place != "secondary":
            raise StorageError(f"no place for results: {place!r}")
        if self.secondary is None:
            raise StorageError("there is no secondary storage")
        return self.secondary

    def _is_cached(self, record: NameRecord) -> bool:
        return record.value is not None and self._cache.holds(record.value)


def create_storage_manager(
    primary_type: str = "memory",
    primary_config: Mapping[str, Any] | None = None,
    secondary_type: str | None = None,
    secondary_config: Mapping[str, Any] | None = None,
    **manager_kwargs: Any,
) -> StorageManager:
    """Return a manager of storages that are made for it.

    Args:
        primary_type: ``"memory"``, ``"filesystem"``, ``"database"`` or ``"remote"``.
        primary_config: arguments of the factory of that kind, as ``{"base_path": "results"}``.
        secondary_type: as ``primary_type``; ``None`` for no secondary.
        secondary_config: as ``primary_config``.
        manager_kwargs: ``use_cache`` and ``cache_size_mb`` of :class:`StorageManager`.

    Raises:
        StorageError: a storage cannot be made.

    >>> manager = create_storage_manager()
    >>> manager.save_result("run 1", {"loss": 0.5})
    >>> manager.load_result("run 1")
    {'loss': 0.5}
    """
    primary = create_storage(primary_type, primary_config)
    if secondary_type is None:
        return StorageManager(primary, **manager_kwargs)
    return StorageManager(
        primary, create_storage(secondary_type, secondary_config), **manager_kwargs
    )
