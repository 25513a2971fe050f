"""The default codec: pickle, with cloudpickle for what pickle refuses."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any, Final

from fleche_like.codecs.base import Buffer, Encoded
from fleche_like.codecs.thawing import FrozenBlock, is_frozen, thawed
from fleche_like.errors import EncodeError

# A block below one memory page gains nothing from being mapped; in the stream it costs less room.
OUT_OF_BAND_BYTES: Final = 4096


class PickleCodec:
    """Pickle protocol 5 with out-of-band buffers.

    What pickle refuses (lambdas, closures, classes defined in a function) goes through
    ``cloudpickle``, whose output any unpickler with cloudpickle installed reads; so one name
    stands for both. Arrays come back writable, those too that were not.

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
        except FrozenBlock:
            return _encode_thawed(value)
        except Exception as refusal:  # noqa: BLE001  # whatever a __reduce__ may raise
            return _encode_by_value(value, refusal)
        return Encoded(payload, buffers)

    def decode(self, payload: Buffer, buffers: Sequence[Buffer]) -> Any:
        return pickle.loads(payload, buffers=buffers) if buffers else pickle.loads(payload)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def collector(buffers: list[Buffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return a callback that takes large blocks out of the stream; true keeps one inside.

    It raises ``FrozenBlock`` at an array that may not be written to: to be :func:`thawed`.
    """

    def keep_inside(block: pickle.PickleBuffer) -> bool:
        try:
            view = block.raw()
        except BufferError:
            return True
        if is_frozen(view):
            raise FrozenBlock
        if view.nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(view)
        return False

    return keep_inside


def _encode_by_value(value: Any, refusal: Exception) -> Encoded:
    import cloudpickle

    try:
        return _pickled(cloudpickle.Pickler, value)
    except MemoryError:
        raise
    except Exception as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        # Pickle's reason is the one people know; cloudpickle's is kept as the cause.
        raise EncodeError(f"cannot pickle a {kind}: {refusal}", kind=kind) from error


def _encode_thawed(value: Any) -> Encoded:
    try:
        return _pickled(pickle.Pickler, value)
    except MemoryError:
        raise
    except Exception as refusal:  # noqa: BLE001  # whatever a __reduce__ may raise
        return _encode_by_value(value, refusal)


def _pickled(base: Any, value: Any) -> Encoded:
    file = io.BytesIO()
    buffers: list[Buffer] = []
    _thawing(base)(file, protocol=5, buffer_callback=collector(buffers)).dump(value)
    return Encoded(file.getbuffer(), buffers)


@functools.cache
def _thawing(base: Any) -> Any:
    """Return a class of picklers that write frozen arrays as others."""
    otherwise = base.reducer_override if base is not pickle.Pickler else not_implemented

    class Picklers(base):  # type: ignore[misc]  # pickle's class or cloudpickle's
        def reducer_override(self, obj: Any) -> Any:
            reduced = thawed(obj)
            return otherwise(self, obj) if reduced is NotImplemented else reduced

    return Picklers


def not_implemented(_pickler: Any, _obj: Any) -> Any:
    """Leave it to pickle how an object is pickled."""
    return NotImplemented
