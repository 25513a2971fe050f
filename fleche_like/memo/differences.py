"""Where two values differ, as paths into them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from fleche_like.errors import Indigestible
from fleche_like.hashing import is_node, value_digest
from fleche_like.memo.contents import attributes_of
from fleche_like.query.preview import preview

MOST_DIFFERENCES: Final = 20
_MOST_DEPTH: Final = 40


@dataclass(frozen=True)
class Difference:
    """One thing in which a call and the nearest stored call differ.

    Args:
        kind: ``"argument"``, ``"body"``, ``"function"``, ``"class"``, ``"attribute"``,
            ``"global"``, ``"closure"``, ``"default"``, ``"import"``, ``"package"``, ``"given"``
            (code that an argument brings), ``"version"``, ``"module"``.
        name: which one; for arguments the path inside it.
        before: what it is in the stored call, in short; ``None`` if it is not there.
        after: what it is now, likewise.
        detail: a unified diff of sources, where both are known, or what else is to be said.
    """

    kind: str
    name: str
    before: str | None = None
    after: str | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, str | None]:
        """Return this as a dict that JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        plain = self.kind in {"argument", "body"}
        head = self.name if plain else f"{self.kind} {self.name}".rstrip()
        if self.before is None and self.after is None:
            return _with_detail(f"{head} changed", self.detail)
        if self.before is None:
            return _with_detail(f"{head}: {self.after}, not there before", self.detail)
        if self.after is None:
            return _with_detail(f"{head}: was {self.before}, is not there now", self.detail)
        return _with_detail(f"{head}: {self.before} -> {self.after}", self.detail)


def _with_detail(text: str, detail: str) -> str:
    lines = detail.splitlines()
    if len(lines) == 1:
        return f"{text} ({detail})"
    return "\n".join([text, *(f"    {line}" for line in lines)])


def value_differences(before: Any, after: Any, path: str) -> list[Difference]:
    """Return where two values differ, at most :data:`MOST_DIFFERENCES`, as deep as can be told.

    >>> old = {"optimizer": {"lr": 0.1}}
    >>> [str(each) for each in value_differences(old, {"optimizer": {"lr": 0.2}}, "cfg")]
    ['cfg["optimizer"]["lr"]: 0.1 -> 0.2']
    """
    return [*itertools.islice(_differences(before, after, path, _MOST_DEPTH), MOST_DIFFERENCES)]


def _differences(before: Any, after: Any, path: str, depth: int) -> Iterator[Difference]:
    if _is_same(before, after):
        return
    inside: Iterator[Difference] | None = None
    if type(before) is type(after) and depth:
        inside = _inside(before, after, path, depth - 1)
    found = iter(inside or ())
    first = next(found, None)
    if first is not None:
        yield first
        yield from found
    else:
        yield _whole(before, after, path)


def _is_same(before: Any, after: Any) -> bool:
    try:
        return before is after or value_digest(before) == value_digest(after)
    except Indigestible:
        return False


def _whole(before: Any, after: Any, path: str) -> Difference:
    old, new = preview(before), preview(after)
    if type(before) is not type(after):
        old, new = f"{old} ({type(before).__name__})", f"{new} ({type(after).__name__})"
    detail = "they look alike and differ inside" if old == new else ""
    return Difference("argument", path, old, new, detail)


def _inside(before: Any, after: Any, path: str, depth: int) -> Iterator[Difference]:
    if isinstance(before, Mapping):
        return _of_mappings(before, after, path, depth)
    if isinstance(before, list | tuple):
        return _of_sequences(before, after, path, depth)
    if hasattr(before, "shape") and hasattr(before, "dtype"):
        return _of_arrays(before, after, path)
    if is_node(before):
        return iter(())
    return _of_attributes(attributes_of(before), attributes_of(after), path, depth)


def _of_mappings(
    before: Mapping[Any, Any], after: Mapping[Any, Any], path: str, depth: int
) -> Iterator[Difference]:
    for key in [*before, *(key for key in after if key not in before)]:
        yield from _of_entry(before, after, key, f"{path}[{_key(key)}]", depth)
    if [*before] != [*after] and {*before} == {*after}:
        order = ", ".join(map(str, before)), ", ".join(map(str, after))
        yield Difference("argument", f"order of {path}", *order)


def _of_attributes(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str, depth: int
) -> Iterator[Difference]:
    for name in [*before, *(name for name in after if name not in before)]:
        yield from _of_entry(before, after, name, f"{path}.{name}", depth)


def _of_entry(
    before: Mapping[Any, Any], after: Mapping[Any, Any], key: Any, path: str, depth: int
) -> Iterator[Difference]:
    if key not in after:
        yield Difference("argument", path, preview(before[key]), None)
    elif key not in before:
        yield Difference("argument", path, None, preview(after[key]))
    else:
        yield from _differences(before[key], after[key], path, depth)


def _key(key: Any) -> str:
    return json.dumps(key, ensure_ascii=False) if type(key) is str else repr(key)


def _of_sequences(
    before: Sequence[Any], after: Sequence[Any], path: str, depth: int
) -> Iterator[Difference]:
    if len(before) != len(after):
        yield Difference("argument", f"len({path})", str(len(before)), str(len(after)))
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old is not new:
            yield from _differences(old, new, f"{path}[{index}]", depth)


def _of_arrays(before: Any, after: Any, path: str) -> Iterator[Difference]:
    for name in ("shape", "dtype"):
        old, new = getattr(before, name), getattr(after, name)
        if str(old) != str(new):
            yield Difference("argument", f"{path}.{name}", str(old), str(new))
            return
    try:
        places = (before != after).nonzero()
        count, first = len(places[0]), tuple(int(each[0]) for each in places)
    except Exception:  # noqa: BLE001  no array of numbers: said as a whole
        return
    where = f"{path}[{', '.join(map(str, first))}]"
    others = "" if count == 1 else f"{count} items differ"
    yield Difference("argument", where, str(before[first]), str(after[first]), others)
