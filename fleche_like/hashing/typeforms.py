"""Type annotations as values: generics, unions, forward references, type variables.

How :mod:`typing` builds them changed from version to version; what is written here did not.
``int | None`` and ``Optional[int]`` are one value, as they are one type from Python 3.14 on.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from fleche_like.hashing import tags
from fleche_like.hashing.branch import Branch, Handler, Made, group, item, kind, named
from fleche_like.hashing.names import module_name

_FORM_LABELS = named("", ".__origin__", "", "")
_VARIABLE_LABELS = named("", "", "", "", ".__bound__", ".__constraints__", "")


def _arguments(value: Any) -> Branch:
    arguments = value.__args__
    return Branch(tags.TUPLE + tags.length(len(arguments)), arguments, label=item)


def generic(value: Any) -> Made:
    """``list[int]``; whether it is unpacked (``*tuple[int]``) counts."""
    parts = (value.__origin__, _arguments(value), getattr(value, "__unpacked__", False))
    return kind("types.GenericAlias", group(parts))


def union(value: Any) -> Made:
    """``int | str``; the order of its members can be seen and counts."""
    return kind("types.UnionType", group((_arguments(value),)))


def _form(value: Any) -> Made:
    """``List[int]``, ``Callable[[int], str]``, ``Literal[1]``, ``Annotated[…]``, ``Mine[T]``."""
    if value.__origin__ is typing.Union:
        return union(value)
    metadata = getattr(value, "__metadata__", None)
    name = None if metadata else value._name
    parts = (name, value.__origin__, _arguments(value), metadata)
    return kind("typing.GenericAlias", group(parts, _FORM_LABELS))


def _special(value: Any) -> Made:
    return kind("typing.form", value._name)


def _reference(value: Any) -> Made:
    module = getattr(value, "__forward_module__", None)
    return kind("typing.ForwardRef", group((value.__forward_arg__, module)))


def _variable(value: Any) -> Made:
    flags = tuple(
        bool(getattr(value, f"__{flag}__", False))
        for flag in ("covariant", "contravariant", "infer_variance")
    )
    bound, constraints = (getattr(value, f"__{n}__", None) for n in ("bound", "constraints"))
    # What no bound looks like changed in 3.12.
    bound = None if bound is type(None) else bound
    name = type(value).__name__
    parts = (name, module_name(value), value.__name__, flags, bound, constraints)
    return kind("typing.TypeVar", group(parts, _VARIABLE_LABELS))


def _component(value: Any) -> Made:
    """``P.args`` and ``P.kwargs``."""
    return kind("typing.ParamSpec", group((type(value).__name__, value.__origin__)))


def _new_type(value: Any) -> Made:
    names = module_name(value), value.__qualname__
    return kind("typing.NewType", group((*names, value.__supertype__)))


def _alias(value: Any) -> Made:
    """``type X = …``, by its name: what it stands for is only known when it is used."""
    return kind("typing.TypeAliasType", (module_name(value), value.__name__))


# By name, for some live in other modules, or not at all, in other versions of Python.
_HANDLERS: dict[str, Handler] = {
    "_GenericAlias": _form,
    "_LiteralGenericAlias": _form,
    "_AnnotatedAlias": _form,
    "_CallableGenericAlias": _form,
    "_ConcatenateGenericAlias": _form,
    "_UnpackGenericAlias": _form,
    "_UnionGenericAlias": _form,
    "Union": union,
    "_SpecialForm": _special,
    "_SpecialGenericAlias": _special,
    "_CallableType": _special,
    "_TupleType": _special,
    "_TypedCacheSpecialForm": _special,
    "_AnyMeta": _special,
    "_LiteralSpecialForm": _special,
    "ForwardRef": _reference,
    "TypeVar": _variable,
    "TypeVarTuple": _variable,
    "ParamSpec": _variable,
    "ParamSpecArgs": _component,
    "ParamSpecKwargs": _component,
    "NewType": _new_type,
    "TypeAliasType": _alias,
}


def find(cls: type) -> Handler | None:
    """Return the handler of a form of annotation that the standard library defines, or None."""
    if cls.__module__ not in ("typing", "annotationlib", "collections.abc", "_collections_abc"):
        return None
    if issubclass(cls, types.GenericAlias):
        return generic
    return None if issubclass(cls, type) else _HANDLERS.get(cls.__name__)
