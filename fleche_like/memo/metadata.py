"""What is recorded of a call beside its arguments and result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable


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
        wall, cpu = time.perf_counter(), time.thread_time()

        def finish() -> Mapping[str, Any]:
            walltime, cputime = time.perf_counter() - wall, time.thread_time() - cpu
            return {"started": started, "walltime": walltime, "cputime": cputime}

        return finish


MetadataOption: TypeAlias = (
    Mapping[str, Any] | MetadataSource | Sequence[MetadataSource] | bool | None
)


class Observer:
    """All that is recorded of one function's calls.

    Args:
        option: ``None`` or ``True``: runtime alone; ``False``: nothing; a mapping: fixed entries
            beside runtime; a source, or several: those beside runtime.
    """

    def __init__(self, option: MetadataOption = None) -> None:
        self._fixed: Mapping[str, Any] = dict(option) if isinstance(option, Mapping) else {}
        self._sources: tuple[MetadataSource, ...] = ()
        if option is not False:
            self._sources = (RuntimeMetadata(), *_sources_in(option))

    def start(self) -> Callable[[], dict[str, Any]]:
        """Begin to observe one call; the function returned ends it and gives the metadata."""
        running = [(source.name, source.start()) for source in self._sources]

        def finish() -> dict[str, Any]:
            # In reverse, so that what was started last, closest to the body, is stopped first.
            observed = {name: stop() for name, stop in reversed(running)}
            return {**observed, **self._fixed}

        return finish


def _sources_in(option: MetadataOption) -> tuple[MetadataSource, ...]:
    if option is None or isinstance(option, bool | Mapping):
        return ()
    sources = (option,) if isinstance(option, MetadataSource) else tuple(option)
    for source in sources:
        if not isinstance(source, MetadataSource):
            raise TypeError(f"{source!r} has no name and start(): it is no source of metadata")
    return sources
