"""What happens on a call of a memoized function, step by step."""

from __future__ import annotations

import asyncio
import logging
import marshal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fleche_like.cache import Cache
from fleche_like.calls import (
    Binder,
    Call,
    PreparedCall,
    QueryCall,
    Version,
    digest_arguments,
    key_maker,
)
from fleche_like.calls.signatures import take_apart
from fleche_like.errors import CodecError, NotCached, NotCachedWarning, ReadOnlyError
from fleche_like.hashing import Digest, module_name
from fleche_like.memo.active import current_cache
from fleche_like.memo.code import CodeMode, CodeState, CodeTracker, current_codes
from fleche_like.memo.metadata import MetadataOption, Observer
from fleche_like.memo.stats import MemoStats
from fleche_like.memo.warning import warn
from fleche_like.query import Query
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_REMEMBERED_KEYS: Final = 16_384
"""Tokens and keys remembered per function and code state: at most some 5 MB."""


class Engine:
    """Looks up, runs and stores the calls of one function.

    Args:
        function: the plain callable.
        owner: what callers call; for code that refers to itself.
        cache: the cache to use; ``None`` for the one in use where the call is made.
        version, ignore, require, metadata, code, strict: see :func:`fleche_like.memoize`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        owner: object,
        *,
        cache: Cache | None,
        version: Version,
        ignore: Iterable[str],
        require: Iterable[str],
        metadata: MetadataOption,
        code: CodeMode,
        packages: Iterable[str],
        strict: bool,
    ) -> None:
        self.function = function
        self.binder = Binder(function, ignore=ignore, require=require)
        self.tracker = CodeTracker(function, code, owner, packages)
        self.stats = MemoStats()
        self.name = _name_of(function)
        self.module = module_name(function)
        self.version = version
        self.bound_cache = cache
        self._observer = Observer(metadata)
        self._strict = strict
        self._warned: set[str] = set()
        self.new_tokeniser()

    # The parts of a call

    @property
    def cache(self) -> Cache:
        """The cache that a call made here and now uses."""
        return self.bound_cache or current_cache()

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return the call that these arguments make, without its result.

        Raises:
            TypeError: the function cannot be called so.
            Indigestible: something the function captures has no stable identity.
        """
        arguments = self.binder.bind(args, kwargs)
        state = self._sound_state(arguments.values())
        return Call(self.name, arguments, self.module, self.version, state.code)

    def dependency(self) -> tuple[Any, Any]:
        """Return what identifies this function where another one reaches it, and its function."""
        counts = self.tracker.mode != "none"
        return (self.name, self.version), self.function if counts else None

    def _sound_state(self, arguments: Iterable[Any] = ()) -> CodeState:
        state = self.tracker.state_for(arguments)
        if state.problem is not None:
            raise state.problem
        return state

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Digest:
        """Return the key of the call that these arguments make.

        Raises:
            TypeError: the function cannot be called so.
            Indigestible: an argument, or something captured, has no stable identity.
        """
        return self.call(args, kwargs).key

    def load(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the stored result for these arguments.

        Raises:
            NotCached: there is none.
        """
        call = self.call(args, kwargs)
        result = self.cache.lookup(call.key)
        if result is MISSING:
            raise NotCached(f"{call!r} is not cached", key=call.key)
        return result

    def query(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Query:
        """Return the stored calls of the current code and version with these arguments."""
        arguments = self.binder.bind_partial(args, kwargs)
        state = self._sound_state(arguments.values())
        codes = current_codes(self, state)
        template = QueryCall(
            name=self.name,
            module=self.module,
            version=self.version,
            code=codes if len(codes) > 1 else state.code,
            arguments=arguments,
        )
        return self.cache.query(template)

    # Running

    def answer(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        token: bytes | None = None,
        *,
        look: bool = True,
    ) -> Any:
        """Answer a call that the fast path could not: look it up, else run and store it.

        Args:
            args: positional arguments.
            kwargs: keyword arguments.
            token: the arguments' token, if they have one.
            look: whether a stored result will do; otherwise it is replaced.

        Raises:
            Exception: whatever the function raises.
        """
        step = self._looked_up(args, kwargs, token, look)
        if isinstance(step, _Found):
            return step.result
        return self.run(step, args, kwargs)

    def run(self, step: Run, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the body, and store what the step says."""
        args, kwargs = self._with_values(args, kwargs)
        step.start()
        try:
            result = self.function(*args, **kwargs)
        except BaseException:
            self.stats.failures += 1
            raise
        step.finish(result)
        return result

    async def answer_async(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, look: bool = True
    ) -> Any:
        """Answer a call of a coroutine function; storage runs in threads, not on the loop.

        Args and raises: see :meth:`answer`.
        """
        step = await _off_the_loop(self._looked_up, args, kwargs, None, look)
        if isinstance(step, _Found):
            return step.result
        args, kwargs = await _off_the_loop(self._with_values, args, kwargs)
        step.start()
        try:
            result = await self.function(*args, **kwargs)
        except BaseException:
            self.stats.failures += 1
            raise
        await _off_the_loop(step.finish, result)
        return result

    def _looked_up(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        token: bytes | None,
        look: bool,
    ) -> _Found | Run:
        arguments = self.binder.bind(args, kwargs)  # raises what a wrong call raises
        if not self.binder.is_cacheable(args, kwargs):
            return Run(self)
        try:
            state = self._sound_state(arguments.values())
            cache = self.cache
            digests = digest_arguments(arguments)
            if look:
                maker = key_maker(self.name, self.module, self.version, state.code)
                key = maker.key_of_own(digests)
                result = self._result(cache, key)
                if result is not MISSING:
                    self._remember(state, token, key, args, kwargs)
                    self.stats.hits += 1
                    return _Found(result)
            call = Call(self.name, arguments, self.module, self.version, state.code)
            return Run(self, cache, cache.prepare(call, call.digested(digests)), state.manifest)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return Run(self)

    def _result(self, cache: Cache, key: Digest) -> Any | Missing:
        """Return a stored result; one that cannot be decoded here is computed anew."""
        try:
            return cache.lookup(key)
        except CodecError as problem:
            self.give_up(problem)
            return MISSING

    def _remember(
        self,
        state: CodeState,
        token: bytes | None,
        key: Digest,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Let the fast path find this key next time.

        The token is made again: had another thread changed an argument between token and digest,
        the two would not belong together.
        """
        if token is None:
            return
        if len(state.keys) >= _MOST_REMEMBERED_KEYS:
            state.keys.clear()
        if self.token(*args, **kwargs) == token:
            state.keys[token] = key

    def _with_values(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Replace digests given as arguments by the values they stand for.

        Raises:
            KeyNotFound: a value is not stored.
        """
        if not any(type(value) is Digest for value in (*args, *kwargs.values())):
            return args, kwargs
        load = self.cache.load_value
        values = tuple(load(value) if type(value) is Digest else value for value in args)
        named = {n: load(v) if type(v) is Digest else v for n, v in kwargs.items()}
        return values, named

    def give_up(self, problem: Exception) -> None:
        """Take note that a call is not cached, or not looked up: warn once per kind of problem.

        Raises:
            Exception: the problem itself, if the function was decorated with ``strict=True``.
        """
        if self._strict:
            raise problem
        kind = type(problem).__name__
        logger.debug("call of %s is not cached", self.name, exc_info=problem)
        if isinstance(problem, ReadOnlyError) or kind in self._warned:
            return
        self._warned.add(kind)
        warn(
            f"calls of {self.name} are answered but not cached: {kind}: {problem}", NotCachedWarning
        )

    def observe(self) -> Callable[[], dict[str, Any]]:
        """Begin to observe a call; a source of metadata that fails costs the metadata only."""
        try:
            return self._observer.start()
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return dict

    # The fast path's token

    def new_tokeniser(self) -> Callable[..., bytes | None]:
        """Compile the function that makes tokens of arguments; kept as :attr:`token`."""
        self._token_generation = self.binder.generation
        self.token = self.binder.tokeniser(marshal.dumps, "")
        return self.token

    def tokeniser_is_stale(self) -> bool:
        """Whether the function's code or defaults were replaced since the last tokeniser."""
        return self._token_generation != self.binder.generation


@dataclass(frozen=True, slots=True)
class _Found:
    """A stored result."""

    result: Any


class Run:
    """One run of the body, and what is to be stored of it; nothing without a prepared call."""

    def __init__(
        self,
        engine: Engine,
        cache: Cache | None = None,
        prepared: PreparedCall | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._prepared = prepared
        self._manifest = manifest

    def start(self) -> None:
        """Note that the body begins."""
        self._observed = self._engine.observe() if self._prepared is not None else dict

    def finish(self, result: Any) -> None:
        """Store what the body returned. Whatever goes wrong here costs the storing alone."""
        stats = self._engine.stats
        if self._prepared is None or self._cache is None:
            stats.uncached += 1
            return
        try:
            self._cache.commit(self._prepared, result, self._observed(), self._manifest)
            stats.misses += 1
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            stats.uncached += 1
            self._engine.give_up(problem)


async def _off_the_loop(step: Callable[..., T], *args: Any) -> T:
    """Run a step in a thread; at once where no asyncio loop runs (trio, a loop of one's own)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return step(*args)
    return await asyncio.to_thread(step, *args)


def _name_of(function: Callable[..., Any]) -> str:
    """Return the qualified name of a callable, or of what a partial or an instance calls."""
    target = take_apart(function).function
    return str(getattr(target, "__qualname__", type(target).__qualname__))
