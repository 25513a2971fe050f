"""What is inside containers: kept beside their digest, so that nothing has to be loaded for it.

A *sketch* is the JSON of a small container: dicts with their text and integer keys, lists, tuples,
and the fields of dataclasses and attrs classes. In it stand

========================================  ======================================================
``{"m": {key: sketch}, "n": [[key, s]]}``  a mapping: text keys, integer keys (each if there are)
``[sketch, ...]``                         a list or tuple
a scalar as JSON                          itself, see :mod:`~fleche_like.calls.leaves`
``{"$": digest, "~": scalar}``            what only compares like a scalar
``{"$": digest}``                         a node, such as an array: nothing to look into
``{"$": digest, "?": 1}``                 a digest: what it stands for may have parts
``{"?": 1}``                              anything else; nothing is known of it
========================================  ======================================================

What has no sketch is looked into by loading it. Either way the digests of the nodes inside are
known, so that lineage can follow them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from fleche_like.calls.leaves import CONTAINERS, Json, from_json, to_json
from fleche_like.calls.scalars import Scalar, is_scalar, scalar_view
from fleche_like.hashing import Digest, is_node, value_digest
from fleche_like.support.sentinel import MISSING, Missing

Path: TypeAlias = tuple[str | int | None, ...]

#: Containers with more parts, inner containers counted, have no sketch.
MAX_PARTS: Final = 64
MAX_DEPTH: Final = 6
#: Nor have those with longer lists in them: these are data more than settings.
MAX_ITEMS: Final = 16
#: Longer texts inside a container are not copied into its sketch.
MAX_TEXT_LENGTH: Final = 1024
#: Among so many values nodes are looked for.
MAX_VISITED: Final = 16_384

_ATOMS: Final = frozenset({bool, type(None)})
_SCALARS: Final = frozenset({bool, int, float, str, type(None)})
_MAX_KEY: Final = 2**63
_IS_DIGEST: Final = re.compile(r"[0-9a-f]{32}\Z").match
_UNKNOWN: Final = "?"
_MAPPING: Final = frozenset({"m", "n"})


class Parts(NamedTuple):
    """What is known of the inside of a value.

    Attributes:
        sketch: see above; ``MISSING`` if only the nodes are known.
        nodes: digests of nodes that the sketch has no place for.
    """

    sketch: Json | Missing
    nodes: tuple[Digest, ...] = ()


class Part(NamedTuple):
    """One part of a value.

    Attributes:
        scalar: what it compares like; ``MISSING`` if it is no scalar.
        digest: its digest, where that is kept.
        known: whether this is all there is to know: false where only loading tells more.
    """

    scalar: Scalar | Missing
    digest: Digest | None
    known: bool = True


NOWHERE: Final = Parts(0)
"""Of values that nobody can look into: a scalar in the place of a sketch has no parts."""

_UNKNOWN_PART: Final = Part(MISSING, None, known=False)
_INNER: Final = Part(MISSING, None)


def parts_of(value: Any) -> Parts | Missing:
    """Return what is inside a value; ``MISSING`` for what only loading shows.

    >>> parts_of({"optimizer": {"lr": 0.1}, "layers": [64, 10]}).sketch
    {'m': {'optimizer': {'m': {'lr': 0.1}}, 'layers': [64, 10]}}
    """
    if type(value) is Digest:
        return MISSING
    sketcher = _Sketcher()
    try:
        sketch = sketcher.inside(value, 0)
        if sketch is not MISSING:
            return Parts(sketch, tuple(sketcher.loose))
        return MISSING if isinstance(value, Mapping | list | tuple) else NOWHERE
    except _TooLargeError:
        return Parts(MISSING, tuple(_nodes_in(value)))
    except Exception:  # noqa: BLE001  what foreign attributes raise costs the parts alone
        return MISSING


def part_at(parts: Parts, path: Path) -> Part | None:
    """Return the part at a path; ``None`` if there is none."""
    sketch = parts.sketch
    if sketch is MISSING:
        return _UNKNOWN_PART
    for item in path:
        if type(sketch) is dict and _UNKNOWN in sketch:
            return _UNKNOWN_PART
        sketch = _child(sketch, item)
        if sketch is MISSING:
            return None
    return _described(sketch)


def all_parts(parts: Parts) -> Iterator[tuple[Path, Part]]:
    """Yield path and part of everything inside a value, inner containers included.

    Nodes without a place of their own go by ``None`` and a number.
    """
    if parts.sketch is not MISSING:
        yield from _below(parts.sketch, ())
    for place, digest in enumerate(parts.nodes):
        yield (None, place), Part(MISSING, digest)


def parts_to_json(parts: Parts) -> dict[str, Json]:
    """Return what a record says of parts beside the value's digest."""
    said: dict[str, Json] = {} if parts.sketch is MISSING else {"p": parts.sketch}
    return said | {"n": list(parts.nodes)} if parts.nodes else said


