"""What a class of the project is made of: code, data, and how it is declared."""

from __future__ import annotations

import abc
import types
from typing import Any, Final

from fleche_like.hashing import type_names
from fleche_like.hashing.classes import annotated_names, is_generated, is_machinery
from fleche_like.memo.contents import DESCRIPTORS, held_by, is_dependency, wrapped_by

_WRITTEN_BY_PYTHON: Final = frozenset(
    {
        "__dataclass_fields__", "__dataclass_params__", "__slots__",
        "__signature__", "__attrs_attrs__", "__replace__", "__hash__", "_abc_impl",
    }
)  # fmt: skip
_COMPARISONS: Final = frozenset({"__eq__", "__lt__", "__le__", "__gt__", "__ge__"})
_SLOTS: Final = (
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.WrapperDescriptorType,
)


def members_of(cls: type) -> dict[str, Any]:
    """Return what a class defines itself, without what Python or a decorator wrote."""
    found = sorted(vars(cls).items())
    return {name: value for name, value in found if not _is_written(name, value, cls)}


def _is_written(name: str, value: Any, cls: type) -> bool:
    functions = [value] if isinstance(value, types.FunctionType) else held_by(value)
    functions = [each for each in functions if isinstance(each, types.FunctionType)]
    if functions:
        return all(is_generated(each, cls) for each in functions)
    if is_dependency(value):
        return False
    if name == "__match_args__":
        return value in _generated_patterns(cls)
    return name in _WRITTEN_BY_PYTHON or isinstance(value, _SLOTS) or is_machinery(name, cls)


def _generated_patterns(cls: type) -> list[tuple[str, ...]]:
    """Return what a decorator may write as ``__match_args__``: it follows from the fields."""
    fields = vars(cls).get("__dataclass_fields__", {}).values()
    attributes = vars(cls).get("__attrs_attrs__", ())
    of_fields = (each for each in (*fields, *attributes) if each.init and not each.kw_only)
    return [tuple(each.name for each in of_fields), vars(cls).get("_fields", ())]


def code_of(cls: type) -> dict[str, Any]:
    """Return the members of a class that are code: functions, descriptors, nested classes."""
    return {name: value for name, value in members_of(cls).items() if is_code(value)}


def methods_of(cls: type) -> list[types.FunctionType]:
    """Return the plain functions of a class, those inside descriptors included."""
    members = code_of(cls).values()
    held = [each for member in members for each in (member, *held_by(member))]
    return [each for each in held if isinstance(each, types.FunctionType)]


def data_of(cls: type) -> dict[str, Any]:
    """Return the members of a class that are data, the values of an enumeration among them."""
    plain = {name: value for name, value in members_of(cls).items() if not is_code(value)}
    values = {name: each._value_ for name, each in vars(cls).get("_member_map_", {}).items()}
    return {**plain, **values}


def attributes_of_members(cls: type) -> dict[str, tuple[dict[str, Any], str]]:
    """Return where the members of an enumeration hold attributes beside their values.

    By what each is called: the namespace and the name in it.
    """
    spaces = {name: vars(each) for name, each in vars(cls).get("_member_map_", {}).items()}
    return {
        f"{member}.{name}": (space, name)
        for member, space in spaces.items()
        for name in sorted(space)
        if not (name.startswith("_") and name.endswith("_"))
    }


def generated_of(cls: type) -> list[str]:
    """Return the names of functions that a decorator wrote: what they do follows from the rest."""
    functions = {
        name
        for name, each in vars(cls).items()
        if any(isinstance(held, types.FunctionType) for held in (each, *held_by(each)))
    }
    return sorted(functions - code_of(cls).keys())


def is_code(value: Any) -> bool:
    """Whether a member of a class is a function, or something that holds one."""
    return (
        isinstance(value, (types.FunctionType, type, *DESCRIPTORS))
        or is_dependency(value)
        or wrapped_by(value) is not None
    )


def references_of(cls: type) -> list[Any]:
    """Return all that leads on from a class: bases, metaclass, code, and factories of fields."""
    return [*cls.__bases__, type(cls), *code_of(cls).values(), *factories_of(cls).values()]


def declaration_of(cls: type) -> dict[str, Any]:
    """Return how a class is declared, as far as it is no value: annotations, fields, options."""
    fields = vars(cls).get("__dataclass_fields__", {})
    options = vars(cls).get("__dataclass_params__")
    return {
        "annotations": annotated_names(cls),
        "fields": {name: _options(each) for name, each in fields.items()},
        "options": _options(options),
        "slots": [*map(str, _slots(cls))],
        "members": [*vars(cls).get("_member_map_", {})],
        **_further(cls),
    }


def _further(cls: type) -> dict[str, Any]:
    """Return what few classes have, so that the others are declared as without it."""
    found = {
        "abstract": sorted(vars(cls).get("__abstractmethods__", ())),
        "registered": sorted(map(type_names, registered_with(cls))),
        "compared": _compared(cls),
    }
    return {name: each for name, each in found.items() if each}


def _compared(cls: type) -> list[str]:
    """Return which comparisons a decorator wrote whose options are not told otherwise."""
    if not vars(cls).keys().isdisjoint(("__dataclass_fields__", "_fields", "_member_map_")):
        return []
    return [name for name in generated_of(cls) if name in _COMPARISONS]


def registered_with(cls: type) -> list[type]:
    """Return the classes that are registered as virtual subclasses of an abstract one."""
    if "_abc_impl" not in vars(cls) or not hasattr(abc, "_get_dump"):
        return []
    found = (reference() for reference in abc._get_dump(cls)[0])
    return [each for each in found if each is not None]


def _slots(cls: type) -> Any:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


def _options(declared: Any) -> dict[str, Any]:
    """Return the flags of a dataclass or of one of its fields."""
    names = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "hash", "compare", "kw_only")
    found = ((name, getattr(declared, name, None)) for name in names)
    return {name: value for name, value in found if isinstance(value, bool)}


def factories_of(cls: type) -> dict[str, Any]:
    """Return what makes the defaults of a dataclass' fields, by field."""
    fields = vars(cls).get("__dataclass_fields__", {})
    found = ((name, getattr(each, "default_factory", None)) for name, each in fields.items())
    return {name: each for name, each in found if callable(each) and not _is_missing(each)}


def _is_missing(value: Any) -> bool:
    return type(value).__name__ == "_MISSING_TYPE"
