"""The whole exception tree of the package.

Every error is a :class:`FlecheError`, is also the builtin that a caller would expect to catch,
carries its data as attributes, and survives pickling::

    FlecheError
    ├── Indigestible (TypeError)            a value has no stable identity
    ├── InvalidKey (ValueError)             a backend key that could leave the root
    ├── InvalidDigest (KeyError, ValueError)    text that is no digest and no prefix of one
    ├── AmbiguousDigestError (ValueError)   a short digest that several entries share
    ├── KeyNotFound (KeyError, FileNotFoundError)   nothing is stored under a key
    ├── BackendUnavailable (ConnectionError)    a backend refused, failed or went away
    │   └── FlushFailed                     several staged files could not be uploaded
    ├── WriteConflict (FileExistsError)     somebody else changed a file meanwhile
    ├── SaveError                           a value or a call could not be stored
    │   └── EncodeError (TypeError)         no codec turns the value into bytes
    ├── StorageError (ValueError)           a storage of results that cannot be made, or asked that
    │   └── NameTaken (FileExistsError)     a result would be renamed onto another one
    ├── CodecError (ValueError)
    │   ├── DamagedEnvelope                 bytes that are not what was stored
    │   │   └── PartNotFound (KeyNotFound)  a value one of whose parts is not stored
    │   ├── DecodeError                     intact bytes whose decoding raised
    │   ├── UntrustedEnvelope               intact bytes that no known key signed, say
    │   ├── UnknownCodec (LookupError)      the envelope names a codec that is not registered
    │   └── UnknownFormat                   an envelope that a later release wrote
    ├── ArchiveError (ValueError)           an archive of calls that is damaged, or none
    │   └── UntrustedArchive (PermissionError)  one that no key of the cache signed
    ├── ReadOnlyError (PermissionError)     a write to something opened read-only
    ├── LockUpgradeError (RuntimeError)     a write inside a read, which could deadlock
    ├── DatabaseError (OSError)
    │   ├── DatabaseDamaged                 the database file is not a sound database
    │   └── SchemaError
    │       ├── SchemaOutdated              older than this package; says how to upgrade
    │       └── SchemaTooNew                written by a newer release of this package
    ├── ConfigError (ValueError)            a setting or cache URL that makes no sense
    ├── CacheNotFound (FileNotFoundError)   a cache opened read-only that is not there
    ├── MissingExtra (ImportError)          an optional dependency is not installed
    ├── UncachableFunction (TypeError)      a callable whose calls cannot be memoized
    ├── QueryError (ValueError)             a query that cannot be answered
    │   ├── NoCallMatches (LookupError)     ``one()`` or ``first()`` found nothing
    │   └── SeveralCallsMatch (LookupError) ``one()`` found more than one
    └── NotCached (KeyError)                ``load`` of a call that was never stored

    FlecheWarning (UserWarning)
    ├── NotCachedWarning                    a call was answered, but could not be cached
    ├── LargeCaptureWarning                 a large captured value is assumed not to change
    └── AuditWarning                        a hit is not what the function returns now
"""

from __future__ import annotations

from typing import Any


class FlecheError(Exception):
    """Root of all errors raised by this package.

    Keyword arguments become attributes and travel through pickling.

    >>> import pickle
    >>> error = pickle.loads(pickle.dumps(InvalidKey("leaves the root", key="../x", url="file:///c")))
    >>> error.key, error.url
    ('../x', 'file:///c')
    """

    def __init__(self, message: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(data)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message), dict(self.__dict__)


def _rebuild(cls: type[FlecheError], message: str) -> FlecheError:
    return cls(message)


class Indigestible(FlecheError, TypeError):
    """A value has no stable identity, so that it has no digest.

    Attributes: ``path`` (where it sits, as ``args['cfg'].hooks[2]``), ``kind`` (its type's name).
    """

    path: str
    kind: str


class InvalidKey(FlecheError, ValueError):
    """A backend key that is absolute, holds NUL, or would leave the root. Nothing was touched.

    Attributes: ``key``, ``url`` (of the backend's root).
    """

    key: str
    url: str


class InvalidDigest(FlecheError, KeyError, ValueError):
    """Text that is neither a digest nor a prefix of one (hex, 4 to 32 characters).

    Attributes: ``key``.
    """

    key: str


class AmbiguousDigestError(FlecheError, ValueError):
    """Several stored digests begin with the given short digest.

    Attributes: ``key`` (the short digest), ``candidates`` (two of them), ``length`` (how many
    characters tell those two apart).
    """

    key: str
    candidates: tuple[str, str]
    length: int


class KeyNotFound(FlecheError, FileNotFoundError, KeyError):
    """Nothing is stored under a key.

    FileNotFoundError comes first: it is the one with a C layout of its own.
    Attributes: ``key``, ``url`` (of the place that was asked).
    """

    key: str
    url: str


class BackendUnavailable(FlecheError, ConnectionError):
    """A backend refused, failed or went away; says nothing about whether a key exists.

    Attributes: ``key``, ``url``.
    """

    key: str
    url: str


