"""What the options of ``@memoize`` say about running and keeping calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from fleche_like.cache import ArgumentsKept
from fleche_like.errors import ConfigError

Duration: TypeAlias = float | timedelta
"""Seconds, or a ``timedelta``."""

ExceptionsOption: TypeAlias = (
    type[Exception] | Iterable[type[Exception]] | Mapping[type[Exception], Duration | None]
)
"""Types of exceptions to cache; as a mapping, each with how long, ``None`` for as results."""

MappingOption: TypeAlias = bool | Literal["verify"] | None
"""Whether large arrays are mapped; ``None`` leaves it to the cache."""

FOREVER: Final = float("inf")


@dataclass(frozen=True)
class Policies:
    """The options that were given.

    Args:
        strict: raise what would be warned about.
        single_flight: run one body per key at a time.
        expire_s: age in seconds from which a result is a miss; infinite if none is.
        cache_if: whether a result is to be stored.
        exceptions: types to cache and from which age each is a miss.
        arguments: which argument values are stored.
        isolate: run the body in a working directory of its own.
        mmap: how large arrays are read.

    Raises:
        ConfigError: an option makes no sense.
    """

    strict: bool
    single_flight: bool
    expire_s: float
    cache_if: Callable[[Any], object] | None
    exceptions: tuple[tuple[type[Exception], float], ...]
    arguments: ArgumentsKept
    isolate: bool
    mmap: MappingOption

    def __post_init__(self) -> None:
        if self.arguments not in get_args(ArgumentsKept):
            raise _nonsense("arguments", f"{self.arguments!r} is none of {get_args(ArgumentsKept)}")
        if self.mmap not in {None, True, False, "verify"}:
            raise _nonsense("mmap", f"{self.mmap!r} is none of True, False, 'verify'")
        if self.cache_if is not None and not callable(self.cache_if):
            raise _nonsense("cache_if", f"{self.cache_if!r} is not callable")

    @property
    def expires(self) -> bool:
        """Whether anything ever does."""
        return min([self.expire_s, *(age for _, age in self.exceptions)]) < FOREVER

    @property
    def hits_are_plain(self) -> bool:
        """Whether a stored result answers a call as it is, whatever its age."""
        return self.mmap is None and not self.exceptions and not self.expires

    def expire_s_of(self, error: BaseException) -> float | None:
        """Return the age from which a cached exception is a miss; ``None`` if none is wanted."""
        ages = (age_s for kind, age_s in self.exceptions if isinstance(error, kind))
        return next(ages, None)


def time_to_live(duration: Duration | None, default: float = FOREVER) -> float:
    """Return how long something is good for, in seconds.

    Raises:
        ConfigError: it is no duration.
    """
    if duration is None:
        return default
    if isinstance(duration, bool) or not isinstance(duration, int | float | timedelta):
        raise _nonsense("expire", f"{duration!r} is neither seconds nor a timedelta")
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not seconds >= 0:
        raise _nonsense("expire", f"{duration!r} is no time to live")
    return seconds


def kinds_to_cache(
    exceptions: ExceptionsOption, expire: Duration | None
) -> tuple[tuple[type[Exception], float], ...]:
    """Return types of exceptions, each with the seconds it is good for; the first that fits counts.

    Args:
        exceptions: as given to ``@memoize``.
        expire: how long those are good for that come without a time of their own.

    Raises:
        ConfigError: among them is something else than a type of exceptions, or than a duration.
    """
    default = time_to_live(expire)
    if isinstance(exceptions, type):
        exceptions = (exceptions,)
    if not isinstance(exceptions, Iterable):
        raise _nonsense("exceptions", f"{exceptions!r} names no types")
    if not isinstance(exceptions, Mapping):
        exceptions = dict.fromkeys(exceptions)
    for kind in exceptions:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise _nonsense("exceptions", f"{kind!r} is no subclass of Exception")
    # The nearest class says how long: a subclass goes before the classes that it derives from.
    ordered = sorted(exceptions.items(), key=lambda item: -len(item[0].__mro__))
    return tuple((kind, time_to_live(duration, default)) for kind, duration in ordered)


def _nonsense(option: str, why: str) -> ConfigError:
    return ConfigError(f"{option}: {why}", source=option)
