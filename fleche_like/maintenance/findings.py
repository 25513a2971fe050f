"""What a verification found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from fleche_like.maintenance.repair import Outcome

MOST_LISTED: Final = 100

Kind: TypeAlias = Literal["value", "record", "result", "part", "rows", "orphan", "database"]
"""Damaged bytes of a value; no sound record of a call; a result or a part that is not there; rows
that do not follow from the record; rows of no call; a file that is no sound database."""


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: what.
        key: of the call or the value; empty where there is none.
        reason: what is wrong.
        outcome: what was done about it.
    """

    kind: Kind
    key: str
    reason: str
    outcome: Outcome = "left"


@dataclass(frozen=True)
class Verified:
    """What a verification found.

    Attributes:
        calls: how many were looked at.
        values: how many were looked at.
        found: how many findings of each kind there were.
        repaired: how many are as they should be now.
        quarantined: how many were put aside, so that they read as misses.
        adoptable: records without rows: no damage, ``reindex`` takes them up.
        findings: the first hundred.
    """

    calls: int
    values: int
    found: dict[Kind, int]
    repaired: int = 0
    quarantined: int = 0
    adoptable: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    @property
    def left(self) -> int:
        """How many findings nothing was done about."""
        return sum(self.found.values()) - self.repaired - self.quarantined


class Report:
    """Collects findings: all are counted, the first are listed."""

    def __init__(self) -> None:
        self.calls = 0
        self.values = 0
        self.adoptable = 0
        self._kinds: Counter[Kind] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self._listed: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Count a finding."""
        self._kinds[finding.kind] += 1
        self._outcomes[finding.outcome] += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(finding)

    def as_json(self) -> dict[str, object]:
        """Return what was found so far, to be stored."""
        return {
            "values": self.values,
            "kinds": dict(self._kinds),
            "outcomes": dict(self._outcomes),
            "findings": [list(finding) for finding in self._listed],
        }

    def resume(self, stored: dict[str, object]) -> None:
        """Take over what an earlier run had found.

        Raises:
            ValueError, TypeError, KeyError: this is nothing that was stored.
        """
        self.values = int(stored["values"])  # type: ignore[call-overload]
        self._kinds.update(stored["kinds"])  # type: ignore[call-overload]
        self._outcomes.update(stored["outcomes"])  # type: ignore[call-overload]
        self._listed += [Finding(*each) for each in stored["findings"]]  # type: ignore[attr-defined]

    def verified(self) -> Verified:
        """Return the whole."""
        return Verified(
            self.calls,
            self.values,
            dict(self._kinds),
            self._outcomes["repaired"],
            self._outcomes["quarantined"],
            self.adoptable,
            tuple(self._listed),
        )
