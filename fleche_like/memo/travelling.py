"""How memoized functions get to other processes.

A function that its module holds under its name travels as that name, like a plain function. One
that the other process could not find so travels as what it is, by cloudpickle: a local function, a
lambda, or one of ``__main__``, the script or notebook that is run, which workers of Dask, Ray or
loky do not have. It takes along the module and the code digest that it has here, since over there
it would be taken for another function: of the worker's module, and with its source out of reach.
So what is stored over there is a hit here. Arguments go with their digests too: an instance of a
class of the script may be one of another class over there.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from xxhash import xxh3_128_digest

from fleche_like.calls import digest_arguments
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest
from fleche_like.memo.carrying import CarriedCache
from fleche_like.memo.code import CodeState, CodeTracker
from fleche_like.support.forks import renew_after_fork

if TYPE_CHECKING:
    from fleche_like.memo.memoized import Memoized

_MOST_KEPT: Final = 64
"""Functions that came from elsewhere and wait for more calls; the least recently used one goes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a function's calls are known by, wherever they are made.

    Args:
        name: its qualified name.
        module: its module.
        code: its code digest.
        manifest: what went into that.
        problem: why its calls cannot be cached, if they cannot.
    """

    name: str
    module: str
    code: Digest | None
    manifest: Any = field(compare=False)
    problem: Indigestible | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a single call is known by: its code, with that of its arguments, and their digests."""

    code: Digest | None
    manifest: Any
    digests: dict[str, Digest]


_sealed: Final[ContextVar[tuple[object, list[Sealed]] | None]] = ContextVar("sealed", default=None)


class _Pinned(CodeTracker):
    """Gives the digests that a function and its calls have where they come from.

    What it captures, and what its arguments are instances of, might not be known here.
    """

    def __init__(self, function: Callable[..., Any], identity: Identity) -> None:
        super().__init__(function, "none", None)
        self._state = CodeState(identity.code, identity.manifest, identity.problem)

    def current(self) -> CodeState:
        return self._state

    def state_for(self, _values: Iterable[Any]) -> CodeState:
        waiting = _waiting_for(self)
        return CodeState(waiting[0].code, waiting[0].manifest) if waiting else self._state

    def digests_of(self, arguments: Mapping[str, Any]) -> dict[str, Digest]:
        """Return the digests that came with the call, once; else those of the arguments."""
        waiting = _waiting_for(self)
        return dict(waiting.pop().digests) if waiting else digest_arguments(arguments)


def _waiting_for(tracker: CodeTracker) -> list[Sealed]:
    found = _sealed.get()
    return found[1] if found is not None and found[0] is tracker else []


def seal(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed | None:
    """Return what a call is known by here, if its function travels as what it is.

    Args:
        function: the memoized function or method.
        args: positional arguments.
        kwargs: keyword arguments.
    """
    engine, memoized = function._engine, getattr(function, "__func__", function)
    if _is_found_elsewhere(memoized) or not engine.keys_are_plain:
        return None
    try:
        request = engine.request((*function._leading, *args), kwargs)
    except TypeError:  # no possible call
        return None
    if request is None:
        return None
    return Sealed(request.state.code, request.state.manifest, request.digests)


@contextlib.contextmanager
def sealed(function: Any, what: Sealed | None) -> Iterator[None]:
    """Let the next call of a function, in this context, be known by what was sealed elsewhere."""
    if what is None:
        yield
        return
    # Only a pinned tracker asks for it; a function that was found by its name is known by itself.
    token = _sealed.set((function._engine.tracker, [what]))
    try:
        yield
    finally:
        _sealed.reset(token)


class _Stack(threading.local):
    """The functions that this thread is packing or unpacking, outermost first."""

    def __init__(self) -> None:
        self.packing: list[Memoized[Any, Any]] = []
        self.unpacking: list[Memoized[Any, Any]] = []


class _Arrivals:
    """The functions that have come to this process, by their bytes."""

    def __init__(self) -> None:
        self._kept: collections.OrderedDict[bytes, Memoized[Any, Any]] = collections.OrderedDict()
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._guard = threading.Lock()

    def get(self, name: bytes) -> Memoized[Any, Any] | None:
        with self._guard:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def keep(self, name: bytes, function: Memoized[Any, Any]) -> None:
        with self._guard:
            self._kept[name] = function
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)


_stack: Final = _Stack()
_arrivals: Final = _Arrivals()


def reduction(function: Memoized[Any, Any]) -> str | tuple[Any, ...]:
    """Return what ``__reduce__`` of a memoized function returns."""
    name = function.__qualname__
    if _is_found_elsewhere(function):
        return name
    for depth, packing in enumerate(_stack.packing):
        if packing is function:  # it refers to itself
            return _unpacking, (depth,)
    try:
        return _arrived, (type(function), os.getpid(), *_packed(function))
    except Exception:
        if _held("__main__", name) is function:
            return name  # forked workers have it, and those that run the script again
        raise


def _is_found_elsewhere(function: Memoized[Any, Any]) -> bool:
    module = function.__module__
    return module != "__main__" and _held(module, function.__qualname__) is function


def _held(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _packed(function: Memoized[Any, Any]) -> tuple[Identity, bytes]:
    import cloudpickle

    options = dict(function._options)
    options["cache"] = CarriedCache(options.get("cache"))
    _stack.packing.append(function)
    try:
        return identity_of(function), cloudpickle.dumps((function.__wrapped__, options), 5)
    finally:
        _stack.packing.pop()


def identity_of(function: Memoized[Any, Any]) -> Identity:
    """Return what a function's calls are known by, as its code is now."""
    engine = function._engine
    state = engine.tracker.current()
    return Identity(engine.name, engine.module, state.code, state.manifest, state.problem)


def _arrived(
    kind: type[Memoized[Any, Any]], origin: int, identity: Identity, packed: bytes
) -> Memoized[Any, Any]:
    here = _held("__main__", identity.name) if origin == os.getpid() else None
    if type(here) is kind and identity_of(here) == identity:
        return here
    if _stack.unpacking:
        return _unpacked(kind, identity, packed)
    name = xxh3_128_digest(packed + pickle.dumps(identity))
    known = _arrivals.get(name)
    if known is None:
        known = _unpacked(kind, identity, packed)
        _arrivals.keep(name, known)
    return known


def _unpacked(
    kind: type[Memoized[Any, Any]], identity: Identity, packed: bytes
) -> Memoized[Any, Any]:
    function = kind.__new__(kind)
    _stack.unpacking.append(function)
    try:
        plain, options = pickle.loads(packed)
    finally:
        _stack.unpacking.pop()
    options["cache"] = options["cache"].cache
    function.__init__(plain, **options)  # type: ignore[misc]
    function._pin(identity.module, _Pinned(plain, identity))
    return function


def _unpacking(depth: int) -> Memoized[Any, Any]:
    return _stack.unpacking[depth]


class Traveller:
    """A function that many calls of one batch share: packed once for all of them.

    Args:
        function: the memoized function, or a method.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self._reduction: tuple[Any, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reduction is None:
            found = self.function.__reduce__()
            self._reduction = (_itself, (self.function,)) if isinstance(found, str) else found
        return self._reduction


def _itself(function: Any) -> Any:
    return function
