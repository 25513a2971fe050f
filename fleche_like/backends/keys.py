"""Keys: the one place that decides what a key may look like, for every backend alike."""

from __future__ import annotations

import re
from typing import Final

from fleche_like.errors import InvalidKey

MAX_SEGMENT_BYTES: Final = 255  # what file systems take as one name
MAX_KEY_BYTES: Final = 768  # what MariaDB can index; object stores take 1,024 with their prefix

# A name that begins so is a file being written. No key may, in any backend, so that every key can
# be copied to every backend.
TEMPORARY: Final = ".~fl-"

# Nearly every key is of this kind, and needs no further look (0.4 us instead of 3).
_is_plain = re.compile(r"[\w-]+(?:/[\w-]+)*", re.ASCII).fullmatch
_drive = re.compile(r"[A-Za-z]:").match


def normalise(key: str) -> str:
    """Return the one spelling of a key: segments joined by single slashes.

    The empty key is the root. ``.`` segments and superfluous slashes go: ``./log``, ``log`` and
    ``log/`` are one key.

    Raises:
        InvalidKey: it is absolute, has a drive letter, or holds ``..``, NUL or a backslash; a
            segment is longer than 255 bytes or reserved for temporary files; it is longer than
            768 bytes, or no valid Unicode.

    >>> normalise("./values//3f/")
    'values/3f'
    """
    if len(key) <= MAX_SEGMENT_BYTES and _is_plain(key):
        return key
    if key.startswith("/") or _drive(key):
        raise _invalid(key, "is absolute")
    if "\0" in key or "\\" in key:
        raise _invalid(key, "holds NUL or a backslash")
    segments = [segment for segment in key.split("/") if segment not in {"", "."}]
    for segment in segments:
        _check_segment(key, segment)
    normal = "/".join(segments)
    if len(normal.encode()) > MAX_KEY_BYTES:
        raise _invalid(key, "is longer than 768 bytes")
    return normal


def normalise_name(key: str) -> str:
    """Return the one spelling of a key that something is stored under: any but the root.

    Raises:
        InvalidKey: as :func:`normalise`, and for the root.
    """
    normal = normalise(key)
    if not normal:
        raise _invalid(key, "is the root, which holds no bytes of its own")
    return normal


def normalise_prefix(prefix: str) -> str:
    """Return the one spelling of a container: empty for the root, else ending in a slash."""
    normal = normalise(prefix)
    return f"{normal}/" if normal else ""


def is_key_segment(name: str) -> bool:
    """Return whether a name found in a listing can be part of a key; temporary files cannot."""
    try:
        return normalise(name) == name != ""
    except InvalidKey:
        return False


def _check_segment(key: str, segment: str) -> None:
    if segment == "..":
        raise _invalid(key, "could leave the root")
    if segment.startswith(TEMPORARY):
        raise _invalid(key, "is a name reserved for files being written")
    try:
        length = len(segment.encode())
    except UnicodeEncodeError:
        raise _invalid(key, "is no valid Unicode") from None
    if length > MAX_SEGMENT_BYTES:
        raise _invalid(key, "has a segment longer than 255 bytes")


def _invalid(key: str, reason: str) -> InvalidKey:
    shown = key if len(key) <= 80 else key[:77] + "..."
    return InvalidKey(f"key {shown!r} {reason}", key=key, url="")
