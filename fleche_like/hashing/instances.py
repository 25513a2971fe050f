"""Plain instances: the name of their class over the state that they would be copied by."""

from __future__ import annotations

import copyreg
import enum
import functools
import types
import weakref
from typing import Any

from fleche_like.hashing import bulk, tags
from fleche_like.hashing.branch import (
    Branch,
    Handler,
    Made,
    attributes,
    group,
    kind,
    named,
    part,
    refuse,
)
from fleche_like.hashing.names import module_name, object_head, type_names

_ITERATED = "is consumed by looking at it; pass list(...) of it, or what makes it"
_MOMENT = "is a moment of a running program, not a value"
_VIEW = "is a live view of another object; pass list(...) of it, or the object"
_MATCH = "belongs to a search; pass what it matched: .group(), .groups() or .span()"
_CONTEXT = "means what its context says; pass its value: .get()"
_WEAK = "may lose what it refers to at any time; pass what it refers to"
_THREAD = "is something that runs, not a value; pass what it works on"
_GUARD = "guards a process and has no value; leave it out of the state (__getstate__)"
_CONNECTION = "is a connection, not a value; pass its address, or what was read from it"
_REFUSED: dict[str, str] = {
    "builtins.coroutine": "has no value before it is awaited; pass its result",
    "builtins.frame": _MOMENT,
    "builtins.traceback": _MOMENT,
    "builtins.code": "belongs to a function; pass the function",
    "builtins.object": "has no state that tells it from others; use an enum member as a sentinel",
    "builtins.dict_keys": _VIEW,
    "builtins.dict_values": _VIEW,
    "builtins.dict_items": _VIEW,
    "collections.odict_keys": _VIEW,
    "collections.odict_values": _VIEW,
    "collections.odict_items": _VIEW,
    "re.Match": _MATCH,
    "_contextvars.ContextVar": _CONTEXT,
    "_contextvars.Context": _CONTEXT,
    "weakref.ReferenceType": _WEAK,
    "weakref.ProxyType": _WEAK,
    "weakref.CallableProxyType": _WEAK,
    "_weakrefset.WeakSet": _WEAK,
    "weakref.WeakKeyDictionary": _WEAK,
    "weakref.WeakValueDictionary": _WEAK,
    "weakref.WeakMethod": _WEAK,
    "threading.Thread": _THREAD,
    "subprocess.Popen": _THREAD,
    "_asyncio.Task": _THREAD,
    "_asyncio.Future": _THREAD,
    "concurrent.futures._base.Future": _THREAD,
    "asyncio.locks.Lock": _GUARD,
    "asyncio.locks.Event": _GUARD,
    "asyncio.locks.Condition": _GUARD,
    "asyncio.locks.Semaphore": _GUARD,
    "_thread.lock": _GUARD,
    "_thread.RLock": _GUARD,
    "threading.Condition": _GUARD,
    "threading.Event": _GUARD,
    "threading.Semaphore": _GUARD,
    "threading.Barrier": _GUARD,
    "_thread._local": _GUARD,
    "socket.socket": _CONNECTION,
    "_socket.socket": _CONNECTION,
}
_REMEDY = "has no stable identity; give it a __digest__ method or use register_digest()"
_FILE = "is an open file; pass its path, or what was read from it"


def handler(cls: type) -> Handler:
    """Return the handler of last resort for instances of ``cls``."""
    reason = _why_refused(cls)
    if reason is not None:
        return _refusing(reason)
    fields = _attrs_fields(cls)
    if fields is not None:
        return _attrs(cls, fields)
    head = object_head(cls)
    copier = _registered_copier(cls)
    if copier is None and _copies_by_default(cls):
        if hasattr(cls, "__getnewargs__") or hasattr(cls, "__getnewargs_ex__"):
            return lambda value: _by_state(head, value)
        return _StateHandler(head)
    return lambda value: _by_reduction(head, value, copier)


def _registered_copier(cls: type) -> Any:
    """Return what ``copyreg`` knows of a type, exceptions apart.

    Libraries that carry tracebacks from process to process register every exception there that is
    loaded when they are imported; what the copy of an error is must not depend on that.
    """
    return None if issubclass(cls, BaseException) else copyreg.dispatch_table.get(cls)


def enum_handler(cls: type) -> Handler | None:
    """Return the handler of an enumeration's members: class and name with value, or flags."""
    if not issubclass(cls, enum.Enum):
        return None
    head = object_head(cls)
    if issubclass(cls, enum.Flag):
        # Names of combined flags differ between versions of Python; their bits do not.
        return lambda member: _over_parts(head, ("flag", member._value_))
    return lambda member: _over_parts(head, ("enum", member._name_, _enum_value(member)))


_ENUM_LABELS = named("", "", ".value")


def _over_parts(head: bytes, parts: tuple[Any, ...]) -> Made:
    if tags.SCALARS.issuperset(map(type, parts)):
        encoding = bulk.tree(parts)
        if encoding is not None:
            return head + encoding
    return Branch(head, (group(parts, _ENUM_LABELS),))


def _enum_value(member: Any) -> Any:
    """Return a member's value; a plain ``object()`` tells nothing that the name does not."""
    value = member._value_
    return part(kind("sentinel", None)) if type(value) is object else value


def extra_state(value: Any) -> Any:
    """Return the state that an instance of a subclass of a builtin type carries besides it."""
    state = value.__getstate__()
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        state = (state[0], _without_path_slots(type(value), state[1]))
        state = state if state[1] else state[0]
    return attributes_of(value, state)


