"""Objects to bytes and back: codecs, and the envelope that says what was stored under which key.

========================  =====================================================================
:mod:`.base`              what a codec is
:mod:`.pickle`            the default codec
:mod:`.parts`             values without their parts
:mod:`.safe`              the codec that runs no code
:mod:`.registry`          codecs by name
:mod:`.layout`            the envelope's fields, lengths and checksums
:mod:`.envelope`          sealing, and opening from memory
:mod:`.reader`            opening from a file
:mod:`.serial`            the two steps in one: ``dumps``, ``loads``, ``load_file``, ``load_mapped``
:mod:`.keys`              secrets as text, in files and in the environment
:mod:`.signing`           signing and verifying with them
:mod:`.guard`             opening for a reader who does not believe everything
========================  =====================================================================
"""

from __future__ import annotations

from fleche_like.codecs.base import Buffer, Codec, Encoded
from fleche_like.codecs.envelope import Sealed, seal, unseal
from fleche_like.codecs.guard import SAFE, Guard, Trust, guard_of
from fleche_like.codecs.keys import generate_key, key_of
from fleche_like.codecs.parts import PartsCodec, Skeleton
from fleche_like.codecs.pickle import PickleCodec
from fleche_like.codecs.reader import unseal_file
from fleche_like.codecs.registry import get_codec, register_codec
from fleche_like.codecs.safe import SafeCodec
from fleche_like.codecs.serial import dumps, load_file, load_mapped, loads
from fleche_like.codecs.signing import Signer, signer_of

__all__ = [
    "SAFE",
    "Buffer",
    "Codec",
    "Encoded",
    "Guard",
    "PartsCodec",
    "PickleCodec",
    "SafeCodec",
    "Sealed",
    "Signer",
    "Skeleton",
    "Trust",
    "dumps",
    "generate_key",
    "get_codec",
    "guard_of",
    "key_of",
    "load_file",
    "load_mapped",
    "loads",
    "register_codec",
    "seal",
    "signer_of",
    "unseal",
    "unseal_file",
]
