"""Names as every database can hold them in an indexed column."""

from __future__ import annotations

import json
from typing import Final, TypeAlias

from fleche_like.calls import RESULT, Path, Version
from fleche_like.hashing import digest
from fleche_like.index.models import NAME_LENGTH

ESCAPE: Final = "\\"
OF_ARGUMENTS: Final = "\\."
OF_RESULTS: Final = "\\>"
OF_PARTS: Final = (OF_ARGUMENTS, OF_RESULTS)
"""How the spellings of parts begin: no digest does."""

Name: TypeAlias = str | tuple[str, Path]
"""A name, or the argument (or ``"return"``) and the path of a part of it."""


def spell(name: Name) -> str:
    r"""Return a spelling that no other name has, and that any database compares as Python does.

    Nearly every name is its own spelling. Those that are long, empty, begin with a backslash, end
    in a blank, or hold NUL or a lone surrogate are spelled by digest. Parts are spelled as JSON
    behind a sign that tells whether they are of results.

    >>> spell("train"), spell("") == spell(" ")
    ('train', False)
    >>> print(spell(("cfg", ("lr", 0))))
    \.["cfg","lr",0]
    """
    if isinstance(name, tuple):
        return _spell_part(*name)
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


def _spell_part(name: str, path: Path) -> str:
    sign = OF_RESULTS if name == RESULT else OF_ARGUMENTS
    text = json.dumps([name, *path], separators=(",", ":"))
    short = len(text) + len(sign) <= NAME_LENGTH
    return sign + (text if short else digest(text))


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