def _without_path_slots(cls: Any, slots: dict[str, Any]) -> dict[str, Any]:
    """Drop what paths remember of themselves, their hash among it."""
    bases = [b for b in cls.__mro__ if b.__module__.partition(".")[0] == "pathlib"]
    known = {name for base in bases for name in vars(base).get("__slots__", ())}
    return {name: each for name, each in slots.items() if name not in known}


def _why_refused(cls: type) -> str | None:
    for base in cls.__mro__:
        # ``object`` itself has no state, everything derived from it may have some.
        if base is object and cls is not object:
            break
        reason = _REFUSED.get(".".join(type_names(base)))
        if reason is not None:
            return reason
    if hasattr(cls, "read") and hasattr(cls, "close") and hasattr(cls, "__next__"):
        return _FILE
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return _ITERATED
    return None


def _refusing(reason: str) -> Handler:
    return lambda _value: refuse(reason)


def _copies_by_default(cls: Any) -> bool:
    default: Any = object
    return cls.__reduce_ex__ is default.__reduce_ex__ and cls.__reduce__ is default.__reduce__


def _by_state(head: bytes, value: Any) -> Branch:
    """An instance that pickle would make with ``__newobj__`` and fill with its state."""
    _function, arguments, state, *_items = _reduced(value)
    keywords = None
    if _function is not _newobj:
        keywords, arguments = arguments[2], (None, *arguments[1])
    parts = ("state", arguments[1:], keywords, attributes_of(value, state))
    return Branch(head, (group(parts),))


class _StateHandler:
    """Writes what :func:`_by_state` would, for a class whose instances are nothing but state.

    Whether a class hides state in C, so that it cannot be copied, is a property of the class: the
    first instance is asked through ``__reduce_ex__``, which is slow, the others are not.
    """

    def __init__(self, head: bytes) -> None:
        opening = tags.TUPLE + tags.length(4) + bulk.scalar("state")
        self._head = head
        self._opening = head + opening + tags.TUPLE + tags.length(0) + tags.NONE
        self._asked = False

    def __call__(self, value: Any) -> Made:
        if not self._asked:
            made = _by_state(self._head, value)
            self._asked = True
            return made
        state = attributes_of(value, value.__getstate__())
        if type(state) is Branch and not state.children:
            return self._opening + state.head + state.tail
        return Branch(self._opening, (state,))


_newobj = copyreg.__newobj__  # type: ignore[attr-defined]


def _by_reduction(head: bytes, value: Any, copier: Any) -> Branch:
    """An instance whose class (or ``copyreg``) says itself how it is made again."""
    reduced = copier(value) if copier is not None else _reduced(value)
    if isinstance(reduced, str):
        return Branch(head, (group(("global", module_name(value), reduced)),))
    function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    parts = (
        "reduce",
        _maker(function),
        arguments,
        # An error has an empty dict once somebody has looked at it.
        None if _is_untouched(value, state) else attributes_of(value, state),
        None if items is None else list(items),
        None if pairs is None else list(pairs),
    )
    return Branch(head, (group(parts),))


def _is_untouched(value: Any, state: Any) -> bool:
    return type(state) is dict and not state and issubclass(type(value), BaseException)


def _maker(function: Any) -> Any:
    """How an instance is made is told by a name alone: its code is not part of the value."""
    if isinstance(function, type):
        return part(kind("maker", type_names(function)))
    if isinstance(function, types.FunctionType | types.BuiltinFunctionType) or is_cython(function):
        return part(kind("maker", (module_name(function), function.__qualname__)))
    return function


def is_cython(function: Any) -> bool:
    """Tell whether Cython compiled a function; each of its versions has a type of its own."""
    return type(function).__name__ == "cython_function_or_method"


def _reduced(value: Any) -> Any:
    try:
        return value.__reduce_ex__(4)
    except TypeError as error:
        # What "cannot pickle" leaves open is what to do about it.
        if "pickle" not in str(error):
            raise
        refuse(_REMEDY)


def attributes_of(value: Any, state: Any) -> Any:
    """Return a state, its attributes labelled, without what ``cached_property`` computes again."""
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        return group(tuple(attributes_of(value, half) for half in state))
    if type(state) is not dict:
        return state
    cls: Any = type(value)
    cached = _cached_names(cls)
    return attributes({k: v for k, v in state.items() if k not in cached} if cached else state)


def _cached_names(cls: Any) -> frozenset[str]:
    known = _cached.get(cls)
    if known is None:
        known = _cached[cls] = frozenset(
            name
            for base in cls.__mro__
            for name, value in vars(base).items()
            if isinstance(value, functools.cached_property)
        )
    return known


# Keys of a plain dict would keep classes alive.
_cached: weakref.WeakKeyDictionary[Any, frozenset[str]] = weakref.WeakKeyDictionary()


def _attrs_fields(cls: type) -> tuple[str, ...] | None:
    fields = getattr(cls, "__attrs_attrs__", None)
    return None if fields is None else tuple(field.name for field in fields)


def _attrs(cls: type, fields: tuple[str, ...]) -> Handler:
    """An attrs instance: its fields in order, then other attributes; not its cached hash."""
    head = object_head(cls)

    def handle(value: Any) -> Branch:
        content = {name: getattr(value, name) for name in fields if hasattr(value, name)}
        for name, other in getattr(value, "__dict__", {}).items():
            if name != "_attrs_cached_hash":
                content.setdefault(name, other)
        return Branch(head, (group(("state", (), None, attributes_of(value, content))),))

    return handle
