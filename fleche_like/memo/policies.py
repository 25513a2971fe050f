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

_FOREVER: Final = float("inf")


@dataclass(frozen=True)
class Policies:
    """The options that were given, checked.

    Args:
        strict: raise what would be warned about.
        single_flight: run one body per key at a time.
        expire_s: age in seconds from which a result is a miss; infinite if none is.
        cache_if: whether a result is to be stored.
        exceptions: types to cache and from which age each is a miss.
        arguments: which argument values are stored.
        isolate: run the body in a working directory of its own.
        mmap: how large arrays are read.
    """

    strict: bool = False
    single_flight: bool = True
    expire_s: float = _FOREVER
    cache_if: Callable[[Any], object] | None = None
    exceptions: tuple[tuple[type[Exception], float], ...] = ()
    arguments: ArgumentsKept = "auto"
    isolate: bool = False
    mmap: MappingOption = None

    @property
    def expires(self) -> bool:
        """Whether anything ever does."""
        return min([self.expire_s, *(age for _, age in self.exceptions)]) < _FOREVER

    @property
    def hits_are_plain(self) -> bool:
        """Whether a stored result answers a call as it is, whatever its age."""
        return self.mmap is None and not self.exceptions and not self.expires

    def expire_s_of(self, error: BaseException) -> float | None:
        """Return the age from which a cached exception is a miss; ``None`` if none is wanted."""
        ages = (age_s for kind, age_s in self.exceptions if isinstance(error, kind))
        return next(ages, None)


def policies(
    *,
    strict: bool = False,
    single_flight: bool = True,
    expire: Duration | None = None,
    cache_if: Callable[[Any], object] | None = None,
    exceptions: ExceptionsOption = (),
    arguments: ArgumentsKept = "auto",
    isolate: bool = False,
    mmap: MappingOption = None,
) -> Policies:
    """Return the policies of these options.

    Raises:
        ConfigError: an option makes no sense.
    """
    if arguments not in get_args(ArgumentsKept):
        raise _nonsense("arguments", f"{arguments!r} is none of {get_args(ArgumentsKept)}")
    if mmap not in {None, True, False, "verify"}:
        raise _nonsense("mmap", f"{mmap!r} is none of True, False, 'verify'")
    if cache_if is not None and not callable(cache_if):
        raise _nonsense("cache_if", f"{cache_if!r} is not callable")
    expire_s = _seconds(expire, _FOREVER)
    kinds = _kinds(exceptions, expire_s)
    return Policies(strict, single_flight, expire_s, cache_if, kinds, arguments, isolate, mmap)


def _seconds(duration: Duration | None, default: float) -> float:
    if duration is None:
        return default
    if isinstance(duration, bool) or not isinstance(duration, int | float | timedelta):
        raise _nonsense("expire", f"{duration!r} is neither seconds nor a timedelta")
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not seconds >= 0:
        raise _nonsense("expire", f"{duration!r} is no time to live")
    return seconds


def _kinds(
    exceptions: ExceptionsOption, expire_s: float
) -> tuple[tuple[type[Exception], float], ...]:
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
    return tuple((kind, _seconds(duration, expire_s)) for kind, duration in ordered)


def _nonsense(option: str, why: str) -> ConfigError:
    return ConfigError(f"{option}: {why}", source=option)
