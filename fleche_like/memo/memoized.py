"""The memoized function: what callers call, and the tools that hang on it."""

from __future__ import annotations

import functools
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import (
    Any,
    Concatenate,
    Final,
    Generic,
    Literal,
    Never,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from fleche_like.calls import Call
from fleche_like.hashing import Digest, digest
from fleche_like.memo.answering import answer, answer_on_loop, run
from fleche_like.memo.binding import BoundCall
from fleche_like.memo.carrying import CarriedCache, carried_for
from fleche_like.memo.engine import Engine
from fleche_like.memo.explain import Explanation, explain
from fleche_like.memo.mapping import LoopRun, MapOptions, ThreadRun
from fleche_like.memo.raised import Raised
from fleche_like.memo.run import Run
from fleche_like.memo.stats import MemoStats
from fleche_like.memo.travelling import reduction
from fleche_like.query import Query
from fleche_like.support.sentinel import MISSING

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
T = TypeVar("T")
V = TypeVar("V")


class Calls(Protocol[P, R_co]):
    """What can be called so: how checkers see the function whose tool is used."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Make the call."""
        ...


class CallTools(Generic[P, R]):
    """What can be asked about the calls of a memoized function or method.

    Every method takes the arguments of the call that it is about, spelt in any way.
    """

    _engine: Engine
    _leading: tuple[Any, ...] = ()
    _run: type[ThreadRun | LoopRun] = ThreadRun
    _default_chunk: int = 1000

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return the call that these arguments make, without running it.

        Raises:
            TypeError: the function cannot be called so.
        """
        return self._engine.call((*self._leading, *args), kwargs)

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> Digest:
        """Return the key of the call that these arguments make.

        Raises:
            TypeError: the function cannot be called so.
            Indigestible: an argument, or what the function captures, has no stable identity.
        """
        return self._engine.call((*self._leading, *args), kwargs).key

    def contains(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Return whether the call with these arguments is stored, and has not expired.

        Raises:
            TypeError, Indigestible: see :meth:`key`.
        """
        return self._engine.contains((*self._leading, *args), kwargs)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call."""
        return cast("R", answer(self._engine, (*self._leading, *args), kwargs))

    @overload
    def load(self: Calls[P, Coroutine[Any, Any, V]], /, *args: P.args, **kwargs: P.kwargs) -> V: ...
    @overload
    def load(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def load(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the stored result for these arguments, and never run the function.

        Raises:
            NotCached: (a KeyError) there is none, or it has expired.
            Exception: the one that is stored, by ``exceptions=``.
            TypeError, Indigestible: see :meth:`key`.
        """
        return self._engine.load((*self._leading, *args), kwargs)

    def query(self, /, *args: Any, **kwargs: Any) -> Query:
        """Return the stored calls of the current code and version, as a lazy, chainable query.

        Args:
            *args: arguments that calls must have; those left out may be anything, and so may
                those that are ``None``.
            **kwargs: likewise, by name.

        ``query().all_versions()`` widens to other code and versions.
        """
        return self._engine.query((*self._leading, *args), kwargs)

    def explain(self, /, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Say whether the call with these arguments would hit, and if not, why; run nothing.

        Compared is the nearest stored call: which argument differs and where inside it, which
        helper (with a diff of the sources), global, version or module.

        Raises:
            TypeError: the function cannot be called so.

        >>> import fleche_like as fl
        >>> double = fl.memoize(cache=fl.open_cache("memory://"))(lambda x: 2 * x)
        >>> double(4)
        8
        >>> [str(each) for each in double.explain(5).differences]
        ['x: 4 -> 5']
        """
        return explain(self._engine, (*self._leading, *args), kwargs)

    def evict(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the call with these arguments; silent if it is not stored.

        Raises:
            TypeError, Indigestible: see :meth:`key`.
        """
        self._engine.cache.evict(self.key(*args, **kwargs))

    def rerun(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function again for these arguments, and replace what is stored.

        Memoized functions that it calls are answered from the cache as ever.
        """
        return cast("R", answer(self._engine, (*self._leading, *args), kwargs, look=False))

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundCall[R]:
        """Return the call with these arguments, to be made later without any.

        It pickles if the arguments do, and takes along the cache in use here: for any executor,
        queue or scheduler.

        >>> import fleche_like as fl
        >>> double = fl.memoize(cache=fl.open_cache("memory://"))(lambda x: 2 * x)
        >>> double.bind(4)()
        8
        """
        return BoundCall(self, args, kwargs, self._carried())

    # What is not annotated returns Any, which fits the first of these.
    @overload
    def map(
        self: Calls[..., Never],
        items: Iterable[Any],
        /,
        *,
        star: bool = False,
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> Any: ...
    @overload
    def map(  # type: ignore[overload-overlap]  # checkers take the first that fits
        self: Calls[Concatenate[T, ...], Coroutine[Any, Any, V]],
        items: Iterable[T],
        /,
        *,
        star: Literal[False] = False,
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> AsyncIterator[V]: ...
    @overload
    def map(
        self: Calls[Concatenate[T, ...], V],
        items: Iterable[T],
        /,
        *,
        star: Literal[False] = False,
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[V]: ...
    @overload
    def map(  # type: ignore[overload-overlap]  # checkers take the first that fits
        self: Calls[..., Coroutine[Any, Any, V]],
        items: Iterable[Sequence[Any] | Mapping[str, Any]],
        /,
        *,
        star: Literal[True],
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> AsyncIterator[V]: ...
    @overload
    def map(
        self: Calls[..., V],
        items: Iterable[Sequence[Any] | Mapping[str, Any]],
        /,
        *,
        star: Literal[True],
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[V]: ...

    def map(
        self,
        items: Iterable[Any],
        /,
        *,
        star: bool = False,
        executor: Executor | None = None,
        progress: bool = False,
        chunk: int | None = None,
        return_exceptions: bool = False,
    ) -> Any:
        """Make a call for each item; look them up together, and run only what is not stored.

        Args:
            items: the first argument of each call; read a chunk at a time, so that it may be a
                generator without end.
            star: whether an item holds all arguments of its call instead: a sequence positional
                ones, a mapping keywords.
            executor: where to run what is not stored; in this thread if omitted.
            progress: whether to show a bar, on a terminal or in a notebook.
            chunk: how many calls are looked up in one statement; an executor always has the next
                chunk too. 1,000 by default; for a coroutine function 100, which run at a time.
            return_exceptions: hand out what a call raised in place of its result.

        Returns:
            The results in the order of the items, lazily: nothing is done before the first is
            asked for. Of a coroutine function, an asynchronous iterator. Equal calls run once.

        Raises:
            Exception: what the first call raised that failed, once all the others are made and
                stored: a note tells which they are. No result is handed out beyond it.
            ValueError: ``chunk`` is less than one.

        When the iteration is left early, or interrupted, calls that have not begun are cancelled.

        >>> import fleche_like as fl
        >>> double = fl.memoize(cache=fl.open_cache("memory://"))(lambda x: 2 * x)
        >>> list(double.map(range(4)))
        [0, 2, 4, 6]
        """
        size = self._default_chunk if chunk is None else chunk
        options = MapOptions(star, executor, progress, size, return_exceptions)
        return self._run(self, self._carried(), items, options).results()

    def _carried(self) -> CarriedCache:
        return carried_for(self._engine.bound_cache)

    def stats(self, /) -> MemoStats:
        """Return a copy of the counts of this function's calls in this process."""
        return self._engine.meter.read()


_TOOLS: Final = frozenset(name for name in vars(CallTools) if not name.startswith("__"))


class Memoized(CallTools[P, R]):
    """A function whose calls are answered from a cache. Made by :func:`fleche_like.memoize`.

    Calling it is thread-safe. It pickles by its name, like a plain function.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        functools.update_wrapper(self, function)
        self._options = options
        for tool in _TOOLS & self.__dict__.keys():  # an attribute of the function hides none
            del self.__dict__[tool]
        self._engine = engine = Engine(function, self, **options)
        # The fast path reads these on every call; each saves a chain of attributes.
        self._token = engine.token
        self._current_state = engine.tracker.current
        self._stats = engine.stats

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        engine = self._engine
        try:
            token = self._token(*args, **kwargs)
        except TypeError:  # a wrong call, or the function was given another signature
            token = None
        if token is not None:
            key = self._current_state().keys.get(token)
            if key is not None:
                try:
                    result = engine.cache.lookup(key)
                except Exception as problem:  # noqa: BLE001  it costs the caching alone
                    engine.give_up(problem)
                    return cast("R", run(engine, Run(engine), args, kwargs))
                if result is not MISSING and type(result) is not Raised:
                    self._stats.hits += 1
                    return cast("R", result)
        elif engine.tokeniser_is_stale():
            self._token = engine.new_tokeniser()
        return cast("R", answer(engine, args, kwargs, token))

    @overload
    def __get__(self, instance: None, owner: type, /) -> Memoized[P, R]: ...
    @overload
    def __get__(
        self: Memoized[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> BoundMemoized[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else BoundMemoized(self, instance)

    def __repr__(self) -> str:
        return f"<memoized {self._engine.name}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return reduction(self)

    def _pin(self, module: str, code: Any) -> None:
        """Let calls be known by the module and code that they have elsewhere."""
        self._engine.module = module
        self._engine.tracker = code
        self._engine.digests_of = code.digests_of
        self._current_state = code.current

    def __dependency__(self) -> tuple[Any, Any]:
        """What stands for it in the code digest of a function that reaches it."""
        return self._engine.dependency()

    def __digest__(self) -> Digest:
        """The digest of the plain function: memoizing changes nothing of what it computes."""
        if id(self) in _being_digested.get():
            # A local function that calls itself holds itself in its closure.
            return digest(("recursion", self._engine.name))
        token = _being_digested.set(_being_digested.get() | {id(self)})
        try:
            return digest(self._engine.function)
        finally:
            _being_digested.reset(token)


_being_digested: ContextVar[frozenset[int]] = ContextVar("being_digested", default=frozenset())


class AsyncMemoized(Memoized[P, R]):
    """A coroutine function whose calls are answered from a cache."""

    _run = LoopRun
    _default_chunk = 100

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast("R", self._answer(args, kwargs))

    def rerun(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function again for these arguments, and replace what is stored; awaitable."""
        return cast("R", answer_on_loop(self._engine, args, kwargs, look=False))

    async def _answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer from memory at once, and from anywhere else off the loop."""
        engine = self._engine
        try:
            token = self._token(*args, **kwargs)
        except TypeError:  # a wrong call, or the function was given another signature
            token = None
        if token is not None:
            key = self._current_state().keys.get(token)
            result = MISSING if key is None else engine.recalled(key)
            if result is not MISSING and type(result) is not Raised:
                self._stats.hits += 1
                return result
        elif engine.tokeniser_is_stale():
            self._token = engine.new_tokeniser()
        return await answer_on_loop(engine, args, kwargs, token)


class BoundMemoized(CallTools[P, R]):
    """A memoized function bound to an instance, as a method is: ``self`` is its first argument."""

    def __init__(self, memoized: Memoized[Any, R], instance: Any) -> None:
        self.__func__ = memoized
        self.__self__ = instance
        self.__doc__ = memoized.__doc__
        self._engine = memoized._engine
        self._leading = (instance,)
        self._run = memoized._run
        self._default_chunk = memoized._default_chunk

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # The rest (__name__, __doc__, __wrapped__, …) is the function's, as with plain methods.
        if name.startswith("_") and not name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __dependency__(self) -> tuple[Any, Any]:
        """What stands for it in the code digest of a function that reaches it."""
        identity, function = self.__func__.__dependency__()
        if function is None:
            return (*identity, self.__self__), None
        return identity, functools.partial(function, self.__self__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundMemoized):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self.__func__.__name__)

    def __digest__(self) -> Digest:
        """The digest of the function and of what it is bound to."""
        return digest((self.__func__, self.__self__))
