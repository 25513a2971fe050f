"""Objects to bytes and back: codecs, and the envelope that says what was stored under which key.

========================  =====================================================================
:mod:`.base`              what a codec is
:mod:`.pickle`            the default codec
:mod:`.parts`             values without their parts
:mod:`.registry`          codecs by name
:mod:`.layout`            the envelope's fields, lengths and checksums
:mod:`.envelope`          sealing, and opening from memory
:mod:`.reader`            opening from a file
:mod:`.serial`            the two steps in one: ``dumps``, ``loads``, ``load_file``, ``load_mapped``
========================  =====================================================================
"""

from __future__ import annotations

from fleche_like.codecs.base import Buffer, Codec, Encoded
from fleche_like.codecs.envelope import Sealed, seal, unseal
from fleche_like.codecs.parts import PartsCodec, Skeleton
from fleche_like.codecs.pickle import PickleCodec
from fleche_like.codecs.reader import unseal_file
from fleche_like.codecs.registry import get_codec, register_codec
from fleche_like.codecs.serial import dumps, load_file, load_mapped, loads

__all__ = [
    "Buffer",
    "Codec",
    "Encoded",
    "PartsCodec",
    "PickleCodec",
    "Sealed",
    "Skeleton",
    "dumps",
    "get_codec",
    "load_file",
    "load_mapped",
    "loads",
    "register_codec",
    "seal",
    "unseal",
    "unseal_file",
]