class FlushFailed(BackendUnavailable):
    """Several staged files could not be uploaded; they stay staged, and all others were.

    Attributes: ``failures`` (errors by path), ``key`` (the first path), ``url``.
    """

    failures: dict[str, Exception]


class WriteConflict(FlecheError, FileExistsError):
    """Somebody else changed a file since it was taken up, and nothing of theirs was overwritten.

    Attributes: ``key``, ``url``.
    """

    key: str
    url: str


class SaveError(FlecheError):
    """A value or a call could not be stored."""


class EncodeError(SaveError, TypeError):
    """No codec turns the value into bytes. Attributes: ``kind`` (the type's name)."""

    kind: str


class StorageError(FlecheError, ValueError):
    """A storage of results by name cannot be made, or cannot do what was asked of it."""


class NameTaken(StorageError, FileExistsError):
    """A result was to be renamed, and another one has that name. Attributes: ``key``."""

    key: str


class CodecError(FlecheError, ValueError):
    """Bytes could not be turned back into an object."""


class DamagedEnvelope(CodecError):
    """The bytes are not what was stored: truncated, altered, or another key's.

    Attributes: ``key``, ``reason``.
    """

    key: str
    reason: str


class PartNotFound(KeyNotFound, DamagedEnvelope):
    """A value is stored, and one of the parts that it is put together from is not.

    Attributes: ``key`` (of the value), ``part``, ``reason``.
    """

    part: str


class DecodeError(CodecError):
    """The bytes are intact but decoding them raised (its cause), say for a class that is gone.

    Attributes: ``key``.
    """

    key: str


class UntrustedEnvelope(CodecError):
    """Intact bytes that are not to be believed here: unsigned, signed by somebody else, or pickled.

    Whoever looks up takes it for a miss. The bytes stay where they are: another reader may trust
    them. Attributes: ``key``, ``reason``.
    """

    key: str
    reason: str


class UnknownCodec(CodecError, LookupError):
    """The envelope names a codec that is not registered here. Attributes: ``name``."""

    name: str


class UnknownFormat(CodecError):
    """An envelope that a later release wrote: not damage, so nothing to quarantine.

    Attributes: ``key``, ``reason``.
    """

    key: str
    reason: str


class ArchiveError(FlecheError, ValueError):
    """An archive of calls is cut short, altered, of a later format, or none; nothing was taken.

    Attributes: ``path``, ``reason``.
    """

    path: str
    reason: str


class UntrustedArchive(ArchiveError, PermissionError):
    """A sound archive that none of the cache's keys signed; it takes it only when told to."""


class ReadOnlyError(FlecheError, PermissionError):
    """A write to something that was opened read-only. Attributes: ``url``."""

    url: str


class LockUpgradeError(FlecheError, RuntimeError):
    """A write inside a read under the same lock, refused because it could wait for ever."""


class DatabaseError(FlecheError, OSError):
    """The database could not be used.

    Attributes: ``url`` (without secrets), ``transient`` (nothing was written, and the same may
    well succeed when it is tried again: a deadlock, say, or a connection that was lost).
    """

    url: str
    transient: bool = False


class DatabaseDamaged(DatabaseError):
    """The database file is not a sound database."""


class SchemaError(DatabaseError):
    """The database's schema is not the one this package needs.

    Attributes: ``found``, ``wanted`` (revision identifiers).
    """

    found: str | None
    wanted: str


class SchemaOutdated(SchemaError):
    """The schema is older than this package; the message says which command upgrades it."""


class SchemaTooNew(SchemaError):
    """The schema was written by a newer release of this package."""


class ConfigError(FlecheError, ValueError):
    """A setting or a cache URL makes no sense. Attributes: ``source`` (where it was read)."""

    source: str


class CacheNotFound(FlecheError, FileNotFoundError):
    """A cache was to be opened read-only, and there is none. Attributes: ``url``."""

    url: str


class MissingExtra(FlecheError, ImportError):
    """An optional dependency is not installed. Attributes: ``extra`` (what to install)."""

    extra: str


class UncachableFunction(FlecheError, TypeError):
    """A callable whose calls cannot be memoized, refused when it is decorated."""


class QueryError(FlecheError, ValueError):
    """A query that cannot be answered as it was asked."""


class NoCallMatches(QueryError, LookupError):
    """No stored call matches where at least one was asked for."""


class SeveralCallsMatch(QueryError, LookupError):
    """More than one stored call matches where exactly one was asked for."""


class NotCached(FlecheError, KeyError):
    """No stored call answers these arguments. Attributes: ``key``."""

    key: str


class FlecheWarning(UserWarning):
    """Root of all warnings of this package."""


class NotCachedWarning(FlecheWarning):
    """A call was answered, but could not be looked up or stored; given once per cause."""


class LargeCaptureWarning(FlecheWarning):
    """A large value that a function captures was digested once and is assumed not to change."""


class AuditWarning(FlecheWarning):
    """A hit that was recomputed turned out another; given once per function."""
