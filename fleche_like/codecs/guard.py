"""Opening envelopes for a reader who does not believe everything that is stored."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from fleche_like.codecs.base import Buffer
from fleche_like.codecs.envelope import Sealed, unseal
from fleche_like.codecs.memory import copy
from fleche_like.codecs.reader import unseal_file
from fleche_like.codecs.serial import decode
from fleche_like.codecs.signing import Signer, refuse

Trust: TypeAlias = Literal["pickle", "safe"]
"""What may be decoded: everything, or only what runs no code."""

SAFE: Final = frozenset({"safe"})


class Guard:
    """Decodes what is signed, if it has keys, and by certain codecs only, if it is told so.

    Everything is verified before anything is decoded, in memory that nobody else can write to.

    Args:
        signer: requires its signatures.
        codecs: names of the codecs to trust; ``None`` for all.
    """

    def __init__(self, signer: Signer | None, codecs: Collection[str] | None) -> None:
        self.signer = signer
        self.codecs = codecs

    def loads(self, data: Buffer, key: str) -> Any:
        """Rebuild an object as :func:`~fleche_like.codecs.serial.loads` does.

        Raises:
            UntrustedEnvelope: it is not to be believed. Otherwise as there.
        """
        # A view may be of a file, or of somebody else's memory: what was verified must stay so.
        sealed = self._opened(data if type(data) is bytes else bytes(data), key)
        codec, payload, buffers = sealed
        return decode(key, codec, payload, [copy(buffer) for buffer in buffers])

    def load_file(self, file: BinaryIO, key: str) -> Any:
        """Rebuild an object as :func:`~fleche_like.codecs.serial.load_file` does.

        Raises:
            UntrustedEnvelope: it is not to be believed. Otherwise as there.
        """
        return decode(key, *self._checked(key, unseal_file(key, file, self.signer)))

    def check(self, data: Buffer, key: str) -> None:
        """Verify all of an envelope without decoding it.

        Raises:
            DamagedEnvelope, UnknownFormat, UntrustedEnvelope: as :meth:`loads`.
        """
        self._opened(data, key)

    def _opened(self, data: Buffer, key: str) -> Sealed:
        return self._checked(key, unseal(key, data, signer=self.signer))

    def _checked(self, key: str, sealed: Sealed) -> Sealed:
        if self.codecs is not None and sealed.codec not in self.codecs:
            refuse(key, f"the codec {sealed.codec!r} is not trusted here")
        return sealed


def guard_of(signer: Signer | None, codecs: Collection[str] | None) -> Guard | None:
    """Return what opens envelopes; ``None`` where everything is believed."""
    return None if signer is None and codecs is None else Guard(signer, codecs)
