"""Records: sealed calls as bytes, and back without running any code.

A record is compact JSON in UTF-8 (lone surrogates as three bytes each)::

    [1, name, module, version, code, {argument: value, ...}, metadata]             no result yet
    [1, name, module, version, code, {argument: value, ...}, metadata, value]      with a result

A value is a scalar as JSON; or ``{"$": digest}``; or both with a view as ``{"$": digest, "~":
scalar}``, or with a scalar whose digest cannot surely be computed again as ``{"$": digest, "=":
scalar}``; or a digest with what is inside, as ``{"$": digest, "p": sketch, "n": [digest, ...]}``
(see :mod:`~fleche_like.calls.parts`). Of other scalars the digest is left out and computed again.
What JSON cannot say exactly is an object with a tag (see :mod:`~fleche_like.calls.leaves`).
Metadata is JSON as it is, with each datetime as ``{"": its tag's text, or its object}``. Where
anything else is no JSON, or has an empty name itself, metadata is a list of one item, in which
each object ``o`` is ``{"m": o}``.

The key is no part of a record: it is what the record is stored under.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from fleche_like.calls.call import RESULT, DigestedCall
from fleche_like.calls.compact import MomentEncoder, encode
from fleche_like.calls.leaves import CONTAINERS, Json, from_json, names_a_zone, to_json
from fleche_like.calls.metadata import freeze
from fleche_like.calls.parts import Parts, parts_from_json, parts_to_json
from fleche_like.calls.scalars import Scalar
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest, digest
from fleche_like.support.sentinel import MISSING, Missing

Buffer: TypeAlias = bytes | bytearray | memoryview

_FORMAT: Final = 1
_WITH_RESULT: Final = 8
# Nowhere else in JSON: quotes inside a text have a backslash in front.
_EMPTY_NAME: Final = '"":'
_DECODE: Final = json.JSONDecoder().decode
_IS_DIGEST: Final = re.compile(r"[0-9a-f]{32}\Z").match
_DAMAGE: Final = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    struct.error,
)


def encode_record(call: DigestedCall) -> bytes:
    """Return the record of a call.

    Metadata that JSON cannot hold is stored as :func:`~fleche_like.calls.metadata.freeze` has it.
    """
    try:
        text, moments = _MOMENTS.encode(_fields(call, call.metadata))
        plain = text.count(_EMPTY_NAME) == moments
    except (ValueError, TypeError):  # a NaN, or no JSON at all among the metadata
        plain = False
    if not plain:
        text = encode(_fields(call, [_wrapped(freeze(call.metadata))]))
    return text.encode("utf-8", "surrogatepass")


def decode_record(payload: Buffer, key: Digest) -> DigestedCall:
    """Return the call of a record.

    Args:
        payload: the record.
        key: what it is stored under; the call's key, which is not computed again.

    Raises:
        DamagedEnvelope: this is no record. No code of the record is run in any case.
    """
    try:
        text = str(payload, "utf-8", "surrogatepass")
        call = _call(_DECODE(text), with_moments=_EMPTY_NAME in text)
    except _DAMAGE as error:
        raise DamagedEnvelope(
            f"{key} does not hold the record of a call: {type(error).__name__}",
            key=key,
            reason="not a record",
        ) from error
    call.key = key
    return call


def decode_result(payload: Buffer, key: Digest) -> tuple[Digest | None, Scalar | Missing]:
    """Return of a record what a hit needs: the result's digest, and its value if it is a scalar.

    Agrees with :func:`decode_record` and is several times faster. The digest is ``None`` where
    the record has no result, and where the scalar is given.

    Raises:
        DamagedEnvelope: this is no record.
    """
    try:
        fields = _DECODE(str(payload, "utf-8", "surrogatepass"))
        if fields[0] == _FORMAT and len(fields) == _WITH_RESULT:
            item = fields[-1]
            if type(item) not in CONTAINERS:
                return None, item
            if "$" in item and "=" not in item:
                return _digest(item["$"]), MISSING
    except _DAMAGE:
        pass  # the plain way says what is wrong
    call = decode_record(payload, key)
    if RESULT in call.scalars:
        return None, call.scalars[RESULT]
    return call.result, MISSING


def _fields(call: DigestedCall, metadata: Json) -> list[Json]:
    arguments = {name: _value(name, known, call) for name, known in call.arguments.items()}
    fields = [_FORMAT, call.name, call.module, call.version, call.code, arguments, metadata]
    if call.result is not None:
        fields.append(_value(RESULT, call.result, call))
    return fields


def _value(name: str, known: Digest, call: DigestedCall) -> Json:
    if name in call.scalars:
        scalar = call.scalars[name]
        if names_a_zone(scalar):
            return {"$": known, "=": to_json(scalar)}
        return to_json(scalar)
    if name in call.views:
        return {"$": known, "~": to_json(call.views[name])}
    if name in call.parts:
        return {"$": known, **parts_to_json(call.parts[name])}
    return {"$": known}


def _call(fields: Json, *, with_moments: bool) -> DigestedCall:
    form, name, module, version, code, items, metadata, *results = fields
    if type(form) is not int or form != _FORMAT or len(results) > 1:
        raise ValueError("unknown form")
    _check_identity(name, module, version)
    scalars: dict[str, Scalar] = {}
    views: dict[str, Scalar] = {}
    parts: dict[str, Parts] = {}
    arguments = {one: _read(one, item, scalars, views, parts) for one, item in items.items()}
    result = _read(RESULT, results[0], scalars, views, parts) if results else None
    if type(metadata) is not dict:
        metadata = _unfolded(metadata)
    elif with_moments:
        metadata = _revived(metadata)
    return DigestedCall(
        name, arguments, module, version, None if code is None else _digest(code), result,
        metadata, scalars, views, parts,
    )  # fmt: skip


def _read(
    name: str,
    item: Json,
    scalars: dict[str, Scalar],
    views: dict[str, Scalar],
    parts: dict[str, Parts],
) -> Digest:
    if type(item) not in CONTAINERS:
        scalars[name] = item
        return digest(item)
    if "$" in item:
        if len(item) > 1:
            _read_beside(name, item, scalars, views, parts)
        return _digest(item["$"])
    scalar = from_json(item)
    if scalar is MISSING:
        raise ValueError("a scalar without digest has a zone that is unknown here")
    scalars[name] = scalar
    return digest(scalar)


def _read_beside(
    name: str,
    item: Json,
    scalars: dict[str, Scalar],
    views: dict[str, Scalar],
    parts: dict[str, Parts],
) -> None:
    for tag, found in (("=", scalars), ("~", views)):
        scalar = from_json(item[tag]) if tag in item else MISSING
        if scalar is not MISSING:
            found[name] = scalar
    inside = parts_from_json(item)
    if inside is not MISSING:
        parts[name] = inside


def _digest(item: Json) -> Digest:
    if not _IS_DIGEST(item):
        raise ValueError("malformed digest")
    return Digest(item)


def _check_identity(name: Json, module: Json, version: Json) -> None:
    if type(name) is not str or type(module) not in {str, type(None)}:
        raise ValueError("malformed name or module")
    if type(version) not in {int, str, type(None)}:
        raise ValueError("malformed version")


def _moment(value: datetime) -> Json:
    item = to_json(value)
    return {"": item["d"] if len(item) == 1 else item}


_MOMENTS: Final = MomentEncoder(_moment)


def _revived(item: Json) -> Any:
    if type(item) is list:
        return [_revived(one) for one in item]
    if type(item) is not dict:
        return item
    if "" not in item:
        return {n: _revived(one) if type(one) in CONTAINERS else one for n, one in item.items()}
    moment = item[""]
    return datetime.fromisoformat(moment) if type(moment) is str else _known(moment)


def _known(item: Json) -> Any:
    scalar = from_json(item)
    # The text of a moment whose zone is unknown here is better than nothing.
    return item["d"] if scalar is MISSING else scalar


def _unfolded(item: Json) -> dict[str, Any]:
    (folded,) = item
    metadata = _unwrapped(folded)
    if type(item) is not list or type(metadata) is not dict:
        raise ValueError("malformed metadata")
    return metadata


def _wrapped(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {"m": {name: _wrapped(item) for name, item in value.items()}}
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    return to_json(value)


def _unwrapped(item: Json) -> Any:
    if type(item) is list:
        return [_unwrapped(one) for one in item]
    if type(item) is dict and "m" in item:
        return {name: _unwrapped(one) for name, one in item["m"].items()}
    return _known(item)
