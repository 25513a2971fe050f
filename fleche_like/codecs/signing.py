"""Signatures: who lacks the key can make bytes that are refused, never bytes that are believed.

A signature is the identifier of a key (8 bytes) and an HMAC-SHA-256 (32 bytes) over::

    "fleche-like", 0, what is signed (one byte), length of the storage key (4 bytes, little-endian),
    the storage key in UTF-8, the content

So bytes of one key are not accepted under another, nor a record for a value. HMAC (RFC 2104) with
SHA-256 rather than keyed BLAKE2b: processors have instructions for SHA-256, which make it twice as
fast over large arrays (1.1 against 0.5 GB/s here), and it may be used where FIPS 140 is law.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from fleche_like.codecs.base import Buffer
from fleche_like.codecs.keys import Key, read_keys
from fleche_like.errors import ConfigError, UntrustedEnvelope

VALUE: Final = b"v"
RECORD: Final = b"r"
MANIFEST: Final = b"m"
NAME: Final = b"n"

ID_SIZE: Final = 8
SIGNATURE_SIZE: Final = ID_SIZE + 32

_CONTEXT: Final = b"fleche-like\0"


class Signer:
    """Signs with one key, and verifies with any of several, so that keys can be rotated.

    Two are equal if they have the same keys in the same order. A pickled one travels as the place
    where its keys were read, never with a key: see :meth:`__reduce__`.

    Args:
        keys: the first one signs.
        source: where they were read, as ``{"file": path}`` or ``{"env": name}``; ``None`` if they
            came from the program itself.

    Raises:
        ConfigError: there is no key.

    Thread-safe.

    >>> from fleche_like.codecs.keys import generate_key, key_of
    >>> signer = Signer([key_of(generate_key())])
    >>> signature = signer.sign(VALUE, "some/key", [b"content"])
    >>> signer.verify(signature, VALUE, "some/key", [b"content"])
    """

    def __init__(self, keys: Sequence[Key], source: Mapping[str, str] | None = None) -> None:
        if not keys:
            raise ConfigError("there is no key to sign with", source="keys")
        self._keys = tuple(keys)
        self.source = None if source is None else dict(source)
        # Copying a hasher that has the key in it already takes two thirds of making one.
        self._hashers = {key.id: hmac.new(key.secret, _CONTEXT, "sha256") for key in keys}

    @property
    def ids(self) -> tuple[str, ...]:
        """The identifiers of the keys as hex; the first one signs."""
        return tuple(key.id.hex() for key in self._keys)

    def sign(self, kind: bytes, key: str, content: Iterable[Buffer]) -> bytes:
        """Return the signature of ``content`` under a storage key.

        Args:
            kind: what is signed: :data:`VALUE`, :data:`RECORD`, :data:`MANIFEST`, :data:`NAME`.
            key: the storage key.
            content: pieces whose lengths follow from the first of them.
        """
        identifier = self._keys[0].id
        return identifier + self._mac(identifier, kind, key, content)

    def verify(self, signature: Buffer, kind: bytes, key: str, content: Iterable[Buffer]) -> None:
        """Require that one of the keys signed this; arguments as :meth:`sign`.

        Raises:
            UntrustedEnvelope: none did.
        """
        identifier = bytes(signature[:ID_SIZE])
        if identifier not in self._hashers:
            refuse(key, f"signed with key {identifier.hex()}, which is not known here")
        found = self._mac(identifier, kind, key, content)
        if not hmac.compare_digest(found, bytes(signature[ID_SIZE:])):
            refuse(key, f"its signature with key {identifier.hex()} does not match")

    def _mac(self, identifier: bytes, kind: bytes, key: str, content: Iterable[Buffer]) -> bytes:
        hasher = self._hashers[identifier].copy()
        name = key.encode("utf-8", "surrogatepass")
        hasher.update(kind + len(name).to_bytes(4, "little") + name)
        for piece in content:
            hasher.update(piece)
        return hasher.digest()

    def __eq__(self, other: object) -> bool:
        return self._keys == other._keys if isinstance(other, Signer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._keys)

    def __repr__(self) -> str:
        return f"<Signer with {', '.join(self.ids)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.source is None:
            raise ConfigError(
                "keys that the program gave itself do not travel to other processes; name a file "
                "or an environment variable that is there too: keys={'file': …}",
                source="keys",
            )
        return _read_again, (self.source,)


def refuse(key: str, reason: str) -> NoReturn:
    """Raise the error for intact bytes that are not to be believed.

    Raises:
        UntrustedEnvelope: always.
    """
    raise UntrustedEnvelope(f"{key!r} is not trusted: {reason}", key=key, reason=reason)


def signer_of(keys: Any) -> Signer | None:
    """Return what signs with the given keys.

    Args:
        keys: a file; ``{"file": path}`` or ``{"env": name}``; a key as text, or several of them;
            a :class:`Signer`; ``None`` or ``False`` for none.

    Raises:
        ConfigError: there is no key, or a key file that others may read. Shows no key.
    """
    if keys is None or keys is False:
        return None
    if isinstance(keys, Signer):
        return keys
    found, source = read_keys(keys)
    return Signer(found, source)


def _read_again(source: dict[str, str]) -> Signer:
    return Signer(read_keys(source)[0], source)
