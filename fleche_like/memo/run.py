"""One run of a body, and what is stored of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleche_like.cache import Cache
from fleche_like.calls import PreparedCall
from fleche_like.hashing import Digest
from fleche_like.memo.files import Seen
from fleche_like.memo.flight import End
from fleche_like.memo.metadata import walltime_of
from fleche_like.memo.raised import raised

if TYPE_CHECKING:
    from fleche_like.memo.engine import Engine


class Run:
    """One run of the body, and what is to be stored of it; nothing without a prepared call.

    Whatever goes wrong in storing costs the storing alone, unless the function is ``strict``.

    Args:
        engine: whose body it is.
        cache: where to store.
        prepared: the call, sealed.
        manifest: the parts of its code digest.
        files: the input files that its key was made of.

    Attributes:
        ended: what those who wait for it can expect.
    """

    def __init__(
        self,
        engine: Engine,
        cache: Cache | None = None,
        prepared: PreparedCall | None = None,
        manifest: Mapping[str, Digest] | None = None,
        files: Sequence[Seen] = (),
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._prepared = prepared
        self._manifest = manifest
        self._files = files
        self.ended = End.FAILED

    def start(self) -> None:
        """Note that the body begins."""
        self._observed = self._engine.observe() if self._prepared is not None else dict

    def finish(self, result: Any) -> None:
        """Store what the body returned, if it is to be stored."""
        self.ended = End.UNCACHED
        metadata = self._observed()
        if self._prepared is None or not self._is_wanted(result):
            self._engine.stats.uncached += 1
            self._log("uncached")
        elif self._store(result, metadata):
            self._engine.stats.ran(metadata)

    def fail(self, error: BaseException) -> None:
        """Take note of what the body raised, and store it if that is a result by policy."""
        engine = self._engine
        engine.stats.failures += 1
        self._log("raised", error=error)
        if self._prepared is None or engine.policies.expire_s_of(error) is None:
            return
        metadata = self._observed()
        try:
            mark = raised(error)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            engine.give_up(problem)
            return
        self._store(mark, {**metadata, "raised": mark.kind})

    def _log(self, event: str, **fields: Any) -> None:
        key = None if self._prepared is None else self._prepared.key
        self._engine.log(event, key, **fields)

    def _is_wanted(self, result: Any) -> bool:
        if not all(file.is_current() for file in self._files):
            return False
        wanted = self._engine.policies.cache_if
        try:
            return wanted is None or bool(wanted(result))
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self._engine.give_up(problem)
            return False

    def _store(self, result: Any, metadata: Mapping[str, Any]) -> bool:
        assert self._cache is not None
        assert self._prepared is not None
        try:
            self._cache.commit(self._prepared, result, metadata, self._manifest)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self._engine.stats.uncached += 1
            self._engine.give_up(problem)
            return False
        self.ended = End.STORED
        self._log("stored", seconds=walltime_of(metadata))
        return True
