"""The digest as text."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any, Final

from fleche_like.hashing import tags
from fleche_like.hashing.branch import Made, group, kind, node, refuse
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


class _Mode(threading.local):
    """Whether a digest counts as itself on this thread, rather than as what it stands for."""

    literal = False


_mode: Final = _Mode()


@contextlib.contextmanager
def literally() -> Iterator[None]:
    """Let digests inside values count as values of their own, on this thread."""
    before, _mode.literal = _mode.literal, True
    try:
        yield
    finally:
        _mode.literal = before


def digest_value(digest: Digest) -> Made:
    """A digest: the node it stands for, or under :func:`literally` a text of its own kind."""
    return kind("digest", str(digest)) if _mode.literal else digest_node(digest)


def stand_in_node(value: Any, stand_in: Any) -> Made:
    """Return the node of a value that somebody else's code digests.

    Args:
        value: the value itself, whose type is named in the node.
        stand_in: its :class:`Digest`, which is then the node, or anything digestible.
    """
    if type(stand_in) is Digest:
        return digest_node(stand_in)
    return node("object", group((*type_names(type(value)), stand_in)))
