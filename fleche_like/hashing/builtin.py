"""Standard-library value types: each becomes a ``@`` kind over a stand-in of builtin values.

Types of modules that are rarely loaded are found by name, so that nothing is imported for them.
A subclass keeps its own name and state around the content of the builtin type it derives from.
"""

from __future__ import annotations

import collections
import datetime as dt
import functools
import gc
import re
import sys
import types
from collections.abc import Callable
from typing import Any

from fleche_like.hashing import bulk, classes, functions, instances, tags, typeforms
from fleche_like.hashing.branch import (
    Branch,
    Fold,
    Handler,
    Label,
    Made,
    attributes,
    entry,
    group,
    hidden,
    kind,
    listing,
    member,
    named,
    part,
    refuse,
)
from fleche_like.hashing.names import module_name, object_head

Reducer = Callable[[Any], Any]

_BIG_ENDIAN = sys.byteorder == "big"


def _kind(name: str, reduce: Reducer, label: Label = hidden) -> Handler:
    return lambda value: kind(name, reduce(value), label)


def _singleton(name: str) -> Handler:
    return lambda _value: kind(name, None)


def _unordered(tag: bytes, iterate: Callable[[Any], Any]) -> Handler:
    """A set's elements, copied through the base type so that no override has a say."""

    def handle(value: Any) -> Made:
        items = [*iterate(value)]
        head = tag + tags.length(len(items))
        if tags.SCALARS.issuperset(map(type, items)):
            return head + b"".join(sorted(bulk.scalars(items)))
        return Branch(head, items, label=member, fold=Fold.SORTED)

    return handle


def _array(value: Any) -> tuple[str, int, bytes]:
    if _BIG_ENDIAN:
        value = value[:]
        value.byteswap()
    return value.typecode, value.itemsize, value.tobytes()


def _memoryview(value: memoryview) -> tuple[Any, ...]:
    return value.format, value.itemsize, value.shape, value.tobytes("C")


def _cell(value: types.CellType) -> Any:
    return group(tuple(functions.contents(value)))


def _partial_method(value: Any) -> Branch:
    return group((value.func, value.args, dict(sorted(value.keywords.items()))))


def _zone(value: Any) -> Any:
    if value.key is None:
        refuse("made from a file has no key; use ZoneInfo(key)")
    return value.key


def _path(value: Any) -> str:
    """The text as the library spells it, whatever a subclass says."""
    text: str = sys.modules["pathlib"].PurePath.__str__(value)
    return text


def _decimal(value: Any) -> tuple[int, str, Any]:
    sign, digits, exponent = value.as_tuple()
    return sign, "".join(map(str, digits)), exponent


def _datetime(v: dt.datetime) -> tuple[Any, ...]:
    return v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo


def _time(v: dt.time) -> tuple[Any, ...]:
    return v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo


def _interface(value: Any) -> tuple[Any, ...]:
    return int(value), getattr(value, "scope_id", None), value.network.prefixlen


def _network(value: Any) -> tuple[Any, ...]:
    return value.network_address, value.prefixlen


def _random(value: Any) -> Any:
    try:
        return value.getstate()
    except NotImplementedError:
        refuse("draws from the system and has no state")


def _default_dict(value: Any) -> Branch:
    return group((value.default_factory, _mapping(value)), named(".default_factory", ""))


def _mapping(value: Any) -> Branch:
    """A dict's own pairs: ``dict.copy`` would ask a subclass for its keys."""
    pairs = [*dict.items(value)]
    plain = bulk.tree(dict(pairs)) if _are_plain_keys(pairs) else None
    if plain is not None:
        return Branch(plain, ())
    children = [part for pair in pairs for part in pair]
    return Branch(tags.DICT, children, tags.DICT_END, label=entry)


def _are_plain_keys(pairs: list[tuple[Any, Any]]) -> bool:
    """Tell whether keys may be compared: never by somebody else's method."""
    return tags.SCALARS.issuperset(type(key) for key, _value in pairs)


def _bytearray(value: bytearray) -> bytes:
    return bytes(bytearray.__getitem__(value, slice(None)))


def _proxied(value: Any) -> Any:
    """The mapping itself: whatever its methods say."""
    return gc.get_referents(value)[0]


def _items(value: Any) -> list[Any]:
    return [*collections.OrderedDict.items(value)]


def _deque(value: Any) -> Branch:
    return group((value.maxlen, listing([*collections.deque.__iter__(value)])))


