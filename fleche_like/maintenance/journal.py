"""What a change of keys writes down, so that it can be undone.

A line of JSON for each call: ``old`` and ``new``, its keys; ``merged``, if there was a call under
the new key already; and ``record``, its record under the old key in base64. The first line says
what the change was. A line is on disk before the call is changed.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fleche_like.calls import DigestedCall
from fleche_like.codecs import Signer
from fleche_like.errors import ArchiveError, CodecError
from fleche_like.hashing import Digest
from fleche_like.storage.base import require_full
from fleche_like.storage.records import open_record, seal_record

FORMAT: Final = 1


class Line(NamedTuple):
    """One changed call.

    Attributes:
        old: the call as it was.
        new: the key that it got.
        merged: whether there was a call under that key already, with the same result.
    """

    old: DigestedCall
    new: Digest
    merged: bool


class Journal:
    """A journal that lines are added to, of one change; private to its owner.

    Args:
        path: the file; one that is there is continued if it is of the same change.
        change: what the change is, as JSON.
        signer: signs the records, if the calls are signed.

    Raises:
        ArchiveError: it is the journal of another change, or none.
    """

    def __init__(self, path: Path, change: Mapping[str, Any], signer: Signer | None = None) -> None:
        self.path = path
        self._signer = signer
        head = json.dumps({"format": FORMAT, "change": change}, sort_keys=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            if _first(path) != head:
                raise _refused(path, "it is the journal of another change")
        else:
            self._write(head + "\n")

    def add(self, lines: Iterable[Line]) -> None:
        """Write lines, and wait until they are on disk."""
        text = "".join(_told(line, self._signer) for line in lines)
        if text:
            # What an interruption cut short ends here, and is passed over by readers.
            self._write("\n" + text)

    def _write(self, text: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _told(line: Line, signer: Signer | None) -> str:
    record = base64.b64encode(seal_record(line.old, signer)).decode()
    told = {"old": line.old.key, "new": line.new, "merged": line.merged, "record": record}
    return json.dumps(told) + "\n"


def read_journal(path: Path, signer: Signer | None = None) -> Iterator[Line]:
    """Yield the lines of a journal, one at a time.

    A line that an interruption cut short is passed over: its call was not changed. So is one whose
    record ``signer`` does not trust.

    Raises:
        ArchiveError: this is no journal.
        FileNotFoundError: there is none.
    """
    _first(path)
    with path.open(encoding="ascii", errors="replace") as file:
        next(file)
        for text in file:
            line = _parsed(text, signer)
            if line is not None:
                yield line


def _first(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        head = file.readline(1_000_000).rstrip("\n")
    try:
        known = json.loads(head)["format"] == FORMAT
    except (ValueError, LookupError, TypeError):
        known = False
    if not known:
        raise _refused(path, "it is no journal of changed keys")
    return head


def _parsed(text: str, signer: Signer | None) -> Line | None:
    try:
        told = json.loads(text)
        old, new = require_full(told["old"]), require_full(told["new"])
        record = base64.b64decode(told["record"])
        return Line(open_record(record, old, signer), new, bool(told["merged"]))
    except (ValueError, LookupError, TypeError, CodecError):
        return None


def _refused(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"{path}: {reason}", path=str(path), reason=reason)
