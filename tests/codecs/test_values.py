"""Objects through an envelope and back, and what happens to those that resist."""

from __future__ import annotations

import io
import mmap
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.codecs import (
    Codec,
    Encoded,
    PickleCodec,
    dumps,
    get_codec,
    load_file,
    load_mapped,
    loads,
    register_codec,
    seal,
)
from fleche_like.codecs.memory import allocate
from fleche_like.errors import DamagedEnvelope, DecodeError, EncodeError, SaveError, UnknownCodec

KEY = "values/3f/9a/3f9a"


def sealed(value: Any) -> bytes:
    return b"".join(dumps(value, KEY, PickleCodec()))


def from_memory(value: Any) -> Any:
    return loads(sealed(value), KEY)


def from_file(value: Any) -> Any:
    return load_file(io.BytesIO(sealed(value)), KEY)


def from_map(value: Any) -> Any:
    return load_mapped(memoryview(bytearray(sealed(value))), KEY)


WAYS = [from_memory, from_file, from_map]
ways = pytest.mark.parametrize("back", WAYS)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(plain)
def test_plain_values_come_back(value: Any) -> None:
    for back in WAYS:
        assert repr(back(value)) == repr(value)


@ways
@pytest.mark.parametrize("size", [0, 3, 511, 513, 100_000, 1_000_000])
def test_arrays_come_back_writable_and_alone(back: Callable, size: int) -> None:
    array = np.arange(size, dtype=float)
    first, second = back(array), back(array)
    np.testing.assert_array_equal(first, array)
    first += 1
    np.testing.assert_array_equal(second, array)
    np.testing.assert_array_equal(array, np.arange(size, dtype=float))


@ways
def test_a_container_of_arrays_and_frames_comes_back(back: Callable) -> None:
    fortran = np.asfortranarray(np.arange(40_000.0).reshape(200, 200))
    strided = np.arange(100_000)[::3]
    frozen = np.arange(10_000)
    frozen.setflags(write=False)
    frame = pd.DataFrame({"a": np.arange(5000), "b": ["x"] * 5000})
    found = back({"f": fortran, "s": strided, "z": frozen, "d": frame, "same": fortran})
    np.testing.assert_array_equal(found["f"], fortran)
    assert found["f"] is found["same"]
    assert found["f"].flags.f_contiguous
    np.testing.assert_array_equal(found["s"], strided)
    np.testing.assert_array_equal(found["z"], frozen)
    assert found["z"].flags.writeable
    pd.testing.assert_frame_equal(found["d"], frame)


@ways
@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize("beside", [None, lambda: None], ids=["pickle", "cloudpickle"])
def test_equal_arrays_come_back_alike_whichever_was_frozen(back: Callable, size, beside) -> None:
    """Their digest is the same, so one stands for the other."""
    array = np.arange(size)
    frozen = array.copy()
    frozen.setflags(write=False)
    frame = pd.DataFrame({"a": frozen}, copy=False)
    first, again, column, _ = back([frozen, frozen, frame, beside])
    first += 1
    assert again is first
    np.testing.assert_array_equal(frozen, array)
    column.iloc[0, 0] = 7


def test_frozen_arrays_are_not_copied_to_be_written() -> None:
    array = np.zeros(1_000_000)
    array.setflags(write=False)
    parts = dumps(array, KEY, PickleCodec())
    assert any(np.shares_memory(np.frombuffer(part, "u1"), array) for part in parts if len(part))


def test_large_arrays_are_not_copied_to_be_written() -> None:
    array = np.zeros(1_000_000)
    parts = dumps(array, KEY, PickleCodec())
    assert any(np.shares_memory(np.frombuffer(part, "u1"), array) for part in parts if len(part))


def test_a_mapped_file_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_bytes(sealed(np.zeros(100_000)))
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    array = load_mapped(mapped, KEY)
    assert array.ctypes.data % 64 == 0
    assert np.shares_memory(array, np.frombuffer(mapped, "u1"))
    array[:] = 7
    assert loads(path.read_bytes(), KEY).sum() == 0


def test_a_mapped_buffer_is_verified_on_request_only() -> None:
    data = bytearray(sealed(np.zeros(100_000)))
    data[-1] ^= 1
    assert load_mapped(memoryview(data), KEY)[-1] != 0
    with pytest.raises(DamagedEnvelope):
        load_mapped(memoryview(data), KEY, verify_buffers=True)
    for back in (lambda: loads(data, KEY), lambda: load_file(io.BytesIO(data), KEY)):
        with pytest.raises(DamagedEnvelope):
            back()


