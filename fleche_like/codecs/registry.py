"""Codecs by name: an envelope says which one wrote it."""

from __future__ import annotations

from typing import Final

from fleche_like.codecs.base import Codec
from fleche_like.codecs.pickle import PickleCodec
from fleche_like.codecs.safe import SafeCodec
from fleche_like.errors import UnknownCodec

MAX_NAME_LENGTH: Final = 16

_codecs: dict[str, Codec] = {}


def register_codec(codec: Codec) -> None:
    """Make ``codec`` known to :func:`get_codec`; a second one of the same name replaces the first.

    Raises:
        ValueError: its name is not 1 to 16 printable ASCII characters.
    """
    name = codec.name
    if not (0 < len(name) <= MAX_NAME_LENGTH and name.isascii() and name.isprintable()):
        raise ValueError(f"a codec's name is 1 to {MAX_NAME_LENGTH} printable ASCII characters")
    _codecs[name] = codec


def get_codec(name: str) -> Codec:
    """Return the codec registered as ``name``.

    Raises:
        UnknownCodec: there is none, say because a plug-in is not imported here.

    >>> get_codec("pickle").name
    'pickle'
    """
    try:
        return _codecs[name]
    except KeyError:
        raise UnknownCodec(f"no codec {name!r} is registered here", name=name) from None


register_codec(PickleCodec())
register_codec(SafeCodec())
