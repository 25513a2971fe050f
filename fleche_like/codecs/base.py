"""What a codec is: it turns an object into bytes, and those bytes into an equal object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

Buffer: TypeAlias = bytes | bytearray | memoryview


class Encoded(NamedTuple):
    """An object as bytes.

    ``payload`` is the stream that rebuilds it. ``buffers`` are large blocks of memory that the
    stream refers to by position (PEP 574): flat, contiguous, not copied.
    """

    payload: Buffer
    buffers: Sequence[Buffer] = ()


@runtime_checkable
class Codec(Protocol):
    """One way of turning objects into bytes. Stateless, hence safe to use from many threads."""

    @property
    def name(self) -> str:
        """Short ASCII name, written into every envelope."""

    def encode(self, value: Any) -> Encoded:
        """Turn ``value`` into bytes.

        The result may refer to the value's own memory, so it must be written out before the value
        changes.

        Raises:
            EncodeError: this codec cannot represent the value.
        """

    def decode(self, payload: Buffer, buffers: Sequence[Buffer]) -> Any:
        """Rebuild the object; it may keep references to ``buffers``, and writes to them.

        May raise anything: the caller wraps it.
        """
