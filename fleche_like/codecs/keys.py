"""Keys: secrets of 32 bytes as text, in files that only their owner reads, or in the environment.

A key is the text ``flk1_`` and the secret in URL-safe base64, 43 characters. The prefix lets tools
that look for leaked secrets find it, and ours hide it. Its identifier, which is stored with each
signature, follows from it and tells nothing of it.

A key file, like the value of an environment variable, holds keys separated by white space or
commas; what follows ``#`` in a line is a comment. The first key signs, all verify.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fleche_like.errors import ConfigError
from fleche_like.support.redact import redact

PREFIX: Final = "flk1_"
SECRET_SIZE: Final = 32

_FORMS: Final = "a file, {'file': path}, {'env': name}, or keys as text"


class Key:
    """One secret, and the identifier that tells it from others.

    Args:
        secret: 32 bytes.
    """

    __slots__ = ("id", "secret")

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.id = hashlib.sha256(b"fleche-like key id\0" + secret).digest()[:8]

    def __eq__(self, other: object) -> bool:
        return self.secret == other.secret if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Key {self.id.hex()}>"

    def __reduce__(self) -> Any:
        raise TypeError("a key does not travel")


def generate_key() -> str:
    """Return a new key as text, from the operating system's randomness.

    >>> generate_key().startswith("flk1_")
    True
    """
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(SECRET_SIZE)).rstrip(b"=").decode()


def key_of(text: str) -> Key:
    """Return the key that a text spells.

    Raises:
        ConfigError: it spells none; the message does not show it.
    """
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX) + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or len(secret) != SECRET_SIZE:
        raise ConfigError(
            f"this is no key (it is not shown here): one begins with {PREFIX} and has "
            f"{len(PREFIX) + 43} characters, as `fleche-like keygen` makes them",
            source="keys",
        )
    return Key(secret)


def read_keys(keys: Any) -> tuple[list[Key], dict[str, str] | None]:
    """Return keys, and where they were read.

    Args:
        keys: a file; ``{"file": path}`` or ``{"env": name}``; a key as text, or several of them.

    Raises:
        ConfigError: there is no key; or a key file that others may read.
    """
    if isinstance(keys, Mapping):
        return _from_place(keys)
    if isinstance(keys, str) and PREFIX in keys:  # never taken for a file, which errors would name
        return _keys_in(keys, "keys"), None
    if isinstance(keys, str | os.PathLike):
        return _from_place({"file": os.fspath(keys)})
    if isinstance(keys, Sequence) and all(isinstance(key, str) for key in keys):
        return [key_of(key) for key in keys], None
    raise ConfigError(f"keys are given as {_FORMS}; not as {type(keys).__name__}", source="keys")


def _from_place(place: Mapping[str, Any]) -> tuple[list[Key], dict[str, str]]:
    match dict(place):
        case {"env": str(name), **rest} if not rest:
            return _from_environment(name), {"env": name}
        case {"file": str() | os.PathLike() as path, **rest} if not rest:
            file = Path(path).expanduser().absolute()
            return _from_file(file), {"file": str(file)}
    raise ConfigError("keys name one place: {'file': path} or {'env': name}", source="keys")


def _from_environment(name: str) -> list[Key]:
    text = os.environ.get(name)
    if text is None:
        raise ConfigError(f"keys: the environment has no {redact(name)}", source="keys")
    return _keys_in(text, f"the environment's {name}")


def _from_file(path: Path) -> list[Key]:
    shown = redact(str(path))  # perhaps a key was taken for a file
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError:  # of UTF-8; or a NUL in the path
        problem = "is no text file"
    else:
        problem = ""
    if problem:
        # Not inside the handler: the error there names the path, and some pickle it along.
        raise ConfigError(f"keys: {shown} {problem}", source=shown)
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(
            f"keys: others may read {shown} (mode {mode:04o}); run: chmod 600 {shown}",
            source=shown,
        )
    return _keys_in(text, shown)


def _keys_in(text: str, place: str) -> list[Key]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    words = [word for line in lines for word in line.replace(",", " ").split()]
    if not words:
        raise ConfigError(f"keys: {place} holds no key", source=place)
    return [key_of(word) for word in words]
