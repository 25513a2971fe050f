"""``@memoize``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, get_args, overload

from fleche_like.cache import Cache
from fleche_like.calls import Version
from fleche_like.errors import UncachableFunction
from fleche_like.memo.code import CodeMode
from fleche_like.memo.memoized import AsyncMemoized, Memoized
from fleche_like.memo.metadata import MetadataOption

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

    Raises:
        UncachableFunction: calls of a generator function: what they yield can be consumed once.
        ConfigError: ``ignore`` or ``require`` names what is no parameter.

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
        raise ValueError(f"code={code!r} is none of {get_args(CodeMode)}")
    options: dict[str, Any] = {
        "cache": cache,
        "version": version,
        "ignore": ignore,
        "require": require,
        "metadata": metadata,
        "code": code,
        "packages": (packages,) if isinstance(packages, str) else packages,
        "strict": strict,
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
            "once; return a list to have it cached"
        )
    if inspect.iscoroutinefunction(function):
        return AsyncMemoized(function, **options)
    return Memoized(function, **options)
