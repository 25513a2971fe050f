"""What happens on a call of a memoized function, step by step."""

from __future__ import annotations

import functools
import marshal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.calls import (
    Binder,
    Call,
    QueryCall,
    Version,
    digest_arguments,
    key_maker,
)
from fleche_like.calls.signatures import take_apart
from fleche_like.errors import CodecError, NotCached, NotCachedWarning, ReadOnlyError
from fleche_like.hashing import Digest, module_name
from fleche_like.memo.active import current_cache
from fleche_like.memo.ages import Ages
from fleche_like.memo.audit import AuditOption, Auditor
from fleche_like.memo.code import CodeMode, CodeState, CodeTracker, current_codes
from fleche_like.memo.files import Seen, as_files, file_parameters, noting
from fleche_like.memo.isolation import isolated
from fleche_like.memo.log import log_event
from fleche_like.memo.metadata import MetadataOption, Observer
from fleche_like.memo.policies import Policies
from fleche_like.memo.raised import Raised
from fleche_like.memo.run import Run
from fleche_like.memo.stats import FunctionMeter, MemoStats
from fleche_like.memo.warning import warn
from fleche_like.query import Query
from fleche_like.support.sentinel import MISSING, Missing

_MOST_REMEMBERED_KEYS: Final = 16_384
"""Tokens and keys remembered per function and code state: at most some 5 MB."""


