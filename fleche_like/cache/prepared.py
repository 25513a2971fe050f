"""A call sealed before its body runs, with the argument values that are to be stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from fleche_like.cache.abilities import SupportsEncoding
from fleche_like.calls import Call, DigestedCall, PreparedCall
from fleche_like.errors import SaveError
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, ValueStorage
from fleche_like.storage.divided import Divided, stored_bytes

ArgumentsKept: TypeAlias = Literal["auto", "all", "none"]
"""Which argument values of a call are stored."""

KEPT_BYTES: Final = 1024 * 1024
"""Encoded arguments up to this size wait in memory; larger ones are stored before the body runs."""

LARGEST_ARGUMENT_BYTES: Final = 64 * 1024 * 1024
"""Arguments above this are kept as digests only: copying them would cost more than most bodies."""


@dataclass
class SealedArguments(PreparedCall):
    """A prepared call and the encoded arguments that go into the same transaction as its record."""

    pending: dict[Digest, bytes] = field(default_factory=dict)
    relied: list[Digest] = field(default_factory=list)
    """Values that are stored before the call is: found there, or too large to wait in memory."""


def prepare(
    call: Call,
    digested: DigestedCall,
    values: ValueStorage,
    encoding: SupportsEncoding | None,
    arguments: ArgumentsKept = "auto",
) -> SealedArguments:
    """Seal a call: encode those of its arguments that are to be stored, as they are now.

    Args:
        call: the call.
        digested: its digests.
        values: where values go.
        encoding: the same, if it can encode now and store later; otherwise it stores at once.
        arguments: which values are stored.

    Scalars are kept in the record itself and digests refer to what is stored already. With
    ``"auto"``, what cannot be encoded or is very large stays a digest: the call can still be
    cached, only not shown in full. With ``"none"`` everything does.

    Raises:
        SaveError: ``"all"``, and a value cannot be encoded.
    """
    if arguments == "none":
        return SealedArguments(replace(digested, scalars={}, views={}))
    sealed = SealedArguments(digested)
    for value, key in _to_store(call, sealed.call):
        if _is_kept(key, values) or _keep(
            value, key, values, encoding, sealed.pending, everything=arguments == "all"
        ):
            sealed.relied.append(key)
    return sealed


def _to_store(call: Call, digested: DigestedCall) -> Iterator[tuple[Any, Digest]]:
    for name, key in digested.arguments.items():
        if name not in digested.scalars and not isinstance(call.arguments[name], Digest):
            yield call.arguments[name], key


def _is_kept(key: Digest, values: ValueStorage) -> bool:
    if isinstance(values, BackendValueStorage):
        return values.keep(key)
    return values.contains(key)


def _keep(
    value: Any,
    key: Digest,
    values: ValueStorage,
    encoding: SupportsEncoding | None,
    pending: dict[Digest, bytes],
    *,
    everything: bool,
) -> bool:
    """Store a value, or let it wait for the call; whether it is stored now."""
    try:
        if encoding is None:
            values.save(value, key)
            return True
        parts = encoding.encode(value, key)
    except SaveError:
        if everything:
            raise
        return False
    size = stored_bytes(parts)
    if size <= KEPT_BYTES and not isinstance(parts, Divided):
        pending[key] = b"".join(parts)
        return False
    if everything or size <= LARGEST_ARGUMENT_BYTES:
        encoding.put_encoded(parts, key)
        return True
    return False
