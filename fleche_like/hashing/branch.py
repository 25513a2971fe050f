"""What a handler returns for a value that is not written in one piece.

A handler takes a value and returns finished bytes, or a :class:`Branch`: a head, values that are
still to be encoded, and a tail. It never calls the encoder itself, so that nesting of any depth
costs no stack. A child may be a :class:`Branch` again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from fleche_like.hashing import bulk, tags


class Fold(enum.Enum):
    """How a branch ends up in the encoding around it."""

    INLINE = enum.auto()
    SORTED = enum.auto()  # its children's encodings in ascending order
    NODE = enum.auto()  # as a digest of its own


def hidden(_index: int, _children: Sequence[Any]) -> str:
    """Label nothing: a stand-in has no place of its own in the path."""
    return ""


def item(index: int, _children: Sequence[Any]) -> str:
    """Label an element by its position."""
    return f"[{index}]"


def member(_index: int, _children: Sequence[Any]) -> str:
    """Label an element of a set, which has no position."""
    return "{…}"


def entry(index: int, children: Sequence[Any]) -> str:
    """Label a value by its key; children are keys and values in turn."""
    if index % 2 == 0:
        return f".keys()[{index // 2}]"
    return f"[{_key(children[index - 1])}]"


def attribute(index: int, children: Sequence[Any]) -> str:
    """Label a value by the name of its attribute."""
    name = children[index - 1] if index % 2 else None
    return f".{name}" if type(name) is str else entry(index, children)


def named(*names: str) -> Label:
    """Return a labeller that takes the labels in turn."""
    return lambda index, _children: names[index] if index < len(names) else ""


def short_name(cls: type) -> str:
    """Return the name of a class, past any metaclass that redefines it."""
    return str(type.__dict__["__name__"].__get__(cls))


def _key(key: Any) -> str:
    """Show a key; never through the ``__repr__`` of somebody else's class."""
    return repr(key) if type(key) in tags.SCALARS else f"<{short_name(type(key))}>"


Label: TypeAlias = Callable[[int, Sequence[Any]], str]


class Branch:
    """A value in parts.

    Args:
        head: bytes before the children.
        children: values, or branches, to be encoded one after the other. Not changed afterwards.
        tail: bytes after them.
        label: names a child in the path of an error.
        fold: how the whole enters what is around it.
    """

    __slots__ = ("children", "fold", "head", "label", "tail")

    def __init__(
        self,
        head: bytes,
        children: Sequence[Any],
        tail: bytes = b"",
        label: Label = hidden,
        fold: Fold = Fold.INLINE,
    ) -> None:
        self.head = head
        self.children = children
        self.tail = tail
        self.label = label
        self.fold = fold


Made: TypeAlias = bytes | Branch
Handler: TypeAlias = Callable[[Any], Made]


class Refusal(Exception):
    """Why a value is indigestible, before the walker has added where it sits."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse(reason: str) -> NoReturn:
    """Refuse the value at hand; ``reason`` completes "<kind>: " and says what to do instead."""
    raise Refusal(reason)


def kind_head(kind: str) -> bytes:
    """Return the bytes that open a ``@`` encoding of this kind."""
    return tags.KIND + bulk.scalar(kind)


def kind(name: str, payload: Any, label: Label = hidden) -> Made:
    """Return a ``@`` encoding: a kind from docs/digest.md over one payload."""
    head = kind_head(name)
    if type(payload) is tuple and tags.SCALARS.issuperset(map(type, payload)):
        encoding = bulk.tree(payload)
        if encoding is not None:
            return head + encoding
    return Branch(head, (payload,), label=label)


def part(made: Made) -> Branch:
    """Make a child of what a handler returned: finished bytes would be taken for ``bytes``."""
    return made if isinstance(made, Branch) else Branch(made, ())


def node(name: str, header: Any, label: Label = hidden) -> Branch:
    """Return a node without raw data: a kind over one header, folded in by its digest."""
    head = tags.PREIMAGE + bulk.scalar(name)
    return Branch(head, (header,), label=label, fold=Fold.NODE)


def group(children: Sequence[Any], label: Label = hidden) -> Branch:
    """Return a tuple whose members may be branches and are labelled by ``label``."""
    return Branch(tags.TUPLE + tags.length(len(children)), children, label=label)


def listing(items: list[Any], label: Label = item) -> Branch:
    """Return the encoding of a list that nobody else holds."""
    plain = bulk.tree(items)
    if plain is not None:
        return Branch(plain, ())
    return Branch(tags.LIST + tags.length(len(items)), items, label=label)


def interleaved(mapping: dict[Any, Any]) -> list[Any]:
    """Return ``[key, value, key, value, …]`` of a dict that nobody else holds."""
    children: list[Any] = [None] * (2 * len(mapping))
    children[::2] = mapping
    children[1::2] = mapping.values()
    return children


def attributes(state: dict[Any, Any]) -> Branch:
    """Return the encoding of a dict of attributes, whose values are labelled as such."""
    state = state.copy()
    if tags.SCALARS.issuperset(map(type, state.values())):
        encoding = bulk.tree(state)
        if encoding is not None:
            return Branch(encoding, ())
    return Branch(tags.DICT, interleaved(state), tags.DICT_END, label=attribute)
