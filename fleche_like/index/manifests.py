"""Code manifests: which parts went into a code digest."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from fleche_like.calls import Version
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.models import functions, manifests
from fleche_like.index.spelling import spell, spell_optional, spell_version
from fleche_like.index.upserts import insert_or_ignore

COLUMNS = ("code", "position", "part", "digest")
_FUNCTION = ("name", "module", "version")


class Manifests:
    """The table of manifests. A code digest follows from its parts, so that none ever changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        code = manifests.c.code == sa.bindparam("code")
        self._insert = insert_or_ignore(database, manifests, COLUMNS, ("code", "position"))
        self._any = database.prepare(
            sa.select(manifests.c.position).where(code, manifests.c.position == 0), ("code",)
        )
        self._codes = database.prepare(
            sa.select(functions.c.code).where(
                *(functions.c[column] == sa.bindparam(column) for column in _FUNCTION)
            ),
            _FUNCTION,
        )
        self._parts = database.prepare(
            sa.select(manifests.c.part, manifests.c.digest)
            .where(code)
            .order_by(manifests.c.position),
            ("code",),
        )

    def save(self, code: Digest, parts: Mapping[str, Digest]) -> None:
        """Store a manifest unless it is there."""
        sealed = bytes.fromhex(code)
        if self._database.read_one(self._any, (sealed,)) is None:
            self._database.write_many(
                self._insert,
                [
                    (sealed, position, _storable(part), bytes.fromhex(digest))
                    for position, (part, digest) in enumerate(parts.items())
                ],
            )

    def codes(self, name: str, module: str | None, version: Version) -> list[Digest]:
        """Return the code digests under which calls of a function were ever stored."""
        row = (spell(name), spell_optional(module), spell_version(version))
        found = self._database.read(self._codes, row)
        return [Digest(code) for (code,) in found if code]

    def load(self, code: Digest) -> dict[str, str]:
        """Return digests by part, in the order they were given; empty if it is not stored."""
        rows = self._database.read(self._parts, (bytes.fromhex(code),))
        return {part: Digest(bytes(digest).hex()) for part, digest in rows}


def _storable(part: str) -> str:
    """Return a part's name without what some database refuses: NUL and lone surrogates."""
    return part.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
