"""Memoized functions of which a sample of hits is recomputed."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar, cast

from fleche_like.memo.memoized import AsyncMemoized, Memoized

P = ParamSpec("P")
R = TypeVar("R")


class AuditedMemoized(Memoized[P, R]):
    """A memoized function whose hits are audited, at the cost of its fastest path."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = super().__call__
        auditor, body = self._engine.auditor, self._engine.plain_body
        assert auditor is not None
        return cast("R", auditor.watch(lambda: call(*args, **kwargs), body))


class AuditedAsyncMemoized(AsyncMemoized[P, R]):
    """A memoized coroutine function whose hits are audited."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call: Any = super().__call__
        auditor, body = self._engine.auditor, self._engine.plain_body
        assert auditor is not None
        return cast("R", auditor.watch_on_loop(lambda: call(*args, **kwargs), body))
