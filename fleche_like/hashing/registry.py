"""Which handler digests a type: resolved once per type, cached, and forgotten on registration.

The order of precedence, for a type and then for its bases in method resolution order:

1. the builtin types of :data:`.tags.PLAIN`, sets and :class:`Digest`, which cannot be replaced;
2. :func:`register_digest`;
3. standard-library types (:mod:`.builtin`) and those of known libraries (:mod:`.arrays`,
   :mod:`.frames`, …), the latter found by the name of the type's module;
4. entry points of the group ``fleche_like.digest``, named after the type they handle;
5. a ``__digest__`` method;
6. subclasses of the types under 3 and of builtin ones, and the generic fallback
   (:mod:`.instances`).
"""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from fleche_like.hashing import builtin, classes, entrypoints, instances, libraries, tags
from fleche_like.hashing.branch import Fold, Handler, Made, group, kind, part
from fleche_like.hashing.text import Digest, digest_value, stand_in_node

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_FIXED = frozenset(tags.PLAIN | {set, frozenset, Digest, object, type})
_registered: dict[type, Callable[[Any], Any]] = {}
_lock = threading.Lock()

# By the identity of the type, and only while it lives: keys must not keep classes alive that were
# made for a while.
HANDLERS: dict[int, Handler] = {}
_alive: dict[int, weakref.ref[type]] = {}


def register_digest(cls: Any, fn: Callable[[Any], Any] | None = None) -> Any:
    """Teach the digest a type and its subclasses; usable as a decorator.

    Values of the type become nodes: inside a container they are folded in by their digest, so that
    a :class:`Digest` may stand in for them.

    Args:
        cls: the type. Builtin containers and scalars cannot be redefined.
        fn: takes a value and returns anything digestible that stands for it (which is digested
            together with the name of the value's type), or its :class:`Digest`.

    Returns:
        ``fn``, or a decorator that takes it.

    Raises:
        TypeError: ``cls`` is no type, or one whose encoding is fixed.

    Thread-safe. Values that were digested before keep the digest that the caller has seen.

    >>> class Temperature:
    ...     def __init__(self, kelvin): self.kelvin = kelvin
    >>> @register_digest(Temperature)
    ... def _(value):
    ...     return round(value.kelvin, 6)
    """
    if fn is None:
        return lambda function: register_digest(cls, function)
    if not isinstance(cls, type) or cls in _FIXED:
        raise TypeError(f"the digest of {cls!r} cannot be redefined")
    with _lock:
        _registered[cls] = fn
        forget()
    return fn


def resolve(cls: type) -> Handler:
    """Return the handler of a type that has none in the cache, and cache it."""
    with _lock:
        known = len(_registered)
    handler = _find(cls)
    with _lock:
        # A registration in between may have changed the answer; then it is not kept.
        if len(_registered) == known:
            _keep(cls, handler)
    return handler


def forget() -> None:
    """Forget what was resolved; the lock is held, or nobody else is there."""
    HANDLERS.clear()
    for cls, handler in _core().items():
        _keep(cls, handler)


def _keep(cls: type, handler: Handler) -> None:
    key = id(cls)
    _alive[key] = weakref.ref(cls, lambda _ref: _drop(key))
    HANDLERS[key] = handler


def _drop(key: int) -> None:
    """Forget a type that dies. No lock: this may run at any time, within the lock too."""
    HANDLERS.pop(key, None)
    _alive.pop(key, None)


def is_node(value: Any) -> bool:
    """Tell whether a value is folded into a container by its own digest.

    True for arrays, frames, values with ``__digest__`` or of a registered type, and for a
    :class:`Digest`; a :class:`Digest` may stand in for exactly these.

    >>> is_node([1, 2]), is_node(Digest("0" * 32))
    (False, True)
    """
    cls = type(value)
    if cls in tags.PLAIN:
        return False
    if cls is Digest:
        return True
    return (
        _registered_for(cls) is not None
        or hasattr(cls, "__digest__")
        or callable(getattr(value, "__dict__", {}).get("__digest__"))
        or libraries.is_node_type(cls)
        or (not _is_known(cls) and entrypoints.find(cls) is not None)
    )


def _is_known(cls: type) -> bool:
    return builtin.find_exact(cls) is not None or libraries.find_exact(cls) is not None


def _core() -> dict[type, Handler]:
    handlers: dict[type, Handler] = {Digest: digest_value}
    handlers.update({t: h for t, h in builtin.EXACT.items() if _registered_for(t) is None})
    return handlers


def _find(cls: type) -> Handler:
    found = _registered_for(cls)
    if found is not None:
        return _stand_in(found)
    known = builtin.find_exact(cls) or libraries.find_exact(cls)
    if known is not None:
        return known
    found = entrypoints.find(cls)
    if found is not None:
        return _stand_in(found)
    if callable(getattr(cls, "__digest__", None)):
        return _stand_in(operator.methodcaller("__digest__"))
    if issubclass(cls, type):
        return builtin.EXACT[type]
    handler = libraries.find(cls) or builtin.find_base(cls) or instances.handler(cls)
    return handler if classes.is_known_by_name(cls) else _with_class(handler)


def _with_class(handler: Handler) -> Handler:
    """Instances of a class that its name does not tell from others: the class counts as well."""

    def handle(value: Any) -> Made:
        made = part(handler(value))  # finished bytes are of the class, too
        if made.fold is Fold.NODE or made.head[:1] == tags.NODE:
            return made
        # Not the class from outside: a handler must not keep it alive.
        return kind("instance of a local class", group((type(value), made)))

    return handle


def _registered_for(cls: type) -> Callable[[Any], Any] | None:
    for base in cls.__mro__:
        if base in _registered:
            return _registered[base]
    return None


def _stand_in(fn: Callable[[Any], Any]) -> Handler:
    def handle(value: Any) -> Made:
        return stand_in_node(value, fn(value))

    return handle


forget()
