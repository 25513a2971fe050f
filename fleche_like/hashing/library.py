"""What a module of handlers offers for the types of one library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleche_like.hashing.branch import Handler
from fleche_like.hashing.names import type_names


class Library:
    """The handlers of one library's types.

    Args:
        name: the top-level module that defines the types.
        handlers: each a type and the handler of it and its subclasses; the first that fits counts.
        nodes: the types whose values are nodes of their own.
    """

    def __init__(
        self, name: str, handlers: Iterable[tuple[Any, Handler]], nodes: tuple[Any, ...] = ()
    ) -> None:
        self._name = name
        self._handlers = tuple(handlers)
        self._nodes = nodes

    def find(self, base: type) -> Handler | None:
        """Return the handler for a type that the library defines, or None."""
        for known, handler in self._handlers:
            if issubclass(base, known):
                return handler
        return None

    def is_node_type(self, base: type) -> bool:
        """Tell whether values of a type that the library defines are nodes of their own."""
        return issubclass(base, self._nodes)


def is_of(library: str, cls: type) -> bool:
    """Tell whether a library defines a class itself."""
    return type_names(cls)[0].partition(".")[0] == library


def class_name(library: str, value: Any) -> Any:
    """Name the class of a value: its bare name if the library defines it, else module and name.

    The modules of a library change from version to version; the names of its classes do not.
    """
    names = type_names(type(value))
    return names[1] if is_of(library, type(value)) else names


def own_attributes(library: str, value: Any, internal: frozenset[str] = frozenset()) -> Any:
    """Return the attributes that an instance of somebody's subclass holds besides its content.

    Args:
        library: what defines the base, whose own instances have no such attributes.
        value: the instance.
        internal: names of attributes of the base, which its content tells already.

    Returns:
        A tuple to be appended to the parts of a node: empty where there is nothing.
    """
    if is_of(library, type(value)):
        return ()
    state = getattr(value, "__dict__", {})
    kept = {name: each for name, each in state.items() if name not in internal}
    return (kept,) if kept else ()
