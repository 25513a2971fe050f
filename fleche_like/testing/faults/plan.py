"""When something goes wrong: at the n-th operation, at operations of a kind, or by chance."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from fleche_like.testing.faults.effects import Effect, Site

T = TypeVar("T")

REMEMBERED: Final = 10_000
"""Operations that a plan remembers, the latest ones."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Args:
        effect: what: :class:`Fails`, :class:`Torn`, :class:`Delayed`, :class:`Dies`, or any
            callable like them.
        at: the first time at the n-th operation that matches, counted from 1.
        times: at so many matching operations, that one included; ``None``: from there on.
        operations: names of operations that match (``put_bytes``, ``save``, ``COMMIT``); all, if
            there are none.
        keys: a pattern of the keys or statements that match: ``*``, ``?`` and ``[…]`` as in names
            of files, case included.
        after: strike when the operation is done: what it did stays, but its caller does not know.
        chance: how likely it strikes, where it could.
    """

    effect: Effect
    at: int = 1
    times: int | None = 1
    operations: Collection[str] = ()
    keys: str = "*"
    after: bool = False
    chance: float = 1.0

    def matches(self, site: Site) -> bool:
        """Whether an operation is one of those that count."""
        if self.operations and site.name not in self.operations:
            return False
        return fnmatchcase(site.key, self.keys)

    def is_due(self, number: int) -> bool:
        """Whether it may strike at the so-many-th operation that matches."""
        return number >= self.at and (self.times is None or number < self.at + self.times)


class Faults:
    """A plan of faults, and a count of the operations that passed through it.

    Args:
        *faults: what goes wrong; none: operations are counted only.
        seed: of the chances. The same plan strikes the same operations of one thread again.

    Attributes:
        count: how many operations there were.
        struck: how many times a fault struck.
        seen: name and key of the latest operations, the oldest first.

    Thread-safe. Pickles as the plan: a copy begins to count anew.

    >>> from fleche_like.backends import MemoryBackend
    >>> from fleche_like.testing.faults import Fails, Fault, Faults, FaultyBackend
    >>> faults = Faults(Fault(Fails("no room"), at=2, operations={"put_bytes"}))
    >>> backend = FaultyBackend(MemoryBackend(), faults)
    >>> backend.put_bytes("a", b"1")
    >>> backend.put_bytes("b", b"2")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device: 'b'
    >>> list(backend.list_prefix("")), faults.count, faults.struck
    (['a'], 3, 1)
    """

    def __init__(self, *faults: Fault, seed: int = 0) -> None:
        self.seed = seed
        self.plan(*faults)

    def plan(self, *faults: Fault) -> None:
        """Go on with another plan, and count anew."""
        self.faults = faults
        self.stopped = False
        self.count = 0
        self.struck = 0
        self.seen: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self._numbers = [0] * len(self.faults)
        self._random = random.Random(self.seed)
        self._guard = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _planned, (self.faults, self.seed)

    def __repr__(self) -> str:
        shown = [*map(repr, self.faults), f"seed={self.seed}"]
        return f"{type(self).__name__}({', '.join(shown)})"

    def stop(self) -> None:
        """Let nothing go wrong from here on, and count nothing."""
        self.stopped = True

    def run(self, site: Site, action: Callable[[], T]) -> T | None:
        """Do an operation, as the plan has it.

        Args:
            site: the operation.
            action: does it.

        Returns:
            What the action returned; ``None`` if an effect did the operation in its own way.

        Raises:
            BaseException: what the action or an effect raises.
        """
        due = self._due(site)
        if not all(fault.effect(site) for fault in due if not fault.after):
            return None
        done = action()
        try:
            for fault in due:
                if fault.after:
                    fault.effect(site)
        except BaseException:
            _let_go(done)
            raise
        return done

    def _due(self, site: Site) -> Sequence[Fault]:
        if self.stopped:
            return ()
        with self._guard:
            self.count += 1
            self.seen.append((site.name, site.key))
            due = [fault for place, fault in enumerate(self.faults) if self._strikes(place, site)]
            self.struck += len(due)
            return due

    def _strikes(self, place: int, site: Site) -> bool:
        fault = self.faults[place]
        if not fault.matches(site):
            return False
        self._numbers[place] += 1
        return fault.is_due(self._numbers[place]) and self._random.random() < fault.chance


def _let_go(done: Any) -> None:
    """Close what an operation opened and nobody will get."""
    close = getattr(done, "close", None)
    if close is not None:
        close()


def _planned(faults: Sequence[Fault], seed: int) -> Faults:
    return Faults(*faults, seed=seed)
