"""The codec that runs no code: data only, whoever wrote the bytes.

The payload is the length of a JSON document (8 bytes, little-endian), the document in UTF-8 (lone
surrogates as three bytes each), and small blocks of binary data one after the other; blocks of
4,096 bytes and more are buffers of the envelope. Nodes of the document take the blocks in order,
each once, and must use them up, so that nothing can be multiplied.

In the document ``null``, booleans, numbers, texts and arrays are themselves (an array is a list),
and so is an object without the name ``""`` (a dict whose keys are texts). An object with that name
is anything else; its value there is the *tag* that says what: see :mod:`.safe_plain`,
:mod:`.safe_arrays`, :mod:`.safe_pandas`, :mod:`.safe_arrow`. Tags are looked up in fixed tables: no
name in the bytes is ever imported, called or evaluated.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeAlias, cast

from fleche_like.codecs.base import Buffer, Encoded
from fleche_like.errors import EncodeError
from fleche_like.hashing import digest

Json: TypeAlias = Any
TAG: Final = ""

OUT_OF_BAND_BYTES: Final = 4096
MAX_DEPTH: Final = 100
"""Containers in each other; more would need a stack that a hostile document could exhaust."""

MAX_INT: Final = 1 << 1024
"""Integers beyond are written in hexadecimal: decimals take time as the square of their length."""

_HEAD: Final = 8
_ATOMS: Final = frozenset({str, bool, type(None)})
_NUMBERS: Final = frozenset({int, float})


class Library(Protocol):
    """A module for the values of one library."""

    def encoder_of(self, kind: type) -> Callable[[Any, Writer], Json] | None:
        """Return what encodes the values of exactly this class, if anything does."""
        ...

    def decoder_of(self, tag: str) -> Callable[[Json, Reader], Any] | None:
        """Return what decodes a tag."""
        ...


_HOMES: Final = {
    "numpy": "safe_arrays",
    "pandas": "safe_pandas",
    "pyarrow": "safe_arrow",
    "polars": "safe_arrow",
}
_PLAIN: Final = "safe_plain"


class SafeCodec:
    """Data without code: built-in types, and tables and arrays of NumPy, pandas, Arrow and Polars.

    What comes back has the same digest as what was stored. Instances of other classes (subclasses
    of these included) and functions are refused, so their calls are answered but not cached.
    ``docs/security.md`` lists what it holds.

    >>> codec = SafeCodec()
    >>> codec.decode(*codec.encode({"a": (1, 2.5), 3: b"x"}))
    {'a': (1, 2.5), 3: b'x'}
    """

    name: Final = "safe"

    def encode(self, value: Any) -> Encoded:
        writer = Writer()
        try:
            encoded = writer.finished(writer.node(value))
        except RecursionError:
            _refuse(value, "it is nested too deeply")
        if writer.doubtful and digest(self.decode(*encoded)) != digest(value):
            _refuse(value, "what would come back is not quite the same")
        return encoded

    def decode(self, payload: Buffer, buffers: Sequence[Buffer]) -> Any:
        document, blocks = _split(memoryview(payload))
        reader = Reader(blocks, buffers)
        value = reader.value(json.loads(document, parse_constant=_no_constant))
        reader.finish()
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Writer:
    """One value on its way into a document.

    Attributes:
        doubtful: whether something was written that may not come back as it is.
    """

    def __init__(self) -> None:
        self.doubtful = False
        self._blocks: list[Buffer] = []
        self._buffers: list[Buffer] = []
        self._depth = 0

    def node(self, value: Any) -> Json:
        """Return a value's node.

        Raises:
            EncodeError: it cannot be held.
        """
        kind = type(value)
        if kind in _ATOMS or (kind is int and -MAX_INT < value < MAX_INT):
            return value
        if kind is float and math.isfinite(value):
            return value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(value, f"more than {MAX_DEPTH} containers are inside each other")
        made = self._container(kind, value)
        self._depth -= 1
        return made

    def _container(self, kind: type, value: Any) -> Json:
        if kind is list:
            return self.items(value)
        if kind is dict and TAG not in value and all(type(name) is str for name in value):
            return {name: self.node(item) for name, item in value.items()}
        encode = _encoder_of(kind)
        if encode is None:
            _refuse(value, "it is no plain data")
        return encode(value, self)

    def items(self, values: Sequence[Any]) -> list[Json]:
        """Return the nodes of a sequence; homogeneous ones without a look at each."""
        kinds = set(map(type, values))
        if kinds <= _ATOMS or (kinds <= _NUMBERS and _is_plain(values)):
            return list(values)
        return [self.node(value) for value in values]

    def block(self, data: Buffer) -> int:
        """Add a flat block of binary data, not copied, and return its size: part of its node."""
        size = len(data)
        (self._buffers if size >= OUT_OF_BAND_BYTES else self._blocks).append(data)
        return size

    def finished(self, root: Json) -> Encoded:
        """Return everything as bytes."""
        text = json.dumps(
            root,
            ensure_ascii=False,
            allow_nan=False,
            check_circular=False,
            separators=(",", ":"),
        ).encode("utf-8", "surrogatepass")
        head = len(text).to_bytes(_HEAD, "little")
        return Encoded(b"".join((head, text, *self._blocks)), self._buffers)


class Reader:
    """One document on its way into a value.

    Args:
        blocks: small blocks of binary data, joined.
        buffers: large ones, one by one.
    """

    def __init__(self, blocks: memoryview, buffers: Sequence[Buffer]) -> None:
        self._blocks = blocks
        self._place = 0
        self._buffers = iter(buffers)
        self._depth = 0

    def value(self, node: Json) -> Any:
        """Return the value of a node.

        Raises:
            ValueError, TypeError, LookupError: it is malformed.
        """
        kind = type(node)
        if kind is not list and kind is not dict:
            return node
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        made = self.items(node) if kind is list else self._object(node)
        self._depth -= 1
        return made

    def items(self, nodes: Json) -> list[Any]:
        """Return the values of nodes."""
        if type(nodes) is not list:
            raise TypeError("no array where one is needed")
        if not {list, dict} & set(map(type, nodes)):
            return nodes
        return [self.value(node) for node in nodes]

    def _object(self, node: dict[str, Json]) -> Any:
        if TAG not in node:
            return {name: self.value(item) for name, item in node.items()}
        return _decoder_of(node[TAG])(node, self)

    def block(self, size: Json) -> memoryview:
        """Return the next block, which has ``size`` bytes, writable.

        Raises:
            ValueError: there is none of that size.
        """
        if type(size) is not int or size < 0:
            raise ValueError("malformed size")
        if size >= OUT_OF_BAND_BYTES:
            found = memoryview(next(self._buffers, b""))
        else:
            # A copy: aligned, and nobody else's.
            found = memoryview(bytearray(self._blocks[self._place : self._place + size]))
            self._place += size
        if len(found) != size:
            raise ValueError("less binary data than the document needs")
        return found

    def finish(self) -> None:
        """Require that all data was used.

        Raises:
            ValueError: some was not.
        """
        if self._place != len(self._blocks) or next(self._buffers, None) is not None:
            raise ValueError("more binary data than the document needs")


def tagged(tag: str, **fields: Json) -> dict[str, Json]:
    """Return the node of a tag."""
    return {TAG: tag, **fields}


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether numbers can stand in JSON as they are; at the speed of C."""
    try:
        finite = all(map(math.isfinite, values))
    except OverflowError:  # an int beyond the range of floats
        return False
    return finite and (not values or -MAX_INT < min(values) <= max(values) < MAX_INT)


def _split(payload: memoryview) -> tuple[str, memoryview]:
    end = _HEAD + int.from_bytes(payload[:_HEAD], "little")
    if len(payload) < _HEAD or end > len(payload):
        raise ValueError("cut short")
    return str(payload[_HEAD:end], "utf-8", "surrogatepass"), payload[end:]


@functools.cache
def _library(name: str) -> Library:
    return cast("Library", importlib.import_module(f"fleche_like.codecs.{name}"))


def _encoder_of(kind: type) -> Callable[[Any, Writer], Json] | None:
    home = _HOMES.get(kind.__module__.partition(".")[0])
    found = None if home is None else _library(home).encoder_of(kind)
    return found or _library(_PLAIN).encoder_of(kind)


def _decoder_of(tag: Json) -> Callable[[Json, Reader], Any]:
    home, colon, _ = tag.partition(":")
    found = _library(_HOMES[home] if colon else _PLAIN).decoder_of(tag)
    if found is None:
        raise ValueError("unknown tag")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse(value: Any, reason: str) -> NoReturn:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise EncodeError(f"the safe codec cannot hold a {kind}: {reason}", kind=kind)