def parts_from_json(item: dict[str, Json]) -> Parts | Missing:
    """Return what a record says of parts; ``MISSING`` if nothing.

    Raises:
        ValueError: it makes no sense (or another error that decoding of damage may raise).
    """
    if "p" not in item and "n" not in item:
        return MISSING
    parts = Parts(item.get("p", MISSING), tuple(map(_digest, item.get("n", ()))))
    refuse_nonsense(parts.sketch)
    return parts


def refuse_nonsense(sketch: Json | Missing) -> None:
    """Refuse what :func:`all_parts` would, in a tenth of the time: every record that is read pays.

    Raises:
        ValueError: as :func:`parts_from_json`.
    """
    if type(sketch) not in CONTAINERS:
        return
    children = sketch if type(sketch) is list else [child for _, child in _children(sketch)]
    if _SCALARS.issuperset(map(type, children)):
        return
    for child in children:
        _described(child)
        refuse_nonsense(child)


def item_of(value: Any, item: str | int) -> Any:
    """Return what a step of a path leads to from a value; ``MISSING`` if nowhere."""
    if isinstance(value, Mapping):
        # dict look-up takes 1, 1.0 and True for one key; a path means the exact one.
        same = (key for key in value if type(key) is type(item) and key == item)
        return next((value[key] for key in same), MISSING)
    if isinstance(value, list | tuple):
        return value[item] if isinstance(item, int) and item < len(value) else MISSING
    names = _field_names(type(value))
    return getattr(value, str(item), MISSING) if names and item in names else MISSING


# --- looking into values -----------------------------------------------------------------------


class _TooLargeError(Exception):
    """The container has too many parts, or too deep ones."""


class _Sketcher:
    """Makes a sketch; also ends what contains itself."""

    __slots__ = ("left", "loose")

    def __init__(self) -> None:
        self.left = MAX_PARTS
        self.loose: list[Digest] = []

    def inside(self, value: Any, depth: int) -> Json | Missing:
        """Return the sketch of a container; ``MISSING`` if this is none that can be sketched."""
        kind = type(value)
        if kind is dict:
            self._check(len(value), depth)
            return self._mapping(value.copy().items(), depth)
        if kind is list or kind is tuple:
            self._check(len(value) if len(value) <= MAX_ITEMS else MAX_VISITED, depth)
            return [self._part(item, depth + 1) for item in value[:]]
        if (names := _field_names(kind)) and not is_node(value):
            self._check(len(names), depth)
            fields = ((name, getattr(value, name, MISSING)) for name in names)
            return self._mapping((pair for pair in fields if pair[1] is not MISSING), depth)
        return MISSING

    def _check(self, length: int, depth: int) -> None:
        if length > self.left or depth >= MAX_DEPTH:
            raise _TooLargeError

    def _mapping(self, items: Any, depth: int) -> Json:
        by_text: dict[str, Json] = {}
        by_number: list[Json] = []
        for key, value in items:
            if type(key) is str:
                by_text[key] = self._part(value, depth + 1)
            elif type(key) is int and 0 <= key < _MAX_KEY:
                by_number.append([key, self._part(value, depth + 1)])
            else:  # no path leads there
                self.loose += _nodes_in(value)
        sketch: dict[str, Json] = {"n": by_number} if by_number else {}
        return {"m": by_text, **sketch} if by_text or not sketch else sketch

    def _part(self, value: Any, depth: int) -> Json:
        self.left -= 1
        if self.left < 0:
            raise _TooLargeError
        if type(value) in _ATOMS:
            return value
        if is_scalar(value):
            return to_json(value) if _is_short(value) else {_UNKNOWN: 1}
        if type(value) is Digest:
            return {"$": value, _UNKNOWN: 1} if _IS_DIGEST(value) else {_UNKNOWN: 1}
        sketch = self.inside(value, depth)
        return _leaf(value) if sketch is MISSING else sketch


