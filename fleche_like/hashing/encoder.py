"""The walker: encodes any value with an explicit stack, so that no nesting overflows.

It holds, for every open branch, a frame with the rest of its children. Output goes to a list of
chunks; a set or a node opens a list of its own, whose chunks are sorted or hashed when it closes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

from xxhash import xxh3_128, xxh3_128_digest

from fleche_like.errors import Indigestible
from fleche_like.hashing import bulk, registry, tags
from fleche_like.hashing.branch import (
    Branch,
    Fold,
    Handler,
    Made,
    Refusal,
    entry,
    interleaved,
    item,
    kind_head,
    short_name,
)

_MAX_DEPTH = 10_000_000
# Shared parts are written out in full. A window in which a few objects are opened over and over,
# deep down, is a tree that grows exponentially when written out; it is refused, not waited for.
_WINDOW = 1 << 18
_FEW = 1000
_LONG = 2
_LONG_IF_SHALLOW = 256
_DEEP = 20
_CHUNKS_PER_JOIN = 4096
_RECURSION = kind_head("recursion")
_REMEDY = "give it a __digest__ method or use register_digest()"


def encode(value: Any, path: str = "value") -> bytes:
    r"""Return the canonical encoding of a value; see :mod:`.tags`.

    Args:
        value: any digestible value.
        path: what to call the value in an error.

    Raises:
        Indigestible: the value, or something in it, has no stable identity.

    >>> encode((1, "a"))
    b'(\x02\x00\x00\x00i\x01\x00\x00\x00u\x01\x00\x00\x00a'
    """
    kind = type(value)
    if kind in tags.SCALARS:
        return bulk.scalar(value)
    if kind in tags.CONTAINERS:
        encoding = bulk.tree(value)
        if encoding is not None:
            return encoding
    return walk(value, path)


def walk(value: Any, path: str = "value") -> bytes:
    """Return what :func:`encode` does of a value that was tried in bulk already."""
    return _Walk(value, path).run()


class _Frame:
    """An open branch: what is left of it, and where its output goes."""

    __slots__ = ("branch", "child", "marks", "out", "owner", "rest", "retry", "start")

    def __init__(self, branch: Branch, out: list[bytes], owner: Any, retry: int) -> None:
        self.branch = branch
        self.rest: Iterator[Any] = iter(branch.children)
        self.child: Any = None
        self.owner = owner
        self.retry = retry
        self.marks: list[int] | None = [] if branch.fold is Fold.SORTED else None
        self.out = out
        self.start = len(out)


class _Walk:
    """One encoding under way."""

    def __init__(self, value: Any, path: str) -> None:
        self.out: list[bytes] = []
        root = Branch(b"", (value,), label=lambda _index, _children: path)
        # The caller has tried the whole tree in bulk; see _container for the next attempts.
        self.stack = [_Frame(root, self.out, None, 2)]
        self.open: set[int] = set()
        self.opened = 0
        self.window: set[int] = set()
        # Many instances of one class from a notebook repeat what the class is. By identity, and
        # held, so that none of them dies and leaves its place to another.
        self.classes: dict[int, tuple[type, bytes]] = {}
        self.retry = 2

    def run(self) -> bytes:
        """Encode everything; turn whatever goes wrong into :class:`Indigestible`."""
        try:
            while self.stack:
                self._advance(self.stack[-1])
        except (MemoryError, Indigestible):
            raise
        except Refusal as refusal:
            raise self._error(refusal.reason) from refusal.__cause__
        except Exception as error:
            cause = f"has a state that cannot be read ({type(error).__name__})"
            raise self._error(f"{cause}; {_REMEDY}") from error
        return b"".join(self.out)

    def _advance(self, frame: _Frame) -> None:
        """Encode children up to the first that opens a branch of its own, or close the frame."""
        out, marks, handlers = frame.out, frame.marks, registry.HANDLERS
        for child in frame.rest:
            if marks is not None:
                marks.append(len(out))
            kind = type(child)
            if kind in tags.SCALARS:
                out.append(bulk.scalar(child))
                continue
            frame.child = child
            made = self._make(frame, kind, child, handlers)
            if isinstance(made, bytes):
                out.append(made)
            elif kind is FunctionType and id(child) in self.open:
                out.append(self._recursion(child))
            else:
                self._push(frame, made, child)
                return
        self._close(self.stack.pop())

    def _make(self, frame: _Frame, kind: type, child: Any, handlers: dict[int, Handler]) -> Made:
        self.retry = frame.retry
        if kind is Branch:
            made: Made = child
            return made
        if kind in tags.CONTAINERS:
            return self._container(frame, kind, child)
        if id(child) in self.classes:
            return self.classes[id(child)][1]
        handler = handlers.get(id(kind)) or registry.resolve(kind)
        return handler(child)

    def _container(self, frame: _Frame, kind: type, child: Any) -> Made:
        """Try it in bulk; after a failure, what is inside only from twice the depth on.

        So attempts stay rare however deep the tree is.
        """
        depth = len(self.stack)
        if depth >= frame.retry:
            encoding = bulk.tree(child)
            if encoding is not None:
                return encoding
            self.retry = 2 * depth
        return _branch(kind, child)

    def _push(self, frame: _Frame, branch: Branch, owner: Any) -> None:
        if type(owner) is not Branch:
            self._enter(owner)
        inline = branch.fold is Fold.INLINE
        opened = _Frame(branch, frame.out if inline else [], owner, self.retry)
        if inline:
            opened.out.append(branch.head)
        self.stack.append(opened)

    def _enter(self, owner: Any) -> None:
        if id(owner) in self.open:
            raise Refusal("contains itself; break the cycle or register_digest() its type")
        self.open.add(id(owner))
        if len(self.stack) > _MAX_DEPTH:
            raise Refusal("never ends: each part leads to yet another one")
        self.opened += 1
        if self.opened > _WINDOW:
            self._watch(owner)

    def _watch(self, owner: Any) -> None:
        self.window.add(id(owner))
        if self.opened % _WINDOW:
            return
        few = len(self.window) < _FEW
        long = _LONG if len(self.stack) > _DEEP else _LONG_IF_SHALLOW
        if few and self.opened >= long * _WINDOW:
            raise Refusal("shares its parts at every level; written out it is too large")
        self.window.clear()

    def _recursion(self, function: FunctionType) -> bytes:
        """A function found in its own closure: how many open functions lie between the two."""
        between = 0
        for frame in reversed(self.stack):
            if frame.owner is function:
                return _RECURSION + bulk.scalar(between)
            if frame.branch.fold is Fold.NODE:
                break
            between += type(frame.owner) is FunctionType
        raise Refusal("contains itself through a value that has a digest of its own")

    def _close(self, frame: _Frame) -> None:
        branch = frame.branch
        if type(frame.owner) is not Branch:
            self.open.discard(id(frame.owner))
        if branch.fold is Fold.INLINE:
            if branch.tail:
                frame.out.append(branch.tail)
            if issubclass(type(frame.owner), type):  # whatever its __class__ says
                encoding = b"".join(frame.out[frame.start :])
                self.classes[id(frame.owner)] = frame.owner, encoding
            return
        out = self.stack[-1].out
        if branch.fold is Fold.NODE:
            out.append(tags.NODE + _hash(branch.head, frame.out))
        else:
            out.append(branch.head + b"".join(_sorted(frame)))

    def _error(self, reason: str) -> Indigestible:
        culprit = self.stack[-1].child
        path = "".join(map(_label, self.stack))
        kind = short_name(type(culprit)) if type(culprit) is not Branch else "value"
        return Indigestible(f"{path}: {kind} {reason}", path=path, kind=kind)


def _branch(kind: type, value: Any) -> Branch:
    """Open a tuple, list or dict over a copy, so that other threads cannot change it under way."""
    if kind is dict:
        return Branch(tags.DICT, interleaved(value.copy()), tags.DICT_END, entry)
    tag = tags.LIST if kind is list else tags.TUPLE
    items = value[:]
    return Branch(tag + tags.length(len(items)), items, label=item)


def _sorted(frame: _Frame) -> list[bytes]:
    marks = [*(frame.marks or ()), len(frame.out)]
    return sorted(b"".join(frame.out[a:b]) for a, b in itertools.pairwise(marks))


def _hash(head: bytes, chunks: list[bytes]) -> bytes:
    if len(chunks) < _CHUNKS_PER_JOIN:
        return xxh3_128_digest(head + b"".join(chunks))
    state = xxh3_128(head)
    for start in range(0, len(chunks), _CHUNKS_PER_JOIN):
        state.update(b"".join(chunks[start : start + _CHUNKS_PER_JOIN]))
    return state.digest()


def _label(frame: _Frame) -> str:
    children: Sequence[Any] = frame.branch.children
    for index, child in enumerate(children):
        if child is frame.child:
            return frame.branch.label(index, children)
    return ""
