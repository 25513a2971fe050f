"""Mending what ``verify`` finds: from another copy, or by putting it aside."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from fleche_like.backends import ByteBackend
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Buffer, unseal
from fleche_like.errors import CodecError, ConfigError, FlecheError, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.parts import CacheLike, values_of
from fleche_like.storage import BackendCallStorage, BackendValueStorage, CallStorage, ValueStorage
from fleche_like.storage.layout import path, quarantine
from fleche_like.storage.replicate import StorageSink
from fleche_like.storage.sealed import open_sealed

logger = logging.getLogger(__name__)

QUARANTINE: Final = "quarantine"

Repair: TypeAlias = CacheLike | ValueStorage | ByteBackend | Literal["quarantine"]
"""Where sound copies are; or ``"quarantine"``, to put aside what is damaged."""

Outcome: TypeAlias = Literal["left", "repaired", "quarantined"]


class Repairer:
    """Mends one cache.

    What cannot be had from the other place is put aside, so that nothing meets it again; the
    damaged bytes are kept under ``quarantine/``. What is intact, but signed by nobody that is known
    here, stays: another reader may believe it. Each step is atomic and may be done twice.

    Args:
        cache: what is mended.
        source: where sound copies are.
    """

    def __init__(self, cache: CacheLike, source: Repair) -> None:
        self._values = values_of(cache)
        self._calls = cache.calls
        self._other_values, self._other_calls = _opened(source, self._values)

    def value(self, digest: Digest) -> Outcome:
        """Mend a value whose bytes are damaged."""
        if self._fetched(digest):
            return "repaired"
        return "left" if self._is_foreign_value(digest) else self._put_value_aside(digest)

    def result(self, key: Digest, digest: Digest) -> Outcome:
        """Mend a call whose result, or a part of it, is gone."""
        if self._fetched(digest):
            return "repaired"
        self._put_aside(key)
        return "quarantined"

    def part(self, whole: Digest, digest: Digest) -> Outcome:
        """Mend a value that lacks a part."""
        if self._fetched(digest) or self._fetched(whole):
            return "repaired"
        return self._put_value_aside(whole)

    def record(self, key: Digest) -> Outcome:
        """Mend a call whose record is gone or damaged."""
        call = self._other_call(key)
        if call is not None:
            self._calls.save(call)
            return "repaired"
        if self._is_foreign_call(key):
            return "left"
        self._put_aside(key)
        return "quarantined"

    def _fetched(self, digest: Digest) -> bool:
        """Put the value of the other place here, if it has a sound one."""
        other = self._other_values
        if other is None:
            return False
        try:
            self._values.put_encoded(self._sound(other, digest), digest)
        except (KeyError, FlecheError) as error:
            logger.warning("value %s cannot be had elsewhere: %s", digest, error)
            return False
        return True

    def _sound(self, other: ValueStorage, digest: Digest) -> Sequence[Buffer]:
        """Return the envelope of a value that is sound elsewhere."""
        mine = self._values
        if isinstance(other, BackendValueStorage):
            data = other.backend.get_bytes(path(other.prefix, digest))
            opened = open_sealed(digest, data, other.signer, mine.signer)
            if StorageSink(mine).accepts(opened.codec):
                return [opened.data]
        return mine.encode(other.load(digest), digest)

    def _other_call(self, key: Digest) -> DigestedCall | None:
        if self._other_calls is None:
            return None
        try:
            return self._other_calls.load(key)
        except (KeyError, FlecheError) as error:
            logger.warning("call %s cannot be had elsewhere: %s", key, error)
            return None

    def _is_foreign_value(self, digest: Digest) -> bool:
        values = self._values
        try:
            data = values.backend.get_bytes(path(values.prefix, digest))
            unseal(digest, data, signer=values.signer)
        except UntrustedEnvelope:
            return True
        except (KeyError, CodecError):
            return False
        return False

    def _is_foreign_call(self, key: Digest) -> bool:
        try:
            self._calls.load(key)
        except UntrustedEnvelope:
            return True
        except (KeyError, FlecheError):
            return False
        return False

    def _put_value_aside(self, digest: Digest) -> Outcome:
        quarantine(self._values.backend, path(self._values.prefix, digest))
        return "quarantined"

    def _put_aside(self, key: Digest) -> None:
        if isinstance(self._calls, SqlCallStorage):
            self._calls.put_aside(key)
        elif isinstance(self._calls, BackendCallStorage):
            quarantine(self._calls.backend, path(self._calls.prefix, key))
        else:
            self._calls.evict(key)


def _opened(
    source: Repair, like: BackendValueStorage
) -> tuple[ValueStorage | None, CallStorage | None]:
    if source == QUARANTINE:
        return None, None
    if isinstance(source, ValueStorage):
        return source, None
    if isinstance(source, ByteBackend):
        return BackendValueStorage(source, prefix=like.prefix), BackendCallStorage(source)
    values, calls = getattr(source, "values", None), getattr(source, "calls", None)
    if isinstance(values, ValueStorage) and isinstance(calls, CallStorage):
        return values, calls
    raise ConfigError(
        f"repair is a cache, a storage, a byte backend or {QUARANTINE!r}, not {source!r}",
        source="verify",
    )
