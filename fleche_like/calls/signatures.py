"""What a callable really takes: its parameters, and the arguments it brings along itself."""

from __future__ import annotations

import functools
import inspect
import keyword
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

ParameterKind: TypeAlias = inspect._ParameterKind

_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_ANYTHING: Final = (
    ("args", inspect.Parameter.VAR_POSITIONAL),
    ("kwargs", inspect.Parameter.VAR_KEYWORD),
)


@dataclass(frozen=True)
class Target:
    """A callable taken apart: calling it calls ``function`` with more arguments in front.

    Args:
        function: what is called in the end.
        leading: positional arguments that come first: ``self``, those of a ``partial``.
        presets: keyword arguments of partials, innermost first; later ones win.
    """

    function: Callable[..., Any]
    leading: tuple[Any, ...] = ()
    presets: tuple[Mapping[str, Any], ...] = ()

    @property
    def brings_arguments(self) -> bool:
        """Whether it adds anything to the arguments it is called with."""
        return bool(self.leading or self.presets)

    def complete(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that ``function`` gets."""
        merged: dict[str, Any] = {}
        for preset in self.presets:
            merged.update(preset)
        return (*self.leading, *args), {**merged, **kwargs}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name and its kind."""

    name: str
    kind: ParameterKind

    @property
    def is_positional(self) -> bool:
        """Whether it takes one positional argument."""
        return self.kind in _POSITIONAL

    @property
    def is_keyword(self) -> bool:
        """Whether it can be given by its name."""
        return self.kind in {
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        }


@dataclass(frozen=True)
class Signature:
    """The parameters of a callable and its defaults, as CPython holds them.

    Defaults are the objects themselves: nothing here looks into them.
    """

    parameters: tuple[Parameter, ...]
    defaults: tuple[Any, ...] | None
    keyword_defaults: dict[str, Any] | None

    def of_kind(self, kind: ParameterKind) -> Parameter | None:
        """Return the first parameter of a kind: there is one at most of the variable kinds."""
        return next((one for one in self.parameters if one.kind is kind), None)


def take_apart(callable_: Callable[..., Any]) -> Target:
    """Return what is called in the end, and the arguments that are added on the way.

    Bound methods, partials and instances with ``__call__`` are followed. ``__wrapped__`` and
    ``__signature__`` are not: a wrapper may add, drop or replace arguments, so that binding by
    what it wraps could take two different calls for one. The innermost place is the right one
    for a caching decorator.
    """
    target = Target(callable_)
    while True:
        inner = target.function
        if type(inner) is functools.partial:
            args, kwargs = (*inner.args, *target.leading), (inner.keywords, *target.presets)
            target = Target(inner.func, args, kwargs)
        elif isinstance(inner, types.MethodType):
            target = Target(inner.__func__, (inner.__self__, *target.leading), target.presets)
        elif isinstance(call := _instance_call(inner), types.FunctionType):
            target = Target(call, (inner, *target.leading), target.presets)
        else:
            return target


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return what ``function`` takes; ``(*args, **kwargs)`` if it cannot be known."""
    if isinstance(function, types.FunctionType):
        found = Signature(
            _code_parameters(function.__code__), function.__defaults__, function.__kwdefaults__
        )
    else:
        found = _inspected(function)
    spelt = all(_is_name(parameter.name) for parameter in found.parameters)
    return found if spelt else _anything()


def _instance_call(value: Any) -> Any:
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return None
    return inspect.getattr_static(type(value), "__call__", None)


def _code_parameters(code: types.CodeType) -> tuple[Parameter, ...]:
    positional, only = code.co_argcount, code.co_posonlyargcount
    names = iter(code.co_varnames)
    kinds = [_POSITIONAL[0]] * only + [_POSITIONAL[1]] * (positional - only)
    found = [Parameter(next(names), kind) for kind in kinds]
    keywords = [
        Parameter(next(names), inspect.Parameter.KEYWORD_ONLY)
        for _ in range(code.co_kwonlyargcount)
    ]
    if code.co_flags & inspect.CO_VARARGS:
        found.append(Parameter(next(names), inspect.Parameter.VAR_POSITIONAL))
    found.extend(keywords)
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append(Parameter(next(names), inspect.Parameter.VAR_KEYWORD))
    return tuple(found)


def _inspected(function: Callable[..., Any]) -> Signature:
    try:
        given = inspect.signature(function, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):
        return _anything()
    empty = inspect.Parameter.empty
    with_default = [one for one in given if one.default is not empty]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    return Signature(
        tuple(Parameter(one.name, one.kind) for one in given),
        tuple(one.default for one in with_default if one.kind is not keyword_only),
        {one.name: one.default for one in with_default if one.kind is keyword_only},
    )


def _anything() -> Signature:
    return Signature(tuple(Parameter(name, kind) for name, kind in _ANYTHING), None, None)


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