def _is_short(value: Scalar) -> bool:
    return type(value) is not str or len(value) <= MAX_TEXT_LENGTH


def _leaf(value: Any) -> Json:
    """Return the sketch of what is neither a scalar nor a container."""
    view = scalar_view(value)
    if view is not MISSING and _is_short(view):
        return {"$": value_digest(value), "~": to_json(view)}
    return {"$": value_digest(value)} if is_node(value) else {_UNKNOWN: 1}


def _nodes_in(value: Any) -> list[Digest]:
    """Return the digests of nodes in a value of any size, each once, as far as one looks."""
    found: dict[Digest, None] = {}
    pending, left = [value], MAX_VISITED
    while pending and left > 0:
        one = pending.pop()
        inside = _values_in(one)
        if inside is not None:
            left -= len(inside)
            if left > 0 and not _SCALARS.issuperset(map(type, inside)):
                pending += [part for part in reversed(inside) if type(part) not in _SCALARS]
        elif is_node(one):
            found[one if type(one) is Digest else value_digest(one)] = None
    return list(found)


def _values_in(value: Any) -> list[Any] | None:
    kind = type(value)
    if kind is dict:
        return list(value.copy().values()) if len(value) <= MAX_VISITED else []
    if kind is list or kind is tuple:
        return list(value) if len(value) <= MAX_VISITED else []
    names = _field_names(kind)
    if not names or is_node(value):
        return None
    return [part for name in names if (part := getattr(value, name, MISSING)) is not MISSING]


def _field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or attrs class; none of any other."""
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        return tuple(fields)
    attributes = getattr(kind, "__attrs_attrs__", None)
    return tuple(one.name for one in attributes) if isinstance(attributes, tuple) else ()


# --- reading sketches --------------------------------------------------------------------------


def _child(sketch: Json, item: str | int | None) -> Json | Missing:
    if type(sketch) is list:
        return sketch[item] if isinstance(item, int) and item < len(sketch) else MISSING
    if type(sketch) is not dict:
        return MISSING
    if type(item) is str:
        return sketch.get("m", {}).get(item, MISSING)
    return next((value for key, value in sketch.get("n", ()) if key == item), MISSING)


def _described(sketch: Json) -> Part:
    if type(sketch) not in CONTAINERS:
        return Part(sketch, None)
    if type(sketch) is list or not _MAPPING.isdisjoint(sketch):
        return _INNER
    digest = _digest(sketch["$"]) if "$" in sketch else None
    if _UNKNOWN in sketch:
        return Part(MISSING, digest, known=False)
    if digest is not None and "~" not in sketch:
        return Part(MISSING, digest)
    scalar = from_json(sketch if digest is None else sketch["~"])
    return Part(scalar, digest, known=scalar is not MISSING)


def _below(sketch: Json, path: Path) -> Iterator[tuple[Path, Part]]:
    for item, child in _children(sketch):
        place = (*path, item)
        yield place, _described(child)
        if type(child) in CONTAINERS:
            yield from _below(child, place)


def _children(sketch: Json) -> Iterator[tuple[str | int, Json]]:
    if type(sketch) is list:
        yield from enumerate(sketch)
    elif type(sketch) is dict:
        yield from sketch.get("m", {}).items()
        for key, child in sketch.get("n", ()):
            if type(key) is not int:
                raise ValueError("malformed key")
            yield key, child


def _digest(item: Json) -> Digest:
    if not _IS_DIGEST(item):
        raise ValueError("malformed digest")
    return Digest(item)