@dataclass(slots=True)
class Request:
    """A call that can be cached, as it was asked for, and its key.

    Args:
        args: positional arguments as they were passed.
        kwargs: keyword arguments as they were passed.
        token: what the fast path knows them by, if they have a token.
        cache: the cache to use.
        state: of the function's code.
        arguments: bound.
        digests: of the arguments.
        files: input files among them.
        key: of the call.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    token: bytes | None
    cache: Cache
    state: CodeState
    arguments: dict[str, Any]
    digests: dict[str, Digest]
    files: Sequence[Seen]
    key: Digest


@dataclass(frozen=True, slots=True)
class Found:
    """A stored result, which may be :class:`Raised`."""

    result: Any

    def opened(self) -> Any:
        """Return the result, or raise what it marks as raised."""
        if type(self.result) is Raised:
            raise self.result.exception
        return self.result


class Engine:
    """Looks up, runs and stores the calls of one function.

    Args:
        function: the plain callable.
        owner: what callers call; for code that refers to itself.
        cache: the cache to use; ``None`` for the one in use where the call is made.
        policies: what the options say about running and keeping calls.
        version, ignore, require, metadata, code: see :func:`fleche_like.memoize`.
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
        policies: Policies,
        audit: AuditOption = 0,
    ) -> None:
        self.function = function
        self.body = isolated(function) if policies.isolate else function
        self.binder = Binder(function, ignore=ignore, require=require)
        self.tracker = CodeTracker(function, code, owner, packages)
        self.stats = MemoStats()
        self.name = _name_of(function)
        self.version = version
        self.meter = FunctionMeter(self.name, self.module, self.stats)
        self.bound_cache = cache
        self.policies = policies
        self._observer = Observer(metadata, timed=policies.expires)
        self._ages = Ages()
        self._files = file_parameters(take_apart(function).function)
        self.auditor = Auditor(self.name, audit, self.stats) if audit else None
        # What the fast path finds by a token is answered without another look.
        plain = policies.hits_are_plain and not self._files
        self._remembers = plain and self.auditor is None
        self._warned: set[str] = set()
        self.digests_of: Callable[[Mapping[str, Any]], dict[str, Digest]] = digest_arguments
        self.new_tokeniser()

    # The parts of a call

    @functools.cached_property
    def module(self) -> str:
        """The module of the function.

        Looked at when first needed: a worker process runs the script, and decorates its functions,
        before it knows the script as its ``__main__``.
        """
        return module_name(self.function)

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
        arguments = self.bound(args, kwargs)
        state = self._sound_state(arguments.values())
        return Call(self.name, arguments, self.module, self.version, state.code)

    def dependency(self) -> tuple[Any, Any]:
        """Return what identifies this function where another one reaches it, and its function."""
        counts = self.tracker.mode != "none"
        packages = self.tracker.package_digests
        identity = (self.name, self.version, *([packages] if packages else []))
        return identity, self.function if counts else None

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, as its key has them."""
        return self._with_files(self.binder.bind(args, kwargs))

    def _with_files(self, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in self._files & arguments.keys():
            arguments[name] = as_files(arguments[name])
        return arguments

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
            NotCached: there is none, or it has expired.
            Exception: the one that is stored, if the body raised.
        """
        call = self.call(args, kwargs)
        key, cache = call.key, self.cache
        result = self.valid(self._read(cache, key), key, cache)
        if result is MISSING:
            raise NotCached(f"{call!r} is not cached", key=key)
        return Found(result).opened()

    def contains(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether a call with these arguments would be a hit."""
        key, cache = self.call(args, kwargs).key, self.cache
        if self.policies.hits_are_plain:
            return cache.contains(key)
        return self.valid(self._read(cache, key), key, cache) is not MISSING

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
            arguments=self._with_files(arguments),
        )
        return self.cache.query(template)

    # Looking up

    def request(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], token: bytes | None = None
    ) -> Request | None:
        """Return what is asked for, or ``None`` if it cannot be cached.

        Raises:
            TypeError: the function cannot be called so.
            Exception: whatever is in the way, if the function is ``strict``.
        """
        arguments = self.bound(args, kwargs)  # raises what a wrong call raises
        if not self.binder.is_cacheable(args, kwargs):
            return None
        try:
            state = self._sound_state(arguments.values())
            digests, files = noting(self.digests_of, arguments)
            key = key_maker(self.name, self.module, self.version, state.code).key_of_own(digests)
            cache = self.cache
            self.meter.turn_to(cache)
            return Request(args, kwargs, token, cache, state, arguments, digests, files, key)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return None

    def stored(self, request: Request) -> Found | Run | None:
        """Return what is stored; an uncached run if that cannot be told; ``None`` if nothing is.

        Raises:
            Exception: whatever is in the way, if the function is ``strict``.
        """
        try:
            result = self.valid(self._read(request.cache, request.key), request.key, request.cache)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return Run(self)
        if result is MISSING:
            return None
        self._remember(request)
        self.stats.hits += 1
        self.log("hit", request.key)
        if self.auditor is not None:
            self.auditor.hit(request.key, result, request.args, request.kwargs)
        return Found(result)

    def find(self, key: Digest, cache: Cache) -> Any | Missing:
        """Return what is stored, possibly :class:`Raised`, if it answers a call; else ``MISSING``.

        Raises:
            Exception: whatever is in the way, if the function is ``strict``.
        """
        try:
            return self.valid(self._read(cache, key), key, cache)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return MISSING

    def find_many(self, keys: Sequence[Digest], cache: Cache) -> dict[Digest, Any]:
        """Return :meth:`find` for those of many keys that answer calls.

        In one statement, where cache and policies let a stored result answer as it is.
        """
        if not self.policies.hits_are_plain:
            found = ((key, self.find(key, cache)) for key in keys)
            return {key: result for key, result in found if result is not MISSING}
        try:
            results = cache.lookup_many(keys)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return {}
        if Raised not in map(type, results.values()):
            return results
        return {key: result for key, result in results.items() if type(result) is not Raised}

    @property
    def keys_are_plain(self) -> bool:
        """Whether keys follow from plain arguments alone: no input files, nothing required."""
        return not self._files and not self.binder.required

    def recalled(self, key: Digest) -> Any | Missing:
        """Return a result that memory holds, for callers that must not wait; else ``MISSING``."""
        try:
            return self.cache.recall(key)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return MISSING

    def _read(self, cache: Cache, key: Digest) -> Any | Missing:
        """Return a stored result; one that cannot be decoded here is computed anew."""
        mmap = self.policies.mmap
        try:
            return cache.lookup(key) if mmap is None else cache.lookup_mapped(key, mmap)
        except CodecError as problem:
            self.give_up(problem)
            return MISSING

    def valid(self, result: Any, key: Digest, cache: Cache) -> Any | Missing:
        """Return a stored result if the policies let it answer a call, else ``MISSING``.

        Args:
            result: what the cache returned: possibly ``MISSING``, or :class:`Raised`.
            key: of the call.
            cache: where it is stored.
        """
        policies = self.policies
        if result is MISSING or (policies.hits_are_plain and type(result) is not Raised):
            return result
        age_s: float | None = policies.expire_s
        if type(result) is Raised:
            age_s = policies.expire_s_of(result.exception)
        stands = age_s is not None and not self._ages.is_reached(age_s, key, cache)
        return result if stands else MISSING

    def prepared(self, request: Request) -> Run:
        """Return the run of a call, sealed as it is now.

        Raises:
            Exception: whatever is in the way, if the function is ``strict``.
        """
        try:
            call = Call(self.name, request.arguments, self.module, self.version, request.state.code)
            digested = call.digested(request.digests)
            digested.key = request.key
            sealed = request.cache.prepare(call, digested, arguments=self.policies.arguments)
            return Run(self, request.cache, sealed, request.state.manifest, request.files)
        except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
            self.give_up(problem)
            return Run(self)

    def _remember(self, request: Request) -> None:
        """Let the fast path find this key next time.

        The token is made again: had another thread changed an argument between token and digest,
        the two would not belong together.
        """
        token, keys = request.token, request.state.keys
        if token is None or not self._remembers:
            return
        if len(keys) >= _MOST_REMEMBERED_KEYS:
            keys.clear()
        if self.token(*request.args, **request.kwargs) == token:
            keys[token] = request.key

    def plain_body(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body and store nothing."""
        args, kwargs = self.with_values(args, kwargs)  # type: ignore[assignment]
        return self.body(*args, **kwargs)

    def with_values(
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
        if self.policies.strict:
            raise problem
        kind = type(problem).__name__
        self.log("problem", problem=problem)
        if isinstance(problem, ReadOnlyError) or kind in self._warned:
            return
        self._warned.add(kind)
        warn(
            f"calls of {self.name} are answered but not cached: {kind}: {problem}", NotCachedWarning
        )

    def log(self, event: str, key: Digest | None = None, **fields: Any) -> None:
        """Log an event of a call of this function: see :func:`~fleche_like.memo.log.log_event`."""
        log_event(event, self.module, self.name, key, **fields)

    def observe(self) -> Callable[[], dict[str, Any]]:
        """Begin to observe a call; a source of metadata that fails costs the metadata only."""
        return self._observer.start(self.give_up)

    # The fast path's token

    def new_tokeniser(self) -> Callable[..., bytes | None]:
        """Compile the function that makes tokens of arguments; kept as :attr:`token`."""
        self._token_generation = self.binder.generation
        self.token = self.binder.tokeniser(marshal.dumps, "")
        return self.token

    def tokeniser_is_stale(self) -> bool:
        """Whether the function's code or defaults were replaced since the last tokeniser."""
        return self._token_generation != self.binder.generation


def _name_of(function: Callable[..., Any]) -> str:
    """Return the qualified name of a callable, or of what a partial or an instance calls."""
    target = take_apart(function).function
    return str(getattr(target, "__qualname__", type(target).__qualname__))
