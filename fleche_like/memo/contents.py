"""What sits inside a value that code could be reached through."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol, runtime_checkable

from fleche_like.cache import is_immutable
from fleche_like.hashing import function_code_digest, is_node, type_names
from fleche_like.hashing.tags import SCALARS
from fleche_like.memo.own import is_own_namespace

MOST_ITEMS: Final = 1_000
"""Items of one container that are looked at."""

MOST_VALUES: Final = 5_000
"""Values that are looked at in one search."""

SEQUENCES: Final = (list, tuple, set, frozenset, collections.deque)
MAPPINGS: Final = (dict, types.MappingProxyType, collections.OrderedDict, collections.defaultdict)
DESCRIPTORS: Final = (
    property,
    staticmethod,
    classmethod,
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
)
_SETS: Final = (set, frozenset)
_TYPE_FORMS: Final = (types.GenericAlias, types.UnionType)
_ENTERED_NOWHERE: Final = (type, types.ModuleType)
_HELD: Final = ("fget", "fset", "fdel", "__func__", "func", "dispatcher", "args", "keywords")


@runtime_checkable
class Dependency(Protocol):
    """A callable that answers for another one: what :func:`fleche_like.memoize` makes."""

    def __dependency__(self) -> tuple[Any, Any]:
        """Return what stands for it beside its function's code, and the function (or ``None``)."""
        ...


def is_dependency(value: Any) -> bool:
    """Whether a value answers for a function; asks its type alone."""
    return hasattr(type(value), "__dependency__")


def wrapped_by(value: Any) -> Any:
    """Return what a callable that is no function says it wraps, else ``None``."""
    if isinstance(value, type | types.FunctionType) or not callable(value):
        return None
    return attributes_of(value).get("__wrapped__")


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an instance, those in slots included; runs no code of its class."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        found = {}
    slots = {name: slot for base in type(value).__mro__ for name, slot in _slots(base)}
    if slots:
        found = {**found, **{n: held for n, slot in slots.items() for held in _held(slot, value)}}
    return found if isinstance(found, dict) else {}


def _slots(cls: type) -> Iterator[tuple[str, types.MemberDescriptorType]]:
    # By what the class holds: ``__slots__`` may be one text, and names in it private ones.
    if "__slots__" in vars(cls):
        for name, slot in vars(cls).items():
            if isinstance(slot, types.MemberDescriptorType):
                yield name, slot


def _held(slot: types.MemberDescriptorType, value: Any) -> Iterator[Any]:
    try:
        yield slot.__get__(value)
    except AttributeError:  # not assigned
        return


def cell_values(function: types.FunctionType) -> Iterator[Any]:
    """Yield what the closure of a function holds."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def items_of(value: Any) -> Iterable[Any]:
    """Return what sits directly inside a value; nothing for scalars, arrays, classes, modules."""
    kind = type(value)
    if issubclass(kind, BaseException):
        # Asking an exception for its dict makes one, and so changes how it is digested.
        return _of_interest(BaseException.args.__get__(value))  # type: ignore[attr-defined]
    if kind in SCALARS or issubclass(kind, _ENTERED_NOWHERE):
        return ()
    held = held_by(value)
    if held or is_immutable(value):
        return held
    if is_node(value):
        return _of_interest(_objects_of(value))
    if kind in _TYPE_FORMS:
        return _of_interest((*value.__args__, getattr(value, "__origin__", None)))
    inside = [*_contained(value), *_factory_of(value)]
    if kind not in SEQUENCES and kind not in MAPPINGS:
        inside += _of_interest(attributes_of(value).values())
    return inside


def _factory_of(value: Any) -> Iterator[Any]:
    if issubclass(type(value), collections.defaultdict) and value.default_factory is not None:
        yield value.default_factory


def _contained(value: Any) -> Iterable[Any]:
    """Return the items of a container; of a subclass too, past what its own methods say."""
    base: Any
    for base in SEQUENCES:
        if issubclass(type(value), base):
            found = _of_interest(base.__iter__(value))
            # The order of a set is another one in every process.
            return sorted(found, key=_order) if base in _SETS else found
    if issubclass(type(value), dict):
        return [*_of_interest(dict.__iter__(value)), *_of_interest(dict.values(value))]
    if type(value) is types.MappingProxyType:
        return [*_of_interest(value), *_of_interest(value.values())]
    return ()


def _order(value: Any) -> tuple[str, ...]:
    names = type_names(type(value))
    if type(value) is types.FunctionType:
        return (*names, value.__module__ or "", value.__qualname__, function_code_digest(value))
    return (*names, *type_names(value)) if issubclass(type(value), type) else names


def _objects_of(node: Any) -> Iterable[Any]:
    """Return the Python objects in an array, a series or the columns of a frame."""
    if isinstance(getattr(node, "__array_interface__", None), dict):
        return node.ravel().tolist() if node.dtype.hasobject else ()
    if not any(base.__module__.startswith("pandas.") for base in type(node).__mro__):
        return ()
    columns = [node] if node.ndim == 1 else [node.iloc[:, at] for at in range(node.shape[1])]
    return [item for each in columns if each.dtype == "object" for item in each.tolist()]


def held_by(value: Any) -> list[Any]:
    """Return what a partial, a bound method or a descriptor of a class holds."""
    if type(value) is functools.partial:
        return [value.func, *value.args, *value.keywords.values()]
    if type(value) is types.MethodType:
        return [value.__func__, value.__self__]
    if type(value) not in DESCRIPTORS:
        return []
    held = (getattr(value, name, None) for name in _HELD)
    return [each for each in held if each is not None]


def _of_interest(items: Iterable[Any]) -> list[Any]:
    """Return the items that are no scalars: of very many the first, and one of each type."""
    try:
        found = [*items]
    except RuntimeError:  # another thread changes it
        return []
    if not {*map(type, found)} - SCALARS:
        return []
    late = {type(each): each for each in found[MOST_ITEMS:]}
    return [each for each in (*found[:MOST_ITEMS], *late.values()) if type(each) not in SCALARS]


_MOST_OF_ONE_TYPE: Final = 50
_ALL_OF: Final = {*SEQUENCES, *MAPPINGS, types.FunctionType, type}


def code_inside(values: Iterable[Any]) -> Iterator[Any]:
    """Yield functions, and classes of instances, that values hold at any depth.

    Of very many instances of one class only the first few are looked into; containers all are.
    """
    waiting = [each for each in values if type(each) not in SCALARS][::-1]
    seen: dict[int, Any] = {}
    counts: collections.Counter[type] = collections.Counter()
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if id(value) in seen or (kind not in _ALL_OF and counts[kind] >= _MOST_OF_ONE_TYPE):
            continue
        seen[id(value)] = value
        counts[kind] += 1
        if kind is types.FunctionType or issubclass(kind, type | types.ModuleType):
            yield value
            if kind is types.FunctionType and not is_own_namespace(value.__globals__):
                # What a decorator of an installed package wraps is the project's, not itself.
                waiting += [*cell_values(value)][::-1]
                waiting.append(value.__dict__.get("__wrapped__"))
        elif is_dependency(value):
            waiting.append(value.__dependency__()[1])
        else:
            yield kind
            waiting += [*items_of(value)][::-1]
