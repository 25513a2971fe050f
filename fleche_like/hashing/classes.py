"""Classes as values: by name, bases and code.

The code of a class is that of the functions it defines itself, and its plain attributes. The
standard library and installed packages are known by the names of their classes: they change with
the environment, not with the project. Functions that a decorator wrote (``dataclass``, attrs)
follow from the fields and are left out.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from fleche_like.hashing import bulk, tags
from fleche_like.hashing.branch import Branch, Made, group, kind, named, part
from fleche_like.hashing.carried import closure_of, globals_of
from fleche_like.hashing.code import function_code_digest
from fleche_like.hashing.installed import is_installed
from fleche_like.hashing.names import type_names
from fleche_like.hashing.text import digest_node

_ANNOTATIONS_ARE_LAZY = sys.version_info >= (3, 14)
_HIDDEN = frozenset(
    (
        "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__slotnames__",
        "__firstlineno__", "__static_attributes__", "__annotations__", "__annotate__",
        "__annotate_func__", "__annotations_cache__", "__abstractmethods__",
        "__parameters__", "__orig_bases__", "__classcell__",
    )
)  # fmt: skip
_LABELS = named("", ".__bases__", "", "", "", "")


def class_(value: type) -> Made:
    """A class, by its qualified name; one of the project's own by its bases and code too."""
    names = type_names(value)
    if not _is_own(value):
        return kind("class", (*names, None))
    bases = Branch(tags.TUPLE + tags.length(len(value.__bases__)), value.__bases__)
    metaclass = type_names(type(value))
    return kind("class", group((*names, group((metaclass, bases, *_members(value)), _LABELS))))


def is_known_by_name(cls: type) -> bool:
    """Tell whether a class is the one that its module holds under its qualified name.

    Not so for classes that a function makes, that were replaced, and those of a notebook, whose
    names are given anew each time a cell runs. What is installed counts as known.
    """
    if not cls.__flags__ & _HEAP_TYPE:
        return True
    module = _module_of(cls)
    is_notebook = module is not None and module.__name__ == "__main__"
    return _is_held(cls) and not (is_notebook and not hasattr(module, "__file__"))


def _module_of(cls: type) -> types.ModuleType | None:
    return sys.modules.get(type.__dict__["__module__"].__get__(cls))


def _is_held(cls: type) -> bool:
    found: Any = _module_of(cls)
    for name in type_names(cls)[1].split("."):
        found = getattr(found, name, None)
    return found is cls


def _is_own(cls: type) -> bool:
    """Tell whether the project defines a class, rather than Python or an installed package."""
    if not cls.__flags__ & _HEAP_TYPE or cls.__module__ == "builtins":
        return False
    if not _is_held(cls):  # make_dataclass() says that a class of ours is from ``types``
        return True
    module = _module_of(cls)
    return not is_installed(getattr(module, "__file__", None), getattr(module, "__spec__", None))


_HEAP_TYPE = 1 << 9


def _members(cls: type) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]:
    """Return code and plain attributes by name, defaults of fields, and names of annotations."""
    code: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for name, member in sorted(vars(cls).items()):
        if is_machinery(name, cls):
            continue
        functions = _functions(member)
        written = [f for f in functions if not is_generated(f, cls)]
        if written:
            code[name] = (type(member).__name__, [_function(each, cls) for each in written])
        elif not functions:
            plain[name] = _attribute(member)
    return code, plain, _fields(cls), annotated_names(cls)


def is_machinery(name: str, cls: type) -> bool:
    """Tell whether a metaclass wrote an attribute, in the way of its own version."""
    if name in _HIDDEN or name.startswith("__pydantic_"):
        return True
    members = vars(cls).get("_member_map_")
    if members is None:
        return False
    private = name.startswith(f"_{cls.__name__.lstrip('_')}__")
    return name in members or (name.startswith("_") and not private)


def _fields(cls: Any) -> dict[str, Any]:
    """Return values of enumeration members, or the defaults of a dataclass' or a model's fields."""
    space = vars(cls)
    members = {name: each._value_ for name, each in space.get("_member_map_", {}).items()}
    fields = space.get("__dataclass_fields__") or space.get("__pydantic_fields__") or {}
    defaults = {name: getattr(field, "default", None) for name, field in fields.items()}
    return {name: _attribute(each) for name, each in {**members, **defaults}.items()}


def annotated_names(cls: type) -> list[str]:
    """Return the names that a class annotates, in their order."""
    if not _ANNOTATIONS_ARE_LAZY:
        found = vars(cls).get("__annotations__")
        # A metaclass has a descriptor there.
        return [*found] if isinstance(found, dict) else []
    library = importlib.import_module("annotationlib")
    return [*library.get_annotations(cls, format=library.Format.FORWARDREF)]


def _functions(member: Any) -> list[types.FunctionType]:
    """Return the Python functions of a member of a class, through the usual wrappers."""
    held = [getattr(member, name, None) for name in ("fget", "fset", "fdel", "__func__", "func")]
    return [f for f in (member, *held) if isinstance(f, types.FunctionType)]


def is_generated(function: types.FunctionType, cls: type) -> bool:
    """Tell whether a decorator wrote a function of a class, so that it follows from its fields."""
    file = function.__code__.co_filename
    if is_installed(file, None):
        return True
    made = ("__dataclass_fields__", "__attrs_attrs__", "_fields")
    if not function.__qualname__.endswith(f"{cls.__name__}.{function.__name__}"):
        return False  # put there afterwards, by a session whose source has no file
    return file.startswith(("<string>", "<attrs generated")) and any(n in vars(cls) for n in made)


def _function(function: types.FunctionType, cls: type) -> tuple[Any, ...]:
    defaults = function.__defaults__, function.__kwdefaults__
    code = part(digest_node(function_code_digest(function)))
    carried = () if _is_held(cls) else (closure_of(function), globals_of(function))
    return code, *map(_attribute, defaults), *(carried if any(carried) else ())


def _attribute(value: Any) -> Any:
    """Return a plain value itself, and of anything else the name of its type.

    It might hold anything, the class itself and what has no identity included.
    """
    if type(value) in tags.SCALARS or (type(value) in tags.CONTAINERS and bulk.is_plain(value)):
        return value
    # Without the module: that of C types moves from version to version.
    return Branch(bulk.scalar(type_names(type(value))[1]), ())
