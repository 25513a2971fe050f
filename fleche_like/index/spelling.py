"""Names as every database can hold them in an indexed column."""

from __future__ import annotations

import json
from typing import Final

from fleche_like.calls import Version
from fleche_like.hashing import digest
from fleche_like.index.models import NAME_LENGTH

ESCAPE: Final = "\\"


def spell(name: str) -> str:
    """Return a spelling that no other name has, and that any database compares as Python does.

    Nearly every name is its own spelling. Those that are long, empty, begin with a backslash, end
    in a blank, or hold NUL or a lone surrogate are spelled by digest.

    >>> spell("train"), spell("") == spell(" ")
    ('train', False)
    """
    if _is_plain(name):
        return name
    return f"{ESCAPE}{digest(name)}"


def spell_optional(name: str | None) -> str:
    """Return the spelling of a name, or the empty text for ``None``: unique columns need a value.

    >>> spell_optional(None)
    ''
    """
    return "" if name is None else spell(name)


def spell_version(version: Version) -> str:
    """Return a version as JSON, which tells ``1`` from ``"1"``.

    >>> spell_version(1), spell_version("1"), spell_version(None)
    ('1', '"1"', 'null')
    """
    return spell(json.dumps(version, ensure_ascii=False))


def _is_plain(name: str) -> bool:
    return (
        0 < len(name) <= NAME_LENGTH
        and name[0] != ESCAPE
        and (name.isascii() or _is_encodable(name))
        and "\0" not in name
        and not name.endswith(" ")
    )


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
