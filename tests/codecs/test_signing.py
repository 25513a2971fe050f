"""Who lacks the key can make bytes that are refused, never bytes that are believed."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.codecs import Encoded, Signer, generate_key, key_of, seal, unseal, unseal_file
from fleche_like.codecs.signing import RECORD, VALUE, signer_of
from fleche_like.errors import CodecError, ConfigError, DamagedEnvelope, UntrustedEnvelope

KEY = "3f9a" * 8
OURS, THEIRS, OLD = (Signer([key_of(generate_key())]) for _ in range(3))
SMALL = Encoded(b"payload")
LARGE = Encoded(b"p" * 70_000)
WITH_BUFFERS = Encoded(b"stream", (b"a" * 100, b"", bytearray(range(70))))
each = pytest.mark.parametrize("encoded", [SMALL, LARGE, WITH_BUFFERS], ids=["s", "l", "buffers"])


def sealed(encoded: Encoded, signer: Signer | None = OURS, key: str = KEY) -> bytes:
    return b"".join(seal(key, "pickle", encoded, signer))


def opened(data: bytes, signer: Signer | None = OURS, key: str = KEY) -> Any:
    return unseal(key, data, signer=signer)


def opened_from_file(data: bytes, signer: Signer | None = OURS, key: str = KEY) -> Any:
    return unseal_file(key, io.BytesIO(data), signer)


both = pytest.mark.parametrize("open_it", [opened, opened_from_file])


def with_checksums_made_right(data: bytes, key: str = KEY) -> bytes:
    """What somebody does who wants damage to go unnoticed, and lacks the key."""
    size = struct.calcsize("<BBBHIQ")
    _, _, name, extension, count, payload = struct.unpack_from("<BBBHIQ", data, 20)
    table = 20 + size + name + extension
    end = table + 24 * count + payload
    made = bytearray(data)
    place = end
    for number in range(count):
        length = struct.unpack_from("<Q", made, table + 24 * number)[0]
        place = -(-place // 64) * 64
        content = bytes(made[place : place + length])
        made[table + 24 * number + 8 : table + 24 * (number + 1)] = xxhash.xxh3_128_digest(content)
        place += length
    covered = bytes(made[20:end])
    made[4:20] = xxhash.xxh3_128_digest(key.encode() + covered, len(key.encode()))
    return bytes(made)


@both
@each
def test_what_was_signed_comes_back(open_it: Callable, encoded: Encoded) -> None:
    found = open_it(sealed(encoded))
    assert bytes(found.payload) == encoded.payload
    assert [bytes(buffer) for buffer in found.buffers] == [*map(bytes, encoded.buffers)]


@both
@each
def test_no_byte_can_be_changed_even_if_checksums_are_made_right(
    open_it: Callable, encoded: Encoded
) -> None:
    good = sealed(encoded)
    for place in [*range(200), *range(200, len(good), 97), len(good) - 1]:
        if place >= len(good):
            continue
        changed = bytearray(good)
        changed[place] ^= 1
        try:
            forged = with_checksums_made_right(bytes(changed))
        except (struct.error, OverflowError, MemoryError, ValueError):
            forged = bytes(changed)
        if forged == good:  # a checksum that was made right again
            continue
        with pytest.raises(CodecError):
            open_it(forged)


@both
@each
def test_what_nobody_signed_or_somebody_else_is_not_believed(
    open_it: Callable, encoded: Encoded
) -> None:
    for signer in (None, THEIRS):
        with pytest.raises(UntrustedEnvelope) as caught:
            open_it(sealed(encoded, signer))
        assert caught.value.key == KEY


@both
@each
def test_a_signature_is_for_one_storage_key(open_it: Callable, encoded: Encoded) -> None:
    other = "0" * 32
    moved = with_checksums_made_right(sealed(encoded), other)
    with pytest.raises(UntrustedEnvelope):
        open_it(moved, key=other)


@both
def test_who_has_no_keys_reads_what_is_signed_and_still_sees_damage(open_it: Callable) -> None:
    good = sealed(WITH_BUFFERS)
    assert bytes(open_it(good, None).payload) == b"stream"
    with pytest.raises(DamagedEnvelope):
        open_it(good[:-1] + b"\xff", None)


@both
def test_keys_are_rotated(open_it: Callable) -> None:
    new = key_of(generate_key())
    old = OLD._keys[0]
    rotated = Signer([new, old])
    open_it(sealed(SMALL, OLD), rotated)
    open_it(sealed(SMALL, rotated), Signer([new]))
    with pytest.raises(UntrustedEnvelope, match=OLD.ids[0]):
        open_it(sealed(SMALL, OLD), Signer([new]))


@both
def test_a_flag_without_a_signature_is_damage(open_it: Callable) -> None:
    data = bytearray(sealed(SMALL, None))
    data[20] = 1
    with pytest.raises(DamagedEnvelope):
        open_it(with_checksums_made_right(bytes(data)))


@given(st.binary(max_size=200))
def test_the_signature_is_an_hmac_as_documented(content: bytes) -> None:
    secret = OURS._keys[0].secret
    message = b"fleche-like\0" + b"v" + len(KEY).to_bytes(4, "little") + KEY.encode() + content
    identifier = hashlib.sha256(b"fleche-like key id\0" + secret).digest()[:8]
    expected = identifier + hmac.new(secret, message, "sha256").digest()
    assert OURS.sign(VALUE, KEY, [content]) == expected


def test_a_record_is_no_value() -> None:
    signature = OURS.sign(RECORD, KEY, [b"x"])
    with pytest.raises(UntrustedEnvelope):
        OURS.verify(signature, VALUE, KEY, [b"x"])


# --- keys ---


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# of the team\n{generate_key()}  # new\n{generate_key()}, {generate_key()}\n")
    path.chmod(0o600)
    return path


def test_a_file_holds_several_keys_and_comments(key_file: Path) -> None:
    signer = signer_of(key_file)
    assert signer is not None
    assert len(signer.ids) == 3
    assert signer == signer_of({"file": str(key_file)}) != signer_of(generate_key())


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", f"{generate_key()} {generate_key()}")
    signer = signer_of({"env": "TEAM"})
    assert signer is not None
    assert len(signer.ids) == 2


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_may_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        signer_of(key_file)


@pytest.mark.parametrize(
    "keys",
    [
        "flk1_tooshort",
        "flk1_" + "!" * 43,
        ["hunter2"],
        {"env": "NO_SUCH_VARIABLE"},
        {"file": "/no/such/file"},
        {"env": "A", "file": "b"},
        {"inline": "x"},
        {},
        [],
        b"raw bytes",
        7,
    ],
    ids=str,
)
def test_what_is_no_key_is_a_clear_error_that_shows_none(keys: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        signer_of(keys)
    assert "tooshort" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_without_keys_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# none yet\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no key"):
        signer_of(path)


def test_keys_travel_as_the_place_they_were_read_from(key_file: Path) -> None:
    signer = signer_of(key_file)
    data = pickle.dumps(signer)
    assert pickle.loads(data) == signer
    for line in key_file.read_text().split():
        if line.startswith("flk1_"):
            assert line.encode() not in data
            assert key_of(line.rstrip(",")).secret not in data


def test_keys_of_the_program_do_not_travel() -> None:
    with pytest.raises(ConfigError, match="do not travel"):
        pickle.dumps(OURS)
    with pytest.raises(TypeError):
        pickle.dumps(key_of(generate_key()))


def test_no_repr_shows_a_secret() -> None:
    text = generate_key()
    key = key_of(text)
    shown = repr(key) + repr(Signer([key])) + repr(vars(Signer([key])))
    assert text not in shown
    assert key.secret.hex() not in shown
    assert repr(key.secret) not in shown
