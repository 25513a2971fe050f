"""Recomputing a sample of hits, to bring impure functions and missed dependencies to light."""

from __future__ import annotations

import copy
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from fleche_like.cache import is_immutable
from fleche_like.errors import AuditWarning, ConfigError
from fleche_like.hashing import Digest, value_digest
from fleche_like.memo.stats import MemoStats
from fleche_like.memo.warning import warn

logger = logging.getLogger(__name__)

_MOST_KEPT: Final = 16
_SHORT: Final = 8


@dataclass(frozen=True)
class Audit:
    """How many hits to recompute.

    Args:
        rate: the share of hits, from 0 to 1.
        seed: makes the choice of hits repeatable; at random if left out.

    Raises:
        ConfigError: the rate is no share.
    """

    rate: float
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ConfigError(f"audit={self.rate!r} is no share of hits from 0 to 1")


AuditOption: TypeAlias = float | Audit


@dataclass(frozen=True)
class Mismatch:
    """A hit that differs from what the function returns now.

    Args:
        key: of the call.
        stored: digest of what is stored.
        computed: digest of what the function returned; ``None`` if it raised.
        raised: what it raised, in short.
    """

    key: Digest
    stored: Digest
    computed: Digest | None
    raised: str = ""

    def to_dict(self) -> dict[str, str | None]:
        """Return this as a dict that JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        now = f"raises {self.raised}" if self.computed is None else self.computed[:_SHORT]
        return f"{self.key[:_SHORT]} is stored as {self.stored[:_SHORT]}, computed again: {now}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit that is to be recomputed.

    Args:
        key: of the call.
        result: digest of what is stored.
        args: positional arguments, copied.
        kwargs: keyword arguments, copied.
    """

    key: Digest
    result: Digest
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of computing a hit again: the digest of a result, or what was raised."""

    digest: Digest | None = None
    raised: str = ""


_due: ContextVar[list[Hit] | None] = ContextVar("fleche_like_audits", default=None)


class Auditor:
    """Chooses hits of one function, recomputes and compares them. The answer is never changed.

    Args:
        name: of the function.
        option: how many.
        stats: where audits and mismatches are counted.

    Attributes: ``mismatches``, the latest few.

    Thread-safe: a count may be lost to a race, an audit is not.
    """

    def __init__(self, name: str, option: AuditOption, stats: MemoStats) -> None:
        audit = option if isinstance(option, Audit) else Audit(option)
        self._name = name
        self._rate = audit.rate
        self._random = random.Random(audit.seed)
        self._stats = stats
        self._warned = False
        self.mismatches: deque[Mismatch] = deque(maxlen=_MOST_KEPT)

    def hit(
        self, key: Digest, result: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Take note of a hit, and now and then of what is needed to recompute it."""
        due = _due.get()
        if due is None or self._random.random() >= self._rate:
            return
        try:
            due.append(Hit(key, value_digest(result), *_copied(args, kwargs)))
        except Exception:
            # Without a copy the body could change what belongs to the caller.
            logger.debug("a hit of %s cannot be audited", self._name, exc_info=True)

    def watch(self, call: Callable[[], Any], body: Callable[..., Any]) -> Any:
        """Return what a call gives, after the hits in it that were chosen were recomputed."""
        due: list[Hit] = []
        token = _due.set(due)
        try:
            answer = call()
        finally:
            _due.reset(token)
        for hit in due:
            self._compare(hit, _outcome(body, hit))
        return answer

    async def watch_on_loop(
        self, call: Callable[[], Awaitable[Any]], body: Callable[..., Awaitable[Any]]
    ) -> Any:
        """Do what :meth:`watch` does for a coroutine function."""
        due: list[Hit] = []
        token = _due.set(due)
        try:
            answer = await call()
        finally:
            _due.reset(token)
        for hit in due:
            try:
                outcome = Outcome(digest=value_digest(await body(*hit.args, **hit.kwargs)))
            except Exception as error:  # noqa: BLE001  what is found out here is told, not raised
                outcome = Outcome(raised=f"{type(error).__name__}: {error}")
            self._compare(hit, outcome)
        return answer

    def _compare(self, hit: Hit, outcome: Outcome) -> None:
        self._stats.audited += 1
        if outcome.digest != hit.result:
            self._report(Mismatch(hit.key, hit.result, outcome.digest, outcome.raised))

    def _report(self, mismatch: Mismatch) -> None:
        self._stats.mismatches += 1
        self.mismatches.append(mismatch)
        logger.info("audit of %s: %s", self._name, mismatch)
        if not self._warned:
            self._warned = True
            warn(
                f"{self._name} did not return what is stored for the same call ({mismatch}): it "
                "is not deterministic, or depends on what its key does not have; .explain() of "
                "that call shows what the key has",
                AuditWarning,
            )


def _outcome(body: Callable[..., Any], hit: Hit) -> Outcome:
    try:
        return Outcome(digest=value_digest(body(*hit.args, **hit.kwargs)))
    except Exception as error:  # noqa: BLE001  what is found out here is told, not raised
        return Outcome(raised=f"{type(error).__name__}: {error}")


def _copied(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    values = (*args, *kwargs.values())
    if all(is_immutable(value) for value in values):
        return args, dict(kwargs)
    copied: tuple[tuple[Any, ...], dict[str, Any]] = copy.deepcopy((args, dict(kwargs)))
    return copied
