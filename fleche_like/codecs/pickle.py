"""The default codec: pickle, with cloudpickle for what pickle refuses."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, Final

from fleche_like.codecs.base import Buffer, Encoded
from fleche_like.errors import EncodeError

# A block below one memory page gains nothing from being mapped; in the stream it costs less room.
OUT_OF_BAND_BYTES: Final = 4096


class PickleCodec:
    """Pickle protocol 5 with out-of-band buffers.

    What pickle refuses (lambdas, closures, classes defined in a function) goes through
    ``cloudpickle``, whose output any unpickler with cloudpickle installed reads; so one name
    stands for both.

    >>> codec = PickleCodec()
    >>> codec.decode(*codec.encode({"a": 1}))
    {'a': 1}
    """

    name: Final = "pickle"

    def encode(self, value: Any) -> Encoded:
        buffers: list[Buffer] = []
        try:
            payload = pickle.dumps(value, 5, buffer_callback=collector(buffers))
        except MemoryError:
            raise
        except Exception as refusal:  # noqa: BLE001  # whatever a __reduce__ may raise
            return _encode_by_value(value, refusal)
        return Encoded(payload, buffers)

    def decode(self, payload: Buffer, buffers: Sequence[Buffer]) -> Any:
        return pickle.loads(payload, buffers=buffers) if buffers else pickle.loads(payload)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def collector(buffers: list[Buffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return a callback that takes large blocks out of the stream; true keeps one inside."""

    def keep_inside(block: pickle.PickleBuffer) -> bool:
        try:
            view = block.raw()
        except BufferError:
            return True
        if view.nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(view)
        return False

    return keep_inside


def _encode_by_value(value: Any, refusal: Exception) -> Encoded:
    import cloudpickle

    buffers: list[Buffer] = []
    try:
        payload = cloudpickle.dumps(value, protocol=5, buffer_callback=collector(buffers))
    except MemoryError:
        raise
    except Exception as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        # Pickle's reason is the one people know; cloudpickle's is kept as the cause.
        raise EncodeError(f"cannot pickle a {kind}: {refusal}", kind=kind) from error
    return Encoded(payload, buffers)
