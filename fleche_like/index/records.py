"""Records of calls as SQL finds them: where they are, and opening what a statement gave."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from fleche_like.calls import DigestedCall
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index.models import calls
from fleche_like.storage.layout import CALLS
from fleche_like.storage.records import open_record

logger = logging.getLogger(__name__)

Records: TypeAlias = Callable[[Sequence[Digest]], Iterator[tuple[Digest, bytes | None]]]
"""Gives the records of keys, each with its key, ``None`` where there is none."""


def opened(pairs: Iterable[tuple[str, bytes | None]]) -> Iterator[DigestedCall]:
    """Yield the calls of keys and records; passes over what is gone or damaged."""
    for key, data in pairs:
        if data is None:
            continue  # evicted since
        try:
            yield open_record(data, Digest(key))
        except DamagedEnvelope as damage:
            logger.warning("call %s is damaged and was passed over: %s", key, damage.reason)


def record_path() -> Any:
    """Return the key of a record's blob: what ``storage.layout.path`` gives."""
    key = calls.c.key
    parts = (CALLS, sa.func.substr(key, 1, 2), "/", sa.func.substr(key, 3, 2), "/", key)
    return functools.reduce(operator.add, map(_text, parts))


def _text(part: Any) -> Any:
    if isinstance(part, str):
        return sa.literal_column(f"'{part}'", sa.String)
    return sa.type_coerce(part, sa.String)
