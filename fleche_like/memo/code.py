"""The code digest of a memoized function: what goes into it, and whether it still holds.

A code digest is the digest of a *manifest*: part name → digest of that part. It is recomputed only
when a guard fails: when a captured name refers to another object, or a small mutable value that it
refers to has another digest. A function whose captures return to what they were returns to its
earlier digest, and to its earlier calls.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest, function_code_digest, value_digest
from fleche_like.memo.captures import (
    Capture,
    Seen,
    called_by,
    captures_of,
    look_at,
    read_cell,
)
from fleche_like.support.sentinel import MISSING

CodeMode = Literal["none", "function"]
_MOST_STATES: Final = 64
_CALLABLE: Final = "callable"


@dataclass(slots=True)
class CodeState:
    """One state of a function's code and captures.

    Args:
        code: the code digest; ``None`` if code is no part of the key.
        manifest: its parts.
        problem: why calls cannot be cached in this state, if they cannot.
        keys: call keys by argument token, remembered while this state holds.
    """

    code: Digest | None
    manifest: dict[str, Digest] = field(default_factory=dict)
    problem: Indigestible | None = None
    keys: dict[bytes, Digest] = field(default_factory=dict)


class Guards:
    """Tell at the cost of a few look-ups whether captured names are what they were.

    Args:
        seen: the captures and what they were.
        function: the Python function that captures them, if it is one; its code may be replaced.
    """

    __slots__ = ("_cells", "_code", "_function", "_globals", "_watched")

    def __init__(
        self, seen: Sequence[tuple[Capture, Seen]], function: types.FunctionType | None
    ) -> None:
        self._function = function
        self._code = function and function.__code__
        self._globals = [(c.namespace.get, c.name, was.value) for c, was in seen if c.cell is None]
        self._cells = [(c.cell, was.value) for c, was in seen if c.cell is not None]
        self._watched = [(was.value, was.digest) for _, was in seen if was.watched]

    def hold(self) -> bool:
        """Return whether nothing has changed."""
        function = self._function
        if function is not None and function.__code__ is not self._code:
            return False
        for find, name, value in self._globals:
            if find(name, MISSING) is not value:
                return False
        for cell, value in self._cells:
            if read_cell(cell) is not value:
                return False
        return not self._watched or self._contents_hold()

    def _contents_hold(self) -> bool:
        try:
            return all(value_digest(value) == was for value, was in self._watched)
        except Exception:  # noqa: BLE001  foreign code: looking again will say what is wrong
            return False


class CodeTracker:
    """Follows one function's code digest from call to call.

    Args:
        function: what is memoized.
        mode: ``"none"``: code is no part of the key; ``"function"``: the function's own code and
            what it captures. A callable that is no Python function (a partial, an instance with
            ``__call__``) counts as a capture of its own.
        owner: the memoized function, for code that refers to itself.

    Thread-safe: a state is complete before it is published.
    """

    def __init__(self, function: Callable[..., Any], mode: CodeMode, owner: object) -> None:
        self._callable = function
        self._function = function if isinstance(function, types.FunctionType) else None
        self._owner = owner
        self._states: dict[Digest, CodeState] = {}
        self._published: tuple[CodeState, Guards] | None = None
        if mode == "none":
            self._published = CodeState(None), Guards((), None)

    def current(self) -> CodeState:
        """Return the state that holds now; cheap while it is the one of the last call."""
        published = self._published
        if published is not None and published[1].hold():
            return published[0]
        return self._look_again()

    def _look_again(self) -> CodeState:
        function = self._function
        try:
            seen = [*self._looked_at()]
            state = self._state_of(seen)
        except Indigestible as problem:
            # Not published: what cannot be digested now may be gone at the next call.
            return CodeState(None, problem=problem)
        self._published = state, Guards(seen, function)
        return state

    def _looked_at(self) -> Iterator[tuple[Capture, Seen]]:
        """Yield all captures, and those of captured functions that are not known by a name."""
        waiting = self._captures()
        followed = {id(self._function)}
        while waiting:
            capture = waiting.pop()
            seen = self._look(capture)
            yield capture, seen
            inner = called_by(seen.value) if seen.by == "value" else None
            if inner is not None and id(inner) not in followed:
                followed.add(id(inner))
                waiting += captures_of(inner, f"{capture.part} > ")

    def _captures(self) -> list[Capture]:
        if self._function is not None:
            return captures_of(self._function)
        return [Capture(_CALLABLE, "", types.CellType(self._callable), {})]

    def _look(self, capture: Capture) -> Seen:
        name = getattr(self._callable, "__qualname__", type(self._callable).__name__)
        path = f"{name}: {capture.part}"
        try:
            if capture.part == _CALLABLE:  # by value, whatever name it goes by
                watched = not isinstance(self._callable, types.BuiltinFunctionType)
                return Seen(self._callable, value_digest(self._callable, path), watched=watched)
            return look_at(capture.read(), path, self._owner)
        except Indigestible:
            raise
        except Exception as error:
            raise Indigestible(
                f"{path} cannot be looked at ({type(error).__name__}: {error}); if results do not "
                "depend on it, register its type with fleche_like.memo.register_by_type",
                path=path,
                kind=type(error).__name__,
            ) from error

    def _state_of(self, seen: Sequence[tuple[Capture, Seen]]) -> CodeState:
        manifest: dict[str, Digest] = {}
        if self._function is not None:
            manifest["body"] = function_code_digest(self._function)
        parts = {f"{capture.part} by {was.by}": was.digest for capture, was in seen}
        manifest |= {part: found for part, found in sorted(parts.items()) if found is not None}
        code = digest(manifest)
        if len(self._states) >= _MOST_STATES and code not in self._states:
            self._states.clear()
        return self._states.setdefault(code, CodeState(code, manifest))
