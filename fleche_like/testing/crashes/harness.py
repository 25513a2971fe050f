"""Starting writers, killing them, and looking at what they left, again and again."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from fleche_like.testing.crashes.oracle import Findings, inspect
from fleche_like.testing.crashes.places import Place
from fleche_like.testing.crashes.writer import (
    ERRORS,
    Chore,
    repeat_until_killed,
    write_until_killed,
)

PATIENCE_S: Final = 120.0
"""What the next run takes longer for is stuck."""

UNREADY_SHARE: Final = 0.2
"""Of the writers, so many are killed at any moment from their start on; the others, once they have
the cache open."""

LONGEST_S: Final = 0.4
"""The longest that a process lives from there."""


@dataclass
class Report:
    """What a torture found.

    Attributes:
        seed: gives the same writers again, and about the same moments.
        kills: processes that were killed, writers and others.
        rounds: how often what they left was looked at.
        calls: how many calls were stored in the places, all together.
        broken, wrong, lost, stuck: see :class:`~fleche_like.testing.crashes.oracle.Findings`.
    """

    seed: int
    kills: int = 0
    rounds: int = 0
    calls: int = 0
    broken: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.broken or self.wrong or self.lost or self.stuck)

    def add(self, found: Findings) -> None:
        """Take note of what was found in one round."""
        self.rounds += 1
        for name in ("broken", "wrong", "lost", "stuck"):
            getattr(self, name).extend(getattr(found, name))


def torture(
    make: Callable[[Path], Place],
    *,
    kills: int = 30,
    seconds: float | None = None,
    seed: int | None = None,
    writers: int = 3,
    chores: Sequence[Chore] = (),
    rounds: int = 6,
    longest_s: float = LONGEST_S,
    told: Callable[[Report], object] = lambda _: None,
) -> Report:
    """Kill writers with SIGKILL, and look at what they left.

    Several write at once. When each was killed at a moment of its own, a fresh process inspects
    the cache and computes what they were at; then others go on there. After some rounds the next
    place is new, so that caches are also killed while they are made.

    Args:
        make: returns the place of a new, empty cache, which may keep files in the folder given.
        kills: how many, at least.
        seconds: no further round begins after so long.
        seed: of all that is random; ``None``: any.
        writers: how many at once.
        chores: what others do on the same cache meanwhile, each over and over in a process of its
            own, which is killed too: maintenance that must stand it.
        rounds: how many in one place.
        longest_s: the longest that a process works before it is killed, in seconds.
        told: called after each round.

    Returns:
        The report; a round that finds anything is the last one.
    """
    report = Report(random.randrange(2**32) if seed is None else seed)
    chance = random.Random(report.seed)
    deadline = None if seconds is None else time.monotonic() + seconds
    numbers = itertools.count()
    while not _is_done(report, kills, deadline):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            place, journals = make(Path(folder)), Path(folder, "journals")
            episode = _Episode(place, journals, chance, numbers, longest_s)
            for _ in range(rounds):
                episode.round(report, [*[None] * writers, *chores])
                told(report)
                if _is_done(report, kills, deadline):
                    break
            report.calls += episode.calls
    return report


def _is_done(report: Report, kills: int, deadline: float | None) -> bool:
    late = deadline is not None and time.monotonic() > deadline
    return report.kills >= kills or late or not report.is_clean


class _Episode:
    """Rounds in one place."""

    def __init__(
        self,
        place: Place,
        journals: Path,
        chance: random.Random,
        numbers: itertools.count[int],
        longest_s: float,
    ) -> None:
        self._place = place
        self._journals = journals
        self._chance = chance
        self._numbers = numbers
        self._longest_s = longest_s
        self._processes = processes()
        self.calls = 0
        journals.mkdir()

    def round(self, report: Report, tasks: Sequence[Chore | None]) -> None:
        """Let processes work and die, and inspect what is left; a task of ``None`` is to write."""
        numbered = [(next(self._numbers), task) for task in tasks]
        alive = {number: self._started(number, task) for number, task in numbered}
        for number in self._chance.sample([*alive], len(alive)):
            self._kill(number, alive[number], report)
        errors = self._journals / ERRORS
        if errors.exists():
            report.stuck.append(errors.read_text())
        found = self._inspected()
        self.calls = found.calls
        report.add(found)

    def _started(self, number: int, chore: Chore | None) -> BaseProcess:
        work: Any = write_until_killed if chore is None else repeat_until_killed
        what = self._chance.randrange(2**32) if chore is None else chore
        args = (self._place, self._journals, number, what)
        process: BaseProcess = self._processes.Process(target=work, args=args)
        process.start()
        return process

    def _kill(self, number: int, process: BaseProcess, report: Report) -> None:
        moment_s = self._chance.uniform(0, self._longest_s)
        if self._chance.random() >= UNREADY_SHARE and not self._is_ready(number, process):
            report.stuck.append(f"writer {number} did not open the cache in {PATIENCE_S:g} s")
        process.join(moment_s)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            report.kills += 1
        else:
            report.stuck.append(f"process {number} ended by itself, with {process.exitcode}")

    def _is_ready(self, number: int, process: BaseProcess) -> bool:
        """Wait until a writer has the cache open, or ended."""
        journal = self._journals / str(number)
        deadline = time.monotonic() + PATIENCE_S
        while not (journal.exists() and journal.stat().st_size) and process.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _inspected(self) -> Findings:
        """Inspect in a process of its own, which may not take for ever."""
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = self._processes.Process(
            target=_inspect, args=(theirs, self._place, self._journals)
        )
        process.start()
        theirs.close()
        try:
            if ours.poll(PATIENCE_S):
                found: Findings = ours.recv()
                return found
            return Findings(stuck=(f"the next run did not complete in {PATIENCE_S:g} s",))
        except EOFError:
            return Findings(stuck=("the next run failed: see what it printed",))
        finally:
            process.kill()
            process.join()
            ours.close()


def processes() -> Any:
    """Return what starts processes: from one that has all imported, no threads, and no cache open.

    A process takes milliseconds to start so, and most of its life is work.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "fleche_like.index", "sqlalchemy", "alembic"])
    return context


def _inspect(answer: Connection, place: Place, journals: Path) -> None:
    answer.send(inspect(place, journals))
