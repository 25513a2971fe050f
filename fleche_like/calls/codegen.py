"""Functions compiled with a given signature, so that CPython does the binding.

What the compiled bodies need comes in as globals of the function, under names that no parameter
has; values never become source text.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter as Kinds
from typing import Any, Final

from fleche_like.calls.signatures import Parameter, ParameterKind, Signature
from fleche_like.calls.tokens import (
    ATOMS,
    MAX_TEXT_LENGTH,
    MAX_TOKEN_LENGTH,
    snapshot,
    snapshot_keywords,
)
from fleche_like.support.sentinel import MISSING

#: Stands in for the default of a required parameter; no caller can pass it.
_ABSENT: Final = object()
_MARSHAL_VERSION: Final = 2
_STARS: Final[dict[ParameterKind, str]] = {Kinds.VAR_POSITIONAL: "*", Kinds.VAR_KEYWORD: "**"}


@dataclass(frozen=True)
class Plan:
    """What to compile for.

    Args:
        signature: the parameters and defaults.
        qualname: the function's, for the text of its ``TypeError``.
        ignored: names of parameters, or of what ``**kwargs`` takes, that are no part of the key.
        required: names of the same kinds that must be passed explicitly.
    """

    signature: Signature
    qualname: str
    ignored: frozenset[str]
    required: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """The names of all parameters."""
        return frozenset(one.name for one in self.signature.parameters)

    @property
    def kept(self) -> tuple[Parameter, ...]:
        """The parameters that are part of the key."""
        return tuple(one for one in self.signature.parameters if one.name not in self.ignored)


def compile_bind(
    plan: Plan, flatten: Callable[[dict[str, Any]], dict[str, Any]]
) -> types.FunctionType:
    """Return a function of the planned signature that returns its arguments by name.

    Args:
        plan: what to compile for.
        flatten: makes canonical names and order of what ``**kwargs`` took.
    """
    scope = _Scope(plan, flatten=flatten)
    items = [
        f"**{scope['flatten']}({one.name})"
        if one.kind is Kinds.VAR_KEYWORD
        else f"{one.name!r}: {one.name}"
        for one in plan.kept
    ]
    body = [f"return {{{', '.join(items)}}}"]
    return scope.function(body, plan.signature.defaults, plan.signature.keyword_defaults)


def compile_explicit(plan: Plan) -> types.FunctionType:
    """Return a function of the planned signature: whether all required parameters were passed."""
    scope = _Scope(plan, absent=_ABSENT)
    missing = " or ".join(_missing(plan, scope)) or "False"
    return scope.function([f"return not ({missing})"], *_shadowed(plan))


def compile_token(
    plan: Plan,
    dumps: Callable[[Any, int], bytes],
    identity: Any,
    function: types.FunctionType | None,
    code: types.CodeType | None,
) -> types.FunctionType:
    """Return a function of the planned signature that returns the token of its arguments.

    Args:
        plan: what to compile for.
        dumps: ``marshal.dumps``.
        identity: what tells this function's tokens from another's.
        function: the function bound for, if it is one whose defaults and code can be replaced.
        code: its code when the plan was made.
    """
    defaults, keyword_defaults = plan.signature.defaults, plan.signature.keyword_defaults
    scope = _Scope(
        plan,
        absent=_ABSENT, missing=MISSING, dumps=dumps, identity=identity, function=function,
        code=code, defaults=defaults, keyword_defaults=keyword_defaults, atoms=ATOMS, type=type,
        str=str, len=len, snapshot=snapshot, keywords=snapshot_keywords,
        ignored=plan.ignored - plan.names,
    )  # fmt: skip
    body = [
        *(_stale(plan, scope) if function is not None else ()),
        *_required(plan, scope),
        *(line for one in plan.kept for line in _checked(one, scope)),
        *_dumped(plan, scope),
    ]
    return scope.function(body, *_shadowed(plan))


class _Scope:
    """The globals of one compiled function, under names that are free in it."""

    def __init__(self, plan: Plan, **helpers: Any) -> None:
        self._plan = plan
        self._names = {
            label: _free_name(label, plan.names) for label in (*helpers, "self", "token")
        }
        self._globals = {self._names[label]: value for label, value in helpers.items()}

    def __getitem__(self, label: str) -> str:
        return self._names[label]

    def function(
        self,
        body: list[str],
        defaults: tuple[Any, ...] | None,
        keyword_defaults: dict[str, Any] | None,
    ) -> types.FunctionType:
        header = f"def {self['self']}({', '.join(_spelt(self._plan.signature.parameters))}):"
        source = "\n    ".join([header, *body])
        namespace: dict[str, Any] = {"__builtins__": {}, **self._globals}
        # The source holds identifiers that were checked, and nothing else from outside.
        exec(compile(source, f"<binder of {self._plan.qualname}>", "exec"), namespace)  # noqa: S102
        function: types.FunctionType = namespace[self["self"]]
        function.__qualname__ = self._plan.qualname
        function.__defaults__, function.__kwdefaults__ = defaults, keyword_defaults
        return function


def _free_name(label: str, taken: frozenset[str]) -> str:
    name = f"_{label}"
    while name in taken:
        name += "_"
    return name


def _spelt(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    kinds = [one.kind for one in parameters]
    bare_star = Kinds.KEYWORD_ONLY in kinds and Kinds.VAR_POSITIONAL not in kinds
    for index, one in enumerate(parameters):
        if one.kind is Kinds.KEYWORD_ONLY and bare_star:
            bare_star = False
            yield "*"
        yield _STARS.get(one.kind, "") + one.name
        if one.kind is Kinds.POSITIONAL_ONLY and Kinds.POSITIONAL_ONLY not in kinds[index + 1 :]:
            yield "/"


def _shadowed(plan: Plan) -> tuple[tuple[Any, ...] | None, dict[str, Any] | None]:
    """Return defaults that tell an argument that was passed from one that was not."""
    defaults, keyword_defaults = plan.signature.defaults, plan.signature.keyword_defaults
    if defaults:
        names = [one.name for one in plan.signature.parameters if one.is_positional]
        pairs = zip(names[-len(defaults) :], defaults, strict=False)
        defaults = tuple(_ABSENT if name in plan.required else value for name, value in pairs)
    if _shadows_keywords(plan):
        keyword_defaults = dict.fromkeys(keyword_defaults or {}, _ABSENT)
    return defaults, keyword_defaults


def _shadows_keywords(plan: Plan) -> bool:
    return not plan.required.isdisjoint(plan.signature.keyword_defaults or {})


def _missing(plan: Plan, scope: _Scope) -> Iterator[str]:
    """Yield conditions under which something required was not passed."""
    for one in plan.signature.parameters:
        if one.name in plan.required:
            variable = one.kind in {Kinds.VAR_POSITIONAL, Kinds.VAR_KEYWORD}
            yield f"not {one.name}" if variable else f"{one.name} is {scope['absent']}"
    rest = plan.signature.of_kind(Kinds.VAR_KEYWORD)
    if rest is not None:
        yield from (f"{name!r} not in {rest.name}" for name in sorted(plan.required - plan.names))


def _stale(plan: Plan, scope: _Scope) -> Iterator[str]:
    function = scope["function"]
    conditions = [
        f"{function}.__code__ is not {scope['code']}",
        f"{function}.__defaults__ is not {scope['defaults']}",
    ]
    if any(one.kind is Kinds.KEYWORD_ONLY for one in plan.signature.parameters):
        conditions.append(f"{function}.__kwdefaults__ is not {scope['keyword_defaults']}")
    yield f"if {' or '.join(conditions)}: return None"


def _required(plan: Plan, scope: _Scope) -> Iterator[str]:
    missing = " or ".join(_missing(plan, scope))
    if missing:
        yield f"if {missing}: return None"
    if _shadows_keywords(plan):
        # The real default is read now: its dict may be changed in place at any time.
        for name in plan.signature.keyword_defaults or {}:
            default = f"{scope['keyword_defaults']}.get({name!r}, {scope['absent']})"
            yield f"if {name} is {scope['absent']}: {name} = {default}"


def _checked(one: Parameter, scope: _Scope) -> Iterator[str]:
    """Yield lines that replace an argument by what can go into a token, or give up."""
    name, missing = one.name, scope["missing"]
    if one.kind is Kinds.VAR_KEYWORD:
        yield f"{name} = {scope['keywords']}({name}, {scope['ignored']}) if {name} else ()"
        yield f"if {name} is {missing}: return None"
    elif one.kind is Kinds.VAR_POSITIONAL:
        yield f"if {name}:"
        yield f"    {name} = {scope['snapshot']}({name})"
        yield f"    if {name} is {missing}: return None"
    else:
        kind, text = f"{scope['type']}({name})", f"{scope['len']}({name}) > {MAX_TEXT_LENGTH}"
        is_long = f"({kind} is not {scope['str']} or {text})"
        yield f"if {kind} not in {scope['atoms']} and {is_long}:"
        yield f"    {name} = {scope['snapshot']}({name})"
        yield f"    if {name} is {missing}: return None"


def _dumped(plan: Plan, scope: _Scope) -> Iterator[str]:
    token = scope["token"]
    values = ", ".join([scope["identity"], *(one.name for one in plan.kept)])
    yield f"{token} = {scope['dumps']}(({values},), {_MARSHAL_VERSION})"
    yield f"return {token} if {scope['len']}({token}) <= {MAX_TOKEN_LENGTH} else None"
