"""Results by name from one place to another, each after its value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from fleche_like.errors import CodecError, SaveError
from fleche_like.storage.names import NameRecord, Names, name_digest
from fleche_like.storage.replicate import copy_value
from fleche_like.storage.values import BackendValueStorage

logger = logging.getLogger(__name__)

Side: TypeAlias = Literal["primary", "secondary"]

Place: TypeAlias = tuple[Names, BackendValueStorage]
"""Names, and the values that they stand for."""


def copy_result(
    record: NameRecord, source: BackendValueStorage, target: Place, old: NameRecord | None
) -> tuple[bool, int]:
    """Copy a name with what it stands for, that first, over what has the name there.

    Args:
        record: the name; may be a tombstone.
        source: where its values are.
        target: where it goes.
        old: the record that is there; if it was replaced meanwhile, that one stays.

    Returns:
        Whether it was written, and how many bytes its values took.

    Raises:
        KeyNotFound, CodecError: as :func:`copy_value`; the name stays what it was.
    """
    names, values = target
    keys = [key for key in (record.value, record.metadata) if key is not None]
    copied = sum(copy_value(source, values, key) for key in keys)
    return names.replace(old, record), copied


@dataclass
class SyncCounts:
    """What became of the names of two places.

    Attributes:
        copied: names written in a place where they were absent or older.
        deleted: names removed where they were older than their deletion elsewhere.
        skipped: names that were the same in both.
        errors: names whose value could not be had; they stay as they are.
        size_bytes: of the values that were copied.
        primary_to_secondary: names written or removed in the secondary.
        secondary_to_primary: names written or removed in the primary.
    """

    copied: int = 0
    deleted: int = 0
    skipped: int = 0
    errors: int = 0
    size_bytes: int = 0
    primary_to_secondary: int = 0
    secondary_to_primary: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Replicator:
    """Brings the names of two places in line.

    One name after the other, its value first: what was done when it was interrupted stays done,
    and the next run passes over it. Memory stays flat.

    Args:
        primary: names and values of one place.
        secondary: those of the other.
        step: called after each name.
    """

    def __init__(
        self,
        primary: Place,
        secondary: Place,
        step: Callable[[], Any],
    ) -> None:
        self._places: dict[Side, Place] = {"primary": primary, "secondary": secondary}
        self._step = step
        self.counts = SyncCounts()

    def copy_all(self, source: Side, target: Side) -> None:
        """Write each result of one place into the other, over what has its name there.

        Deletions are not copied.
        """
        for mine, other in self._pairs(source, target):
            if mine is not None and mine.is_live:
                self._bring(mine, other, source, target)
                self._step()

    def merge(self) -> None:
        """Bring both places to the newer record of each name, deletions included."""
        for mine, other in self._pairs("primary", "secondary"):
            if other is None or (mine is not None and mine.order > other.order):
                assert mine is not None
                self._bring(mine, other, "primary", "secondary")
            else:
                self._bring(other, mine, "secondary", "primary")
            self._step()

    def _bring(self, new: NameRecord, old: NameRecord | None, source: Side, target: Side) -> None:
        if new == old or not (new.is_live or (old is not None and old.is_live)):
            self.counts.skipped += 1
            return
        try:
            values, place = self._places[source][1], self._places[target]
            written, copied = copy_result(new, values, place, old)
        except (KeyError, CodecError, SaveError) as problem:
            self.counts.errors += 1
            logger.warning("%r was not copied to the %s: %s", new.name[:200], target, problem)
            return
        self.counts.size_bytes += copied
        self._count(new, f"{source}_to_{target}", written=written)

    def _count(self, record: NameRecord, direction: str, *, written: bool) -> None:
        self.counts.skipped += not written  # somebody wrote there meanwhile: for the next run
        self.counts.copied += written and record.is_live
        self.counts.deleted += written and not record.is_live
        setattr(self.counts, direction, getattr(self.counts, direction) + written)

    def _pairs(
        self, first: Side, second: Side
    ) -> Iterator[tuple[NameRecord | None, NameRecord | None]]:
        """Yield the records of each name in both places; both list them in one order."""
        return _merged(iter(self._places[first][0]), iter(self._places[second][0]))


def _merged(
    first: Iterator[NameRecord], second: Iterator[NameRecord]
) -> Iterator[tuple[NameRecord | None, NameRecord | None]]:
    mine, other = next(first, None), next(second, None)
    while mine is not None or other is not None:
        here, there = _place(mine), _place(other)
        yield mine if here <= there else None, other if there <= here else None
        if here <= there:
            mine = next(first, None)
        if there <= here:
            other = next(second, None)


def _place(record: NameRecord | None) -> str:
    """Return where a record is in the order of the listing; what is none comes last."""
    return "~" if record is None else name_digest(record.name)
