"""The digest as text."""

from __future__ import annotations

import re
from typing import Any, Final

from fleche_like.hashing import tags
from fleche_like.hashing.branch import Made, group, node, refuse
from fleche_like.hashing.names import type_names

DIGEST_LENGTH: Final = 32
_FULL = re.compile(r"[0-9a-f]{32}\Z")


class Digest(str):
    """The digest of a value: 32 lowercase hexadecimal characters, or a short prefix of them.

    A ``str`` in every respect; the type says that it stands for the value. It is not checked on
    construction, because that is on the path of every cache hit.

    >>> Digest("3f9a") == "3f9a"
    True
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Digest({str.__repr__(self)})"


def digest_node(digest: Digest) -> bytes:
    """Return the encoding of a full digest; refuse one that is short or no digest."""
    if not _FULL.match(digest):
        refuse(
            "is no full digest of 32 lowercase hexadecimal characters; "
            "expand a short one with cache.expand() first"
        )
    return tags.NODE + bytes.fromhex(digest)


def stand_in_node(value: Any, stand_in: Any) -> Made:
    """Return the node of a value that somebody else's code digests.

    Args:
        value: the value itself, whose type is named in the node.
        stand_in: its :class:`Digest`, which is then the node, or anything digestible.
    """
    if type(stand_in) is Digest:
        return digest_node(stand_in)
    return node("object", group((*type_names(type(value)), stand_in)))
