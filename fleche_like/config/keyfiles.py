"""Making key files."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fleche_like.codecs import generate_key, key_of, signer_of
from fleche_like.errors import ConfigError


def make_key_file(path: Path) -> str:
    """Make a file with one new key, which only its owner may read.

    Atomic: the file is there with its key, or not at all.

    Returns:
        The identifier of the key.

    Raises:
        ConfigError: there is a file already; it is left as it is.
        OSError: it cannot be written.
    """
    text, identifier = _new_key()
    with _written_beside(path, text) as written:
        try:
            os.link(written, path)
        except FileExistsError:
            raise ConfigError(
                f"{path} is there already; --rotate puts a new key in front", source=str(path)
            ) from None
    return identifier


def rotate_key_file(path: Path) -> str:
    """Put a new key in front of those of a file; made if it is not there.

    From then on that key signs, and the others verify what they signed. Atomic.

    Returns:
        The identifier of the new key.

    Raises:
        ConfigError: the file is no key file, or others may read it.
        OSError: it cannot be written.
    """
    if not path.exists():
        return make_key_file(path)
    signer_of({"file": path})  # whatever is wrong with it is said now
    text, identifier = _new_key()
    with _written_beside(path, text + path.read_text(encoding="utf-8")) as written:
        written.replace(path)
    return identifier


def _new_key() -> tuple[str, str]:
    text = generate_key()
    identifier = key_of(text).id.hex()
    return f"{text}  # {identifier}, made {datetime.now(UTC):%Y-%m-%d}\n", identifier


@contextlib.contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    """Give a private file that holds ``text``, safe on disk, for a moment."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield beside
    finally:
        beside.unlink(missing_ok=True)
