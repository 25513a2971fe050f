"""Loading results from a primary storage, and from a secondary where that cannot give them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from fleche_like.errors import CodecError, KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.storage.names import NameRecord
from fleche_like.storage.results import ResultStorage
from fleche_like.storage.syncing import copy_result
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)


class _Answer(NamedTuple):
    """What the primary says of a name: its record, the value, and why it could not say more."""

    record: NameRecord | None = None
    found: Any | Missing = MISSING
    failure: OSError | None = None


def load(
    key: str,
    primary: ResultStorage,
    secondary: ResultStorage | None,
    lookup: Callable[[Digest], Any | Missing],
) -> Any:
    """Return the result of a name.

    From the secondary comes what the primary does not know, has lost or cannot be asked for, unless
    it is older than what the primary lost. It is put back into the primary, but for what was
    deleted there.

    Args:
        key: the name.
        primary: asked first.
        secondary: asked then.
        lookup: reads values of the primary.

    Raises:
        KeyNotFound: neither has it.
        OSError: the primary failed, and the secondary does not have it.
    """
    answer = _ask(key, primary, lookup)
    if answer.found is not MISSING or secondary is None:
        found = answer.found
    else:
        found = _instead(key, answer, primary, secondary)
    if found is MISSING:
        raise answer.failure or primary.absent(key)
    return found


def _ask(key: str, primary: ResultStorage, lookup: Callable[[Digest], Any | Missing]) -> _Answer:
    record = None
    try:
        record = primary.names.get(key)
        if record is None or record.value is None:
            return _Answer(record)
        return _Answer(record, lookup(record.value))
    except OSError as failure:
        logger.warning("%r cannot be read, asking the secondary: %s", primary, failure)
        return _Answer(record, failure=failure)


def _instead(
    key: str, answer: _Answer, primary: ResultStorage, secondary: ResultStorage
) -> Any | Missing:
    mine, other = answer.record, secondary.live(key)
    if mine is not None and mine.value is not None:
        found = secondary.values.lookup(mine.value)
        if found is not MISSING:
            _put_back(mine, answer, primary, secondary)
            return found
    lost = mine is not None and mine.is_live
    if other is None or other.value is None or (lost and mine and other.order < mine.order):
        return MISSING
    found = secondary.values.lookup(other.value)
    if found is not MISSING and (mine is None or lost):
        _put_back(other, answer, primary, secondary)
    return found


def _put_back(
    record: NameRecord, answer: _Answer, primary: ResultStorage, secondary: ResultStorage
) -> None:
    """Repair the primary. Whoever reads has got what was asked for: the next reader tries again."""
    if answer.failure is not None:
        return
    with contextlib.suppress(OSError, CodecError, KeyNotFound):
        # What was written or deleted there while this was on its way stays.
        place = (primary.names, primary.values)
        copy_result(record, secondary.values, place, answer.record)
        logger.info("put %r back into %r", record.name[:200], primary)