# Exact types that are always loaded.
EXACT: dict[type, Handler] = {
    set: _unordered(tags.SET, set.__iter__),
    frozenset: _unordered(tags.FROZENSET, frozenset.__iter__),
    type(Ellipsis): _singleton("builtins.Ellipsis"),
    type(NotImplemented): _singleton("builtins.NotImplemented"),
    bytearray: _kind("builtins.bytearray", _bytearray),
    memoryview: _kind("builtins.memoryview", _memoryview),
    range: _kind("builtins.range", lambda v: (v.start, v.stop, v.step)),
    slice: _kind("builtins.slice", lambda v: (v.start, v.stop, v.step)),
    dt.datetime: _kind("datetime.datetime", _datetime),
    dt.date: _kind("datetime.date", lambda v: (v.year, v.month, v.day)),
    dt.time: _kind("datetime.time", _time),
    dt.timedelta: _kind("datetime.timedelta", lambda v: (v.days, v.seconds, v.microseconds)),
    dt.timezone: _kind("datetime.timezone", lambda v: v.__getinitargs__()),
    re.Pattern: _kind("re.Pattern", lambda v: (v.pattern, v.flags)),
    collections.deque: _kind("collections.deque", _deque),
    collections.OrderedDict: _kind("collections.OrderedDict", _items),
    collections.defaultdict: _kind("collections.defaultdict", _default_dict),
    collections.Counter: _kind("collections.Counter", _mapping),
    collections.ChainMap: _kind("collections.ChainMap", lambda v: v.maps, named(".maps")),
    types.MappingProxyType: _kind("types.MappingProxyType", _proxied),
    types.SimpleNamespace: _kind("types.SimpleNamespace", lambda v: attributes(v.__dict__)),
    types.ModuleType: _kind("module", module_name),
    types.GenericAlias: typeforms.generic,
    types.UnionType: typeforms.union,
    types.CellType: _kind("types.CellType", _cell),
    functools.partial: functions.partial,
    types.FunctionType: functions.function,
    types.BuiltinFunctionType: functions.builtin,
    types.MethodType: functions.bound_method,
    types.MethodWrapperType: functions.builtin,
    types.WrapperDescriptorType: functions.descriptor,
    types.MethodDescriptorType: functions.descriptor,
    types.ClassMethodDescriptorType: functions.descriptor,
    types.GetSetDescriptorType: functions.descriptor,
    types.MemberDescriptorType: functions.descriptor,
    staticmethod: _kind("builtins.staticmethod", lambda v: v.__func__),
    classmethod: _kind("builtins.classmethod", lambda v: v.__func__),
    property: _kind("builtins.property", lambda v: (v.fget, v.fset, v.fdel)),
    type(functools.lru_cache(len)): _kind("functools.lru_cache", lambda v: v.__wrapped__),
    type: classes.class_,
}

# The same for modules that may not be loaded: "module.qualname" -> kind and reducer.
_NAMED: dict[str, tuple[str, Reducer]] = {
    "array.array": ("array.array", _array),
    "decimal.Decimal": ("decimal.Decimal", _decimal),
    "fractions.Fraction": ("fractions.Fraction", lambda v: (v.numerator, v.denominator)),
    "uuid.UUID": ("uuid.UUID", lambda v: (v.int, v.is_safe.value)),
    "zoneinfo.ZoneInfo": ("zoneinfo.ZoneInfo", _zone),
    "random.Random": ("random.Random", _random),
    "_struct.Struct": ("struct.Struct", lambda v: v.format),
    "functools.cached_property": ("functools.cached_property", lambda v: (v.func, v.attrname)),
    "functools.partialmethod": ("functools.partialmethod", _partial_method),
    "ipaddress.IPv4Address": ("ipaddress.IPv4Address", int),
    "ipaddress.IPv6Address": ("ipaddress.IPv6Address", lambda v: (int(v), v.scope_id)),
    "ipaddress.IPv4Network": ("ipaddress.IPv4Network", _network),
    "ipaddress.IPv6Network": ("ipaddress.IPv6Network", _network),
    "ipaddress.IPv4Interface": ("ipaddress.IPv4Interface", _interface),
    "ipaddress.IPv6Interface": ("ipaddress.IPv6Interface", _interface),
    # Python 3.13 moved these to pathlib._local and 3.14 back; the kind stays.
    **{
        f"{module}.{name}": (f"pathlib.{name}", _path)
        for module in ("pathlib", "pathlib._local")
        for name in ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
    },
}

# Builtin types whose subclasses are content (as the builtin type) plus a state of their own.
_CONTENT: dict[type, Reducer] = {
    list: lambda v: list.__getitem__(v, slice(None)),
    tuple: lambda v: tuple.__getitem__(v, slice(None)),
    dict: _mapping,
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    bytes: lambda v: bytes.__getitem__(v, slice(None)),
}


def find_exact(cls: type) -> Handler | None:
    """Return the handler of a standard-library type, itself and not a subclass, or None."""
    if cls.__name__ == "cython_function_or_method":
        return functions.builtin
    return EXACT.get(cls) or _find_named(cls) or typeforms.find(cls)


def find_base(cls: type) -> Handler | None:
    """Return a handler for a subclass of a builtin or standard-library type, or None."""
    if issubclass(cls, types.ModuleType):
        return EXACT[types.ModuleType]
    special = instances.enum_handler(cls)
    if special is not None:
        return special
    for base in cls.__mro__[1:]:
        content = _content(base)
        if content is not None:
            return _subclass(cls, content)
    return None


def _find_named(cls: type) -> Handler | None:
    entry = _NAMED.get(f"{cls.__module__}.{cls.__qualname__}")
    # A class that merely bears the name is not the one that the module holds.
    if entry is None or getattr(sys.modules.get(cls.__module__), cls.__name__, None) is not cls:
        return None
    return _kind(*entry)


def _content(base: type) -> Reducer | None:
    handler = find_exact(base)
    return _CONTENT.get(base) or (handler and (lambda value: part(handler(value))))


def _subclass(cls: type, content: Reducer) -> Handler:
    """Content under the name of the subclass, field names if it has some, and its state."""
    # "subclass" and the three children below.
    head = object_head(cls) + tags.TUPLE + tags.length(4) + bulk.scalar("subclass")
    fields = getattr(cls, "_fields", None) if issubclass(cls, tuple) else None

    def handle(value: Any) -> Branch:
        return Branch(head, (fields, content(value), instances.extra_state(value)))

    return handle