def test_large_memory_is_private_to_a_process_after_a_fork() -> None:
    """Anonymous maps are shared by default: a child would write into the parent's array."""
    block = allocate(8 << 20)
    code = (
        "import os; from fleche_like.codecs.memory import allocate\n"
        "block = allocate(8 << 20)\n"
        "child = os.fork()\n"
        "if child == 0:\n    block[0] = 1; os._exit(0)\n"
        "os.waitpid(child, 0); assert block[0] == 0"
    )
    assert block[0] == block[-1] == 0
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def local_class() -> Any:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    return Local(3)


@ways
def test_what_only_cloudpickle_can_do_comes_back(back: Callable) -> None:
    offset = 5
    assert back(lambda x: x + offset)(1) == 6
    assert back(local_class()).x == 3
    large = np.arange(10_000.0)
    assert back(lambda: large.sum())() == large.sum()


class Unpicklable:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (threading.Lock(), "lock"),
        ((n for n in range(3)), "generator"),
        (Unpicklable(), "Unpicklable"),
        ([1, {"a": threading.Lock()}], "list"),
    ],
    ids=["lock", "generator", "reduce-raises", "nested"],
)
def test_what_cannot_be_stored_is_named(value: Any, kind: str) -> None:
    with pytest.raises(EncodeError) as caught:
        dumps(value, KEY, PickleCodec())
    assert kind in caught.value.kind
    assert caught.value.kind in str(caught.value)
    assert isinstance(caught.value, SaveError)
    assert isinstance(caught.value, TypeError)


def test_a_nested_culprit_is_in_the_message() -> None:
    with pytest.raises(EncodeError, match="lock"):
        dumps([threading.Lock()], KEY, PickleCodec())


def test_a_value_nested_too_deeply_is_an_error_not_a_crash() -> None:
    value: list = []
    for _ in range(200_000):
        value = [value]
    with pytest.raises(EncodeError):
        dumps(value, KEY, PickleCodec())
    while value:  # or its destruction nests as deeply
        value = value.pop()


class Raising:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return _raise, (self.error,)


def _raise(error: type[BaseException]) -> None:
    raise error("while loading")


@pytest.mark.parametrize("error", [ValueError, AttributeError, ImportError, EOFError, KeyError])
@ways
def test_whatever_unpickling_raises_is_one_error(back: Callable, error: type[Exception]) -> None:
    with pytest.raises(DecodeError) as caught:
        back(Raising(error))
    assert caught.value.key == KEY
    assert type(caught.value.__cause__) is error


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
@ways
def test_what_is_not_the_files_fault_passes(back: Callable, error: type[BaseException]) -> None:
    with pytest.raises(error):
        back(Raising(error))


def test_memory_errors_while_encoding_pass() -> None:
    class Huge:
        def __reduce__(self) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        dumps(Huge(), KEY, PickleCodec())


def test_nothing_is_unpickled_before_it_is_verified() -> None:
    data = bytearray(sealed(Raising(KeyboardInterrupt)))
    data[-2] ^= 1
    for back in (
        lambda: loads(bytes(data), KEY),
        lambda: load_file(io.BytesIO(data), KEY),
        lambda: load_mapped(memoryview(data), KEY),
        lambda: loads(sealed(Raising(KeyboardInterrupt)), "another/key"),
    ):
        with pytest.raises(DamagedEnvelope):
            back()


class Reversing:
    name = "reversing"

    def encode(self, value: Any) -> Encoded:
        return Encoded(pickle.dumps(value)[::-1])

    def decode(self, payload: Any, buffers: Any) -> Any:
        return pickle.loads(bytes(payload)[::-1])


def test_a_registered_codec_is_found_by_the_name_in_the_envelope() -> None:
    data = b"".join(dumps([1], KEY, Reversing()))
    with pytest.raises(UnknownCodec) as caught:
        loads(data, KEY)
    assert caught.value.name == "reversing"
    register_codec(Reversing())
    try:
        assert isinstance(get_codec("reversing"), Codec)
        assert loads(data, KEY) == [1]
    finally:
        from fleche_like.codecs import registry

        del registry._codecs["reversing"]


@pytest.mark.parametrize("name", ["", "x" * 17, "grün", "new\nline"])
def test_a_codec_with_an_unfit_name_is_refused(name: str) -> None:
    class Named(Reversing):
        pass

    Named.name = name
    with pytest.raises(ValueError, match="name"):
        register_codec(Named())


def test_an_unknown_codec_in_an_intact_envelope_is_no_damage() -> None:
    with pytest.raises(UnknownCodec):
        load_mapped(memoryview(b"".join(seal(KEY, "nobody", Encoded(b"")))), KEY)
