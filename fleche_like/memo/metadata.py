"""What is recorded of a call beside its arguments and result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

Problem: TypeAlias = Callable[[Exception], object]


@runtime_checkable
class MetadataSource(Protocol):
    """Something that observes a call.

    Attributes:
        name: where its observations go in the call's metadata.
    """

    name: str

    def start(self) -> Callable[[], Mapping[str, Any]]:
        """Begin to observe, just before the body runs.

        Returns:
            A function that is called right after the body returned, and gives the observations:
            JSON-able values by name.
        """
        ...


class RuntimeMetadata:
    """When the body started (UTC) and how long it took: ``started``, ``walltime``, ``cputime``.

    Times are in seconds; ``cputime`` is that of the calling thread.
    """

    name = "runtime"

    def start(self) -> Callable[[], Mapping[str, Any]]:
        """Note the clocks: see :class:`MetadataSource`."""
        started = datetime.now(UTC)
        # Whole nanoseconds: differences of floats take twice the digits, in every record.
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()

        def finish() -> Mapping[str, Any]:
            walltime, cputime = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
            return {"started": started, "walltime": walltime / 1e9, "cputime": cputime / 1e9}

        return finish


class Tags:
    """Labels and values of one's own, under ``tags``.

    Args:
        *labels: each is recorded as ``True``: ``meta("tags.paper") == True`` finds it.
        **values: JSON-able values by name.

    >>> Tags("paper", run=7).start()()
    {'paper': True, 'run': 7}
    """

    name = "tags"

    def __init__(self, *labels: str, **values: Any) -> None:
        self._tags = {**dict.fromkeys(labels, True), **values}

    def start(self) -> Callable[[], Mapping[str, Any]]:
        """Observe nothing: see :class:`MetadataSource`."""
        return lambda: self._tags


Observations: TypeAlias = MetadataSource | Mapping[str, Any]
"""A source, or fixed entries."""


class Only:
    """Sources that replace what is recorded by default; see :func:`only`."""

    def __init__(self, observations: tuple[Observations, ...]) -> None:
        self.observations = observations


def only(*observations: Observations) -> Only:
    """Return a choice of metadata for ``@memoize(metadata=...)`` that leaves the default out.

    >>> import fleche_like as fl
    >>> @fl.memoize(cache=fl.open_cache("memory://"), metadata=only({"project": "pricing"}))
    ... def f(x): return x
    >>> f(1), f.query().one().metadata
    (1, {'project': 'pricing'})
    """
    return Only(observations)


MetadataOption: TypeAlias = Observations | Iterable[Observations] | Only | bool | None

_in_context: Final[ContextVar[tuple[Observations, ...]]] = ContextVar(
    "fleche_like_metadata", default=()
)


@contextlib.contextmanager
def use_metadata(*observations: Observations) -> Generator[None]:
    """Record more of the calls whose bodies run inside the ``with`` block, in this context only.

    Args:
        *observations: sources or fixed entries; beside what each function records by itself,
            unless that is nothing (``metadata=False``).

    Raises:
        TypeError: one is neither.
    """
    token = _in_context.set((*_in_context.get(), *map(_checked, observations)))
    try:
        yield
    finally:
        _in_context.reset(token)


class Observer:
    """All that is recorded of one function's calls.

    Args:
        option: ``None`` or ``True``: runtime alone; ``False``: nothing; a mapping: fixed entries
            beside runtime; a source, or several of either: those beside runtime; :func:`only`:
            those and not runtime.
        timed: runtime in any case, because results expire.

    Raises:
        TypeError: the option is none of these.
    """

    def __init__(self, option: MetadataOption = None, *, timed: bool = False) -> None:
        self._is_off = option is False
        self._observations = _observations_in(option)
        if timed and not any(isinstance(each, RuntimeMetadata) for each in self._observations):
            self._observations = (RuntimeMetadata(), *self._observations)

    def start(self, report: Problem) -> Callable[[], dict[str, Any]]:
        """Begin to observe one call; the function returned ends it and gives the metadata.

        Args:
            report: told of each source that fails; the others go on.
        """
        observations = self._observations
        if not self._is_off:
            observations += _in_context.get()
        running = [_started(each, report) for each in observations]

        def finish() -> dict[str, Any]:
            # In reverse, so that what was started last, closest to the body, is stopped first.
            entries = [_finished(name, stop, report) for name, stop in reversed(running)]
            return {name: found for each in reversed(entries) for name, found in each.items()}

        return finish


Running: TypeAlias = tuple[str | None, Callable[[], Mapping[str, Any]]]
"""A source's name, or none for fixed entries; and what stops it."""


def _started(observation: Observations, report: Problem) -> Running:
    if isinstance(observation, Mapping):
        return None, lambda: observation
    try:
        return observation.name, observation.start()
    except Exception as problem:  # noqa: BLE001  foreign code; it costs the metadata only
        report(problem)
        return None, dict


def _finished(
    name: str | None, stop: Callable[[], Mapping[str, Any]], report: Problem
) -> Mapping[str, Any]:
    try:
        found = stop()
    except Exception as problem:  # noqa: BLE001  foreign code; it costs the metadata only
        report(problem)
        return {}
    return found if name is None else {name: found}


def _observations_in(option: MetadataOption) -> tuple[Observations, ...]:
    if option is False:
        return ()
    if isinstance(option, Only):
        return tuple(map(_checked, option.observations))
    if option is None or option is True:
        return (RuntimeMetadata(),)
    several = (option,) if isinstance(option, Mapping | MetadataSource) else tuple(option)
    return (RuntimeMetadata(), *map(_checked, several))


def _checked(observation: Any) -> Observations:
    if isinstance(observation, Mapping):
        return dict(observation)
    if not isinstance(observation, MetadataSource):
        raise TypeError(f"{observation!r} has no name and start(): it is no source of metadata")
    return observation


def walltime_of(metadata: Mapping[str, Any]) -> float | None:
    """Return how long a body took, in seconds, if its call's metadata says so."""
    runtime = metadata.get("runtime")
    walltime = runtime.get("walltime") if isinstance(runtime, Mapping) else None
    return walltime if type(walltime) is float else None
