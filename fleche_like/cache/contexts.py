"""Operation contexts of caches that are composed of others, in one order for everybody.

Two compositions may hold the same caches in different orders, in this process or another. So the
contexts of single caches are entered in an order of the caches themselves: by their URL, which
all processes agree on, then by age. A composition with a lock of its own (a mixin) is entered
before any single cache, the outermost first.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from fleche_like.hashing import Digest
from fleche_like.storage import Intent, OperationContext


class _Entering(threading.local):
    """Whether this thread enters the locks of compositions alone at the moment."""

    alone = False


_entering: Final = _Entering()
_NOTHING: Final[AbstractContextManager[Any]] = contextlib.nullcontext()


class Node(Protocol):
    """A cache, as far as its place in the order goes."""

    url: str
    serial: int

    def _operation_context(
        self, key: Digest | str, *, intent: Intent = ...
    ) -> AbstractContextManager[Any]: ...

    def _operation_contexts(
        self, keys: Sequence[Digest | str], *, intent: Intent = ...
    ) -> AbstractContextManager[Any]: ...


def wraps(owner: OperationContext, base: type[OperationContext] = OperationContext) -> bool:
    """Return whether a storage or cache does anything in its context that ``base`` does not."""
    return type(owner)._operation_context is not base._operation_context


class Contexts:
    """What the context of a composition consists of.

    Args:
        leaves: the single caches below it.
        inner: the compositions below it that have locks of their own, inner ones last.
    """

    def __init__(self, leaves: Sequence[Any], inner: Sequence[Any]) -> None:
        distinct = {id(leaf): leaf for leaf in leaves if wraps(leaf)}.values()
        self._leaves = sorted(distinct, key=_place)
        self._inner = list({id(each): each for each in inner}.values())
        self.needed = bool(self._leaves or self._inner)

    def of(self, key: Digest | str, intent: Intent) -> AbstractContextManager[Any]:
        """Return the context of one key."""
        if _entering.alone or not self.needed:
            return _NOTHING
        return self._held([key], intent)

    def of_many(self, keys: Sequence[Digest | str], intent: Intent) -> AbstractContextManager[Any]:
        """Return the context of several keys: all that one cache wants, before the next one."""
        if _entering.alone or not self.needed:
            return _NOTHING
        return self._held(keys, intent)

    @contextlib.contextmanager
    def _held(self, keys: Sequence[Digest | str], intent: Intent) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            for composition in self._inner:
                with alone():
                    held.enter_context(_context(composition, keys, intent))
            for leaf in self._leaves:
                held.enter_context(_context(leaf, keys, intent))
            yield


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let compositions enter their own locks and not those of their caches."""
    before, _entering.alone = _entering.alone, True
    try:
        yield
    finally:
        _entering.alone = before


def _context(
    node: Node, keys: Sequence[Digest | str], intent: Intent
) -> AbstractContextManager[Any]:
    if len(keys) == 1:
        return node._operation_context(keys[0], intent=intent)
    return node._operation_contexts(keys, intent=intent)


def _place(node: Node) -> tuple[str, int]:
    return node.url, node.serial
