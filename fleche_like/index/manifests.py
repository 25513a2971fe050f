"""Code manifests: which parts went into a code digest.

A signed manifest has one row more, behind the others: its part is the signature over all of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import sqlalchemy as sa

from fleche_like.calls import Version
from fleche_like.codecs import Signer
from fleche_like.codecs.signing import MANIFEST
from fleche_like.database import Database
from fleche_like.errors import UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index.models import functions, manifests
from fleche_like.index.spelling import spell, spell_optional, spell_version
from fleche_like.index.upserts import insert_or_ignore

logger = logging.getLogger(__name__)

Parts: TypeAlias = Sequence[tuple[str, Digest]]
"""Names of parts and their digests, in order."""

SIGNATURE: Final = "\x1fsignature "
"""How the part begins that is a signature; no other has a control character."""

_NO_DIGEST: Final = Digest("0" * 32)

COLUMNS = ("code", "position", "part", "digest")
_FUNCTION = ("name", "module", "version")


class Manifests:
    """The table of manifests. A code digest follows from its parts, so that none ever changes.

    Args:
        database: where it is.
        signer: signs manifests, and believes no others.
    """

    def __init__(self, database: Database, signer: Signer | None = None) -> None:
        self._database = database
        self._signer = signer
        code = manifests.c.code == sa.bindparam("code")
        self._insert = insert_or_ignore(database, manifests, COLUMNS, ("code", "position"))
        self._remove = database.prepare(sa.delete(manifests).where(code), ("code",))
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
        """Store a manifest unless it is there; one that is not trusted is replaced."""
        if self._is_there(code):
            return
        listed = [(_storable(part), digest) for part, digest in parts.items()]
        if self._signer is not None:
            signature = self._signer.sign(MANIFEST, code, (_content(listed),))
            listed.append((SIGNATURE + signature.hex(), _NO_DIGEST))
            self._database.write(self._remove, (bytes.fromhex(code),))
        self._database.write_many(
            self._insert,
            [
                (bytes.fromhex(code), position, part, bytes.fromhex(digest))
                for position, (part, digest) in enumerate(listed)
            ],
        )

    def _is_there(self, code: Digest) -> bool:
        if self._signer is not None:
            return bool(self.load(code))
        return self._database.read_one(self._any, (bytes.fromhex(code),)) is not None

    def codes(self, name: str, module: str | None, version: Version) -> list[Digest]:
        """Return the code digests under which calls of a function were ever stored."""
        row = (spell(name), spell_optional(module), spell_version(version))
        found = self._database.read(self._codes, row)
        return [Digest(code) for (code,) in found if code]

    def load(self, code: Digest) -> dict[str, str]:
        """Return digests by part, in the order they were given; empty if it is not stored."""
        rows = self._database.read(self._parts, (bytes.fromhex(code),))
        listed = [(part, Digest(bytes(digest).hex())) for part, digest in rows]
        signatures = [part for part, _ in listed if part.startswith(SIGNATURE)]
        parts = [row for row in listed if not row[0].startswith(SIGNATURE)]
        return dict(parts) if self._is_trusted(code, parts, signatures) else {}

    def _is_trusted(self, code: Digest, parts: Parts, signatures: Sequence[str]) -> bool:
        if self._signer is None or not parts:
            return True
        try:
            signature = bytes.fromhex("".join(signatures).removeprefix(SIGNATURE))
            self._signer.verify(signature, MANIFEST, code, (_content(parts),))
        except (UntrustedEnvelope, ValueError) as doubt:
            logger.warning("the manifest of code %s is passed over: %s", code, doubt)
            return False
        return True


def _content(parts: Parts) -> bytes:
    """Return what is signed of parts: all of them, in their order."""
    return json.dumps(parts).encode()


def _storable(part: str) -> str:
    """Return a part's name without what some database refuses, and without our own mark."""
    text = part.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text.replace(SIGNATURE[0], "\\x1f")
