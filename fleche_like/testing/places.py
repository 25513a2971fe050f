"""What the suites of backends and of storages share: names, views, processes, state machines."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import warnings
from array import array
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_T = TypeVar("_T")

INVALID_KEYS = (
    "..",
    "../x",
    "a/../b",
    "a/..",
    "/etc/passwd",
    "//host/share",
    "a\0b",
    "\0",
    "a\\b",
    "..\\x",
    "C:/x",
    "c:x",
    ".~fl-x",
    "a/.~fl-1/b",
    "x" * 256,
    "/".join(["x" * 200] * 5),
    "\ud800",
)

ODD_KEYS = (
    "with space/and more",
    " leading",
    "trailing ",
    "#?%&=+;,@!$'\"()[]{}~^`|<>*",
    "%2e%2e/%2F",
    "...",
    "..x/.hidden/x..",
    "-rf",
    "ab:c",
    "grüße/日本語/🎉",
    "tab\tand\nnewline",
    "_%",
    "x" * 255,
)


#: Memory whose length is not its size, that has rows, or gaps.
VIEWS = (
    memoryview(array("d", range(5))),
    memoryview(bytes(range(12))).cast("B", (3, 4)),
    memoryview(bytes(range(20)))[::3],
    memoryview(array("d")),
)


class PlaceConformance:
    """The ground of both suites; attributes say what a place can do."""

    #: A copy made by pickling speaks to the same place, from this process or another.
    outlives_process: ClassVar[bool] = True
    #: How many examples the state machine tries; fewer where each step is a request.
    machine_examples: ClassVar[int] = 40
    #: Names among ``ODD_KEYS`` that the place itself cannot keep.
    impossible_names: ClassVar[frozenset[str]] = frozenset()

    def make(self, folder: Path) -> Any:
        """Return what is to be tested, new and empty; it may keep files in ``folder``."""
        raise AssertionError(f"{type(self).__name__} must make what it tests in {folder}")

    def run_machine(self, machine: Callable[[Any], RuleBasedStateMachine], *, steps: int) -> None:
        """Do anything to new places, in any order."""
        with tempfile.TemporaryDirectory() as folder:
            numbers = iter(range(10**9))

            def made() -> RuleBasedStateMachine:
                place = Path(folder, str(next(numbers)))
                place.mkdir()
                return machine(self.make(place))

            run_state_machine_as_test(
                made,  # type: ignore[arg-type]  # takes whatever makes one
                settings=settings(
                    max_examples=self.machine_examples,
                    stateful_step_count=steps,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )


def started(work: Callable[[_T, int], None], place: _T, count: int) -> Sequence[BaseProcess]:
    """Start processes that do work on one place, each with its number."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(place, number)) for number in range(count)]
    for worker in workers:
        worker.start()
    return workers


def all_succeeded(workers: Sequence[BaseProcess]) -> bool:
    """Wait for processes; return whether none of them failed."""
    for worker in workers:
        worker.join()
    return all(worker.exitcode == 0 for worker in workers)


def fork() -> int:
    """Fork, of however many threads the test runner has."""
    with warnings.catch_warnings():
        # Newer Pythons warn that the other threads of a test runner are not in the child.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
