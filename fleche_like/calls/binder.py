"""Binding: the arguments of a call in one canonical form, however the call was spelt.

A :class:`Binder` compiles functions with the very signature of what it binds for, so that CPython
itself binds: at its speed, by its rules, and with its ``TypeError`` for a wrong call.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter as Kinds
from typing import Any, Final, TypeAlias, TypeVar, cast

from fleche_like.calls.annotations import Role, roles
from fleche_like.calls.call import RESULT
from fleche_like.calls.codegen import Plan, compile_bind, compile_explicit, compile_token
from fleche_like.calls.partial import bind_partially
from fleche_like.calls.signatures import Target, signature_of, take_apart
from fleche_like.errors import ConfigError

T = TypeVar("T")
Token: TypeAlias = Callable[..., bytes | None]

_ESCAPE: Final = "**"


class Binder:
    """Binds the arguments of calls of one callable.

    Bound methods, partials and callable instances are followed to the function they call: ``self``
    and what a partial brings are arguments like any other. ``__wrapped__`` is not followed (see
    :func:`~fleche_like.calls.signatures.take_apart`). The defaults and the code of a function may
    be replaced later: the next :meth:`bind` follows. Defaults are held as objects and never looked
    into.

    Args:
        function: any callable.
        ignore: parameters that are no part of the key, beside those annotated ``Ignored[...]``.
        require: parameters that must be passed explicitly for a call to be cached, beside those
            annotated ``Required[...]``.

    Raises:
        ConfigError: ``ignore`` or ``require`` names what is no parameter, and there is no
            ``**kwargs`` that could take it.

    Thread-safe.

    >>> def simulate(alpha, steps=100, *, verbose=False): ...
    >>> Binder(simulate, ignore=["verbose"]).bind((0.1,), {"verbose": True})
    {'alpha': 0.1, 'steps': 100}
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        ignore: Iterable[str] = (),
        require: Iterable[str] = (),
    ) -> None:
        self._target = take_apart(function)
        self._ignore, self._require = _as_names(ignore), _as_names(require)
        self._compiled = self._compile(0)
        _refuse_unknown(self._compiled.plan, self._ignore, "ignore")
        _refuse_unknown(self._compiled.plan, self._require, "require")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters, in the order of the signature."""
        return tuple(one.name for one in self._current().plan.signature.parameters)

    @property
    def ignored(self) -> frozenset[str]:
        """The names that are no part of the key."""
        return self._current().plan.ignored

    @property
    def required(self) -> frozenset[str]:
        """The names that must be passed explicitly."""
        return self._current().plan.required

    @property
    def generation(self) -> int:
        """Grows when the function's code or defaults were replaced: time for new tokenisers."""
        return self._current().generation

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, in canonical order.

        Parameters come in the order of the signature, with defaults; ``*args`` as one tuple under
        its name; then what ``**kwargs`` took, sorted by name. There, a name that a parameter has
        too (a positional-only one, say), ``return``, and names that begin with ``**`` get ``**``
        in front, so that no two arguments share a name. Ignored ones are left out.

        Raises:
            TypeError: what calling the function so would raise, word for word (a function in C
                may word it in another way).
        """
        bound = self._current().bind
        if self._target.brings_arguments:
            args, kwargs = self._target.complete(args, kwargs)
        return cast("dict[str, Any]", bound(*args, **kwargs))

    def binding(self) -> Callable[..., dict[str, Any]]:
        """Return ``bind(*args, **kwargs)`` for many calls: it does not follow later changes."""
        bound = self._current().bind
        return _completing(self._target, bound) if self._target.brings_arguments else bound

    def bind_partial(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return only the arguments that are spelt out, named as :meth:`bind` names them.

        For templates: what is missing stays a hole. What a method or partial brings counts as
        spelt out; ignored ones are left out.

        Raises:
            TypeError: there is no such parameter, or it is given twice.
        """
        plan = self._current().plan
        args, kwargs = self._target.complete(args, kwargs)
        return bind_partially(plan, _Flattener(plan), args, kwargs)

    def is_cacheable(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether everything that is required is passed explicitly.

        Raises:
            TypeError: as :meth:`bind`.
        """
        compiled = self._current()
        if not compiled.plan.required:
            return True
        args, kwargs = self._target.complete(args, kwargs)
        return bool(compiled.is_explicit(*args, **kwargs))

    def tokeniser(self, dumps: Callable[[Any, int], bytes], identity: Any) -> Token:
        """Return ``token(*args, **kwargs) -> bytes | None``: plain arguments as bytes.

        Two calls have one token only if they have one key. ``None`` where an argument is not plain
        (see :mod:`~fleche_like.calls.tokens`), is required but missing, or where the function was
        changed since: then :meth:`bind` decides, and :attr:`generation` tells whether to ask for a
        new tokeniser. A ``TypeError`` from it leaves the same to :meth:`bind`.

        Args:
            dumps: ``marshal.dumps``.
            identity: what tells this function and its version from others: text, bytes or a tuple
                of such.

        Raises:
            ValueError: the identity is nothing that ``dumps`` takes.
        """
        dumps((identity,), 2)
        compiled = self._current()
        function, code = self._target.function, compiled.code
        replaceable = function if isinstance(function, types.FunctionType) else None
        token = compile_token(compiled.plan, dumps, identity, replaceable, code)
        return _completing(self._target, token) if self._target.brings_arguments else token

    def _current(self) -> _Compiled:
        compiled, function = self._compiled, self._target.function
        if isinstance(function, types.FunctionType) and not compiled.fits(function):
            compiled = self._compiled = self._compile(compiled.generation + 1)
        return compiled

    def _compile(self, generation: int) -> _Compiled:
        function = self._target.function
        code = function.__code__ if isinstance(function, types.FunctionType) else None
        plan = self._plan()
        flatten = _Flattener(plan)
        explicit = compile_explicit(plan)
        return _Compiled(generation, code, plan, compile_bind(plan, flatten), explicit)

    def _plan(self) -> Plan:
        function = self._target.function
        given = roles(function) if isinstance(function, types.FunctionType) else {}
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return Plan(
            signature_of(function),
            name,
            self._ignore | {one for one, marks in given.items() if Role.IGNORED in marks},
            self._require | {one for one, marks in given.items() if Role.REQUIRED in marks},
        )


@dataclass(frozen=True)
class _Compiled:
    """What was compiled, and for which state of the function. Replaced as a whole."""

    generation: int
    code: types.CodeType | None
    plan: Plan
    bind: types.FunctionType
    is_explicit: types.FunctionType

    def fits(self, function: types.FunctionType) -> bool:
        signature = self.plan.signature
        return (
            function.__code__ is self.code
            and function.__defaults__ is signature.defaults
            and function.__kwdefaults__ is signature.keyword_defaults
        )


class _Flattener:
    """Names and order of what ``**kwargs`` takes."""

    def __init__(self, plan: Plan) -> None:
        self._reserved = plan.names | {RESULT}
        self._ignored = plan.ignored - plan.names

    def __call__(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._items(kwargs)) if kwargs else {}

    def _items(self, kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in sorted(kwargs):
            if name not in self._ignored:
                yield self._escaped(str.__str__(name)), kwargs[name]

    def _escaped(self, name: str) -> str:
        return _ESCAPE + name if name in self._reserved or name.startswith(_ESCAPE) else name


def _completing(target: Target, function: Callable[..., T]) -> Callable[..., T]:
    def completed(*args: Any, **kwargs: Any) -> T:
        args, kwargs = target.complete(args, kwargs)
        return function(*args, **kwargs)

    return completed


def _as_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset([names] if isinstance(names, str) else names)


def _refuse_unknown(plan: Plan, names: frozenset[str], setting: str) -> None:
    unknown = sorted(names - plan.names)
    if unknown and plan.signature.of_kind(Kinds.VAR_KEYWORD) is None:
        known = ", ".join(one.name for one in plan.signature.parameters) or "none"
        raise ConfigError(
            f"{setting}={unknown} names no parameter of {plan.qualname}, which has: {known}",
            source=setting,
        )
