"""A content-addressed cache for Python functions that people can trust, query and share.

The floors of the house; each imports only those below it::

    cli | testing      the command line; shipped conformance suites and strategies
    maintenance        what keeps a cache in order: rebuilding its index
    memo               the decorator, and which cache it uses
    config             opening a cache from a folder or a URL; the default cache
    cache              a value and a call storage used together, with a memory tier in front
    query              lazy chainable results and tables
    index              the SQL tables; templates and expressions as SQL; migrations
    storage            key management, lock mixins, value and call storages
    backends | calls   bytes by key | what was called
    codecs | database  objects to bytes | connections and units of work
    hashing            values to digests
    support            sentinels, optional imports, forks, redaction
    errors             the exception tree

Importing the package loads next to nothing; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleche_like.cache import Cache as Cache
    from fleche_like.cache import CachePool as CachePool
    from fleche_like.cache import CacheStack as CacheStack
    from fleche_like.calls import (
        Call as Call,
    )
    from fleche_like.calls import (
        DigestedCall as DigestedCall,
    )
    from fleche_like.calls import (
        Ignored as Ignored,
    )
    from fleche_like.calls import (
        LazyCall as LazyCall,
    )
    from fleche_like.calls import (
        QueryCall as QueryCall,
    )
    from fleche_like.calls import (
        Required as Required,
    )
    from fleche_like.calls import (
        arg as arg,
    )
    from fleche_like.calls import (
        count as count,
    )
    from fleche_like.calls import (
        meta as meta,
    )
    from fleche_like.calls import (
        result as result,
    )
    from fleche_like.config import open_cache as open_cache
    from fleche_like.errors import (
        AmbiguousDigestError as AmbiguousDigestError,
    )
    from fleche_like.errors import (
        ArchiveError as ArchiveError,
    )
    from fleche_like.errors import (
        AuditWarning as AuditWarning,
    )
    from fleche_like.errors import (
        BackendUnavailable as BackendUnavailable,
    )
    from fleche_like.errors import (
        CacheNotFound as CacheNotFound,
    )
    from fleche_like.errors import (
        CodecError as CodecError,
    )
    from fleche_like.errors import (
        ConfigError as ConfigError,
    )
    from fleche_like.errors import (
        DamagedEnvelope as DamagedEnvelope,
    )
    from fleche_like.errors import (
        DatabaseDamaged as DatabaseDamaged,
    )
    from fleche_like.errors import (
        DatabaseError as DatabaseError,
    )
    from fleche_like.errors import (
        DecodeError as DecodeError,
    )
    from fleche_like.errors import (
        EncodeError as EncodeError,
    )
    from fleche_like.errors import (
        FlecheError as FlecheError,
    )
    from fleche_like.errors import (
        FlecheWarning as FlecheWarning,
    )
    from fleche_like.errors import (
        FlushFailed as FlushFailed,
    )
    from fleche_like.errors import (
        Indigestible as Indigestible,
    )
    from fleche_like.errors import (
        InvalidDigest as InvalidDigest,
    )
    from fleche_like.errors import (
        InvalidKey as InvalidKey,
    )
    from fleche_like.errors import (
        KeyNotFound as KeyNotFound,
    )
    from fleche_like.errors import (
        LargeCaptureWarning as LargeCaptureWarning,
    )
    from fleche_like.errors import (
        LockUpgradeError as LockUpgradeError,
    )
    from fleche_like.errors import (
        MissingExtra as MissingExtra,
    )
    from fleche_like.errors import (
        NameTaken as NameTaken,
    )
    from fleche_like.errors import (
        NoCallMatches as NoCallMatches,
    )
    from fleche_like.errors import (
        NotCached as NotCached,
    )
    from fleche_like.errors import (
        NotCachedWarning as NotCachedWarning,
    )
    from fleche_like.errors import (
        PartNotFound as PartNotFound,
    )
    from fleche_like.errors import (
        QueryError as QueryError,
    )
    from fleche_like.errors import (
        ReadOnlyError as ReadOnlyError,
    )
    from fleche_like.errors import (
        SaveError as SaveError,
    )
    from fleche_like.errors import (
        SchemaError as SchemaError,
    )
    from fleche_like.errors import (
        SchemaOutdated as SchemaOutdated,
    )
    from fleche_like.errors import (
        SchemaTooNew as SchemaTooNew,
    )
    from fleche_like.errors import (
        SeveralCallsMatch as SeveralCallsMatch,
    )
    from fleche_like.errors import (
        StorageError as StorageError,
    )
    from fleche_like.errors import (
        UncachableFunction as UncachableFunction,
    )
    from fleche_like.errors import (
        UnknownCodec as UnknownCodec,
    )
    from fleche_like.errors import (
        UnknownFormat as UnknownFormat,
    )
    from fleche_like.errors import (
        UntrustedArchive as UntrustedArchive,
    )
    from fleche_like.errors import (
        UntrustedEnvelope as UntrustedEnvelope,
    )
    from fleche_like.errors import (
        WriteConflict as WriteConflict,
    )
    from fleche_like.hashing import (
        DIGEST_LENGTH as DIGEST_LENGTH,
    )
    from fleche_like.hashing import (
        Digest as Digest,
    )
    from fleche_like.hashing import (
        digest as digest,
    )
    from fleche_like.hashing import (
        register_digest as register_digest,
    )
    from fleche_like.memo import (
        File as File,
    )
    from fleche_like.memo import (
        current_cache as current_cache,
    )
    from fleche_like.memo import (
        memoize as memoize,
    )
    from fleche_like.memo import (
        set_cache as set_cache,
    )
    from fleche_like.memo import (
        use_cache as use_cache,
    )
    from fleche_like.memo import (
        wrap_executor as wrap_executor,
    )
    from fleche_like.storage.manager import StorageManager as StorageManager

_HOMES = {
    "cache": ("Cache", "CachePool", "CacheStack"),
    "calls": (
        "Call",
        "DigestedCall",
        "Ignored",
        "LazyCall",
        "QueryCall",
        "Required",
        "arg",
        "count",
        "meta",
        "result",
    ),
    "config": ("open_cache",),
    "errors": (
        "AmbiguousDigestError",
        "ArchiveError",
        "AuditWarning",
        "BackendUnavailable",
        "CacheNotFound",
        "CodecError",
        "ConfigError",
        "DamagedEnvelope",
        "DatabaseDamaged",
        "DatabaseError",
        "DecodeError",
        "EncodeError",
        "FlecheError",
        "FlecheWarning",
        "FlushFailed",
        "Indigestible",
        "InvalidDigest",
        "InvalidKey",
        "KeyNotFound",
        "LargeCaptureWarning",
        "LockUpgradeError",
        "MissingExtra",
        "NameTaken",
        "NoCallMatches",
        "NotCached",
        "NotCachedWarning",
        "PartNotFound",
        "QueryError",
        "ReadOnlyError",
        "SaveError",
        "SchemaError",
        "SchemaOutdated",
        "SchemaTooNew",
        "SeveralCallsMatch",
        "StorageError",
        "UncachableFunction",
        "UnknownCodec",
        "UnknownFormat",
        "UntrustedArchive",
        "UntrustedEnvelope",
        "WriteConflict",
    ),
    "hashing": ("DIGEST_LENGTH", "Digest", "digest", "register_digest"),
    "storage.manager": ("StorageManager",),
    "memo": ("File", "current_cache", "memoize", "set_cache", "use_cache", "wrap_executor"),
}
_HOME_OF = {name: floor for floor, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  derived, so that it cannot drift from what is loaded


def __getattr__(name: str) -> Any:
    floor = _HOME_OF.get(name)
    if floor is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{floor}"), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
