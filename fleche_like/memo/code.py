"""The code digest of a memoized function: what goes into it, and whether it still holds.

A code digest is the digest of a *manifest*: part name → digest of that part. It is recomputed only
when a guard fails: when a captured name refers to another object, or a small mutable value that it
refers to has another digest. A function whose captures return to what they were returns to its
earlier digest, and to its earlier calls.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest, function_code_digest
from fleche_like.memo.captures import Capture, Seen, captures_of, look_at, read_cell
from fleche_like.support.sentinel import MISSING

CodeMode = Literal["none", "function"]
_MOST_STATES: Final = 64


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

    __slots__ = ("_cells", "_code", "_find", "_function", "_globals", "_watched")

    def __init__(
        self, seen: Sequence[tuple[Capture, Seen]], function: types.FunctionType | None
    ) -> None:
        self._function = function
        self._code = function and function.__code__
        self._find: Callable[..., Any] = ({} if function is None else function.__globals__).get
        self._globals = [(each.name, was.value) for each, was in seen if each.cell is None]
        self._cells = [(each.cell, was.value) for each, was in seen if each.cell is not None]
        self._watched = [(was.value, was.digest) for _, was in seen if was.watched]

    def hold(self) -> bool:
        """Return whether nothing has changed."""
        function, find = self._function, self._find
        if function is not None and function.__code__ is not self._code:
            return False
        for name, value in self._globals:
            if find(name, MISSING) is not value:
                return False
        for cell, value in self._cells:
            if read_cell(cell) is not value:
                return False
        return not self._watched or self._contents_hold()

    def _contents_hold(self) -> bool:
        try:
            return all(digest(value) == was for value, was in self._watched)
        except Indigestible:
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
            seen = [(each, self._look(each)) for each in self._captures()]
            state = self._state_of(seen)
        except Indigestible as problem:
            # Not published: what cannot be digested now may be gone at the next call.
            return CodeState(None, problem=problem)
        self._published = state, Guards(seen, function)
        return state

    def _captures(self) -> list[Capture]:
        if self._function is None:
            return [Capture("callable", "", types.CellType(self._callable), {})]
        return captures_of(self._function)

    def _look(self, capture: Capture) -> Seen:
        name = getattr(self._callable, "__qualname__", type(self._callable).__name__)
        return look_at(capture.read(), f"{name}: {capture.part}", self._owner)

    def _state_of(self, seen: Sequence[tuple[Capture, Seen]]) -> CodeState:
        manifest: dict[str, Digest] = {}
        if self._function is not None:
            manifest["body"] = function_code_digest(self._function)
        for capture, was in seen:
            if was.digest is not None:
                manifest[f"{capture.part} by {was.by}"] = was.digest
        code = digest(manifest)
        if len(self._states) >= _MOST_STATES and code not in self._states:
            self._states.clear()
        return self._states.setdefault(code, CodeState(code, manifest))
