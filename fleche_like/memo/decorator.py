"""``@memoize``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, get_args, overload

from fleche_like.cache import ArgumentsKept, Cache
from fleche_like.calls import Version
from fleche_like.errors import ConfigError, UncachableFunction
from fleche_like.memo.active import checked_cache
from fleche_like.memo.audit import AuditOption
from fleche_like.memo.audited import AuditedAsyncMemoized, AuditedMemoized
from fleche_like.memo.code import CodeMode
from fleche_like.memo.memoized import AsyncMemoized, Memoized
from fleche_like.memo.metadata import MetadataOption
from fleche_like.memo.policies import (
    Duration,
    ExceptionsOption,
    MappingOption,
    Policies,
    kinds_to_cache,
    time_to_live,
)

P = ParamSpec("P")
R = TypeVar("R")


@overload
def memoize(function: Callable[P, R], /) -> Memoized[P, R]: ...
@overload
def memoize(
    *,
    cache: Cache | None = None,
    version: Version = None,
    ignore: str | Iterable[str] = (),
    require: str | Iterable[str] = (),
    metadata: MetadataOption = None,
    code: CodeMode = "deep",
    packages: str | Iterable[str] = (),
    strict: bool = False,
    single_flight: bool = True,
    expire: Duration | None = None,
    cache_if: Callable[[Any], object] | None = None,
    exceptions: ExceptionsOption = (),
    arguments: ArgumentsKept = "auto",
    isolate: bool = False,
    mmap: MappingOption = None,
    audit: AuditOption = 0,
) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...


def memoize(
    function: Callable[..., Any] | None = None,
    /,
    *,
    cache: Cache | None = None,
    version: Version = None,
    ignore: str | Iterable[str] = (),
    require: str | Iterable[str] = (),
    metadata: MetadataOption = None,
    code: CodeMode = "deep",
    packages: str | Iterable[str] = (),
    strict: bool = False,
    single_flight: bool = True,
    expire: Duration | None = None,
    cache_if: Callable[[Any], object] | None = None,
    exceptions: ExceptionsOption = (),
    arguments: ArgumentsKept = "auto",
    isolate: bool = False,
    mmap: MappingOption = None,
    audit: AuditOption = 0,
) -> Any:
    """Answer calls of a function from a cache; what is not there yet is computed and stored.

    A call is identified by the function's module, name, version and code, and by the digests of
    its arguments; positional, keyword and default spellings are one call. Whatever goes wrong
    with the cache costs the caching, not the answer, and is warned about once.

    Args:
        function: a function, method, coroutine function or other callable; or nothing, to give
            options: ``@memoize(version=2)``.
        cache: the cache to use; if omitted, the one in use where a call is made
            (:func:`use_cache`, :func:`set_cache`, else the default one).
        version: added to the key, to tell results of before and after a change apart that the
            code does not show.
        ignore: parameters that are no part of the key.
        require: parameters that must be passed explicitly for a call to be cached.
        metadata: what to record of each call beside its runtime: fixed entries as a mapping, or
            sources (see ``MetadataSource``); ``False`` records nothing.
        code: what of the code is part of the key. ``"deep"``: the function's own code, and that
            of the project's functions and classes that it reaches; the values of closures and
            globals that they read. ``"function"``: functions and classes that go by a name count
            by that name alone. ``"none"``: nothing of that counts.
        packages: installed packages that count by their version.
        strict: raise what would otherwise be warned about.
        single_flight: let one caller at a time run the body for the same arguments, among all
            threads, tasks and processes that share the cache; the others wait for its result.
        expire: how long a result is good for after the body returned, in seconds or as a
            ``timedelta``; later it is computed again and replaced.
        cache_if: called with each result; one for which it is false is not stored.
        exceptions: types of exceptions to store like results, so that a hit raises them; as a
            mapping, each with its own time to live (``None`` for that of results).
        arguments: which argument values are stored beside their digests: ``"auto"``, those up to
            64 MB that can be; ``"all"``, or the call is not cached; ``"none"``.
        isolate: run the body in an empty working directory of its own, removed afterwards.
        mmap: map large arrays of results (see ``open_cache``), whatever the cache does.
        audit: share of hits to recompute and compare, such as ``0.01``. What differs is warned
            about once, counted and shown by ``.explain()``; the stored result is returned anyway.

    Raises:
        UncachableFunction: a generator function: what it yields can be consumed only once; or a
            coroutine function with ``isolate``, since all tasks share one working directory.
        ConfigError: ``ignore`` or ``require`` names what is no parameter, or an option makes no
            sense.
        TypeError: ``cache`` is not an open cache, but perhaps the folder of one.

    >>> import fleche_like as fl
    >>> @fl.memoize(cache=fl.open_cache("memory://"))
    ... def square(x):
    ...     print("computing")
    ...     return x * x
    >>> square(3), square(x=3)
    computing
    (9, 9)
    """
    if code not in get_args(CodeMode):
        raise ConfigError(f"code: {code!r} is none of {get_args(CodeMode)}", source="code")
    options: dict[str, Any] = {
        "cache": checked_cache(cache),
        "version": version,
        "ignore": ignore,
        "require": require,
        "metadata": metadata,
        "code": code,
        "packages": (packages,) if isinstance(packages, str) else packages,
        "policies": Policies(
            strict=strict,
            single_flight=single_flight,
            expire_s=time_to_live(expire),
            cache_if=cache_if,
            exceptions=kinds_to_cache(exceptions, expire),
            arguments=arguments,
            isolate=isolate,
            mmap=mmap,
        ),
        "audit": audit,
    }
    if function is None:
        return lambda decorated: _memoized(decorated, options)
    return _memoized(function, options)


def _memoized(function: Any, options: dict[str, Any]) -> Any:
    if isinstance(function, classmethod | staticmethod):
        return type(function)(_memoized(function.__func__, options))
    if not callable(function):
        raise UncachableFunction(f"{function!r} is not callable")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UncachableFunction(
            f"{function.__qualname__} is a generator function: what it yields can be consumed only "
            "once; return a list to have it cached, or memoize what makes each item"
        )
    if inspect.iscoroutinefunction(function):
        if options["policies"].isolate:
            raise UncachableFunction(
                f"{function.__qualname__} is a coroutine function: isolate=True cannot give it a "
                "working directory of its own, since all tasks share one"
            )
        kind = AuditedAsyncMemoized if options["audit"] else AsyncMemoized
        return kind(function, **options)
    return (AuditedMemoized if options["audit"] else Memoized)(function, **options)
