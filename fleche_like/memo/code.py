"""The code digest of a memoized function: what goes into it, and whether it still holds.

A code digest is the digest of a *manifest*: part name → digest of that part. It is made anew only
when a guard fails: when a place that was looked at refers to another object, a function got other
code, or a small mutable value has another content. A function whose code and captures return to
what they were returns to its earlier digest, and to its earlier calls.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from fleche_like.cache import Cache, Manifest
from fleche_like.calls import Version
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest
from fleche_like.hashing.tags import SCALARS
from fleche_like.memo.contents import code_inside
from fleche_like.memo.manifest import ManifestMaker
from fleche_like.memo.own import find_labelled, is_own_class, is_own_namespace
from fleche_like.memo.packages import package_digests, reached_packages
from fleche_like.memo.reach import Reach, called_by
from fleche_like.memo.sites import is_own_module

CodeMode = Literal["none", "function", "deep"]

GIVEN: Final = "given "
"""How the parts begin that name code which an argument brought."""

_MODULE: Final = "module "
_MOST_STATES: Final = 64


@dataclass(slots=True)
class CodeState:
    """One state of a function's code and captures.

    Args:
        code: the code digest; ``None`` if code is no part of the key.
        manifest: its parts.
        problem: why calls cannot be cached in this state, if they cannot.
        notes: what could not be followed, and what is assumed.
        packages: installed packages that are reached.
        keys: call keys by argument token, remembered while this state holds.
    """

    code: Digest | None
    manifest: Manifest = field(default_factory=lambda: Manifest({}))
    problem: Indigestible | None = None
    notes: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    keys: dict[bytes, Digest] = field(default_factory=dict)


Look: TypeAlias = tuple[CodeState, Callable[[], bool], Mapping[int, str], tuple[Any, ...]]
"""A state, whether it holds, what it reached by identity, and what an argument brought."""


class CodeTracker:
    """Follows one function's code digest from call to call.

    Args:
        function: what is memoized.
        mode: ``"none"``: code is no part of the key; ``"function"``: the function's own code and
            what it captures, functions and classes that go by a name by that name; ``"deep"``:
            those of the project by their code too, and what they reach in turn. A callable that
            is no Python function (a partial, an instance with ``__call__``) is a capture.
        owner: the memoized function, for code that refers to itself.
        packages: installed packages that count by their version.

    Thread-safe: a state is complete before it is published.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        mode: CodeMode,
        owner: object,
        packages: Iterable[str] = (),
    ) -> None:
        self._callable = function
        self.mode = mode
        self._owner = owner
        self._packages = tuple(sorted({*packages}))
        self._states: dict[Digest, CodeState] = {}
        self._extended: dict[tuple[int, ...], Look] = {}
        self._published: Look | None = None
        if mode == "none":
            self._published = CodeState(None), _always, {}, ()

    @property
    def package_digests(self) -> dict[str, Digest]:
        """The versions of the packages that count."""
        return package_digests(self._packages)

    def current(self) -> CodeState:
        """Return the state that holds now; cheap while it is the one of the last call."""
        published = self._published
        if published is not None and published[1]():
            return published[0]
        look = self._look_again()
        self._published = look if look[0].problem is None else None
        return look[0]

    def state_for(self, values: Iterable[Any]) -> CodeState:
        """Return the state for a call with these arguments.

        Functions among them, and classes of instances, count as well where the function does not
        reach them by itself: an instance is digested by its class's name and its state.
        """
        state = self.current()
        published = self._published
        if self.mode != "deep" or published is None:
            return state
        brought = [*values]
        given = () if _are_scalars(brought) else _own_code_in(brought, published[2])
        return self._extended_by(given) if given else state

    def _extended_by(self, given: tuple[Any, ...]) -> CodeState:
        key = tuple(map(id, given))
        known = self._extended.get(key)
        if known is not None and known[1]():
            return known[0]
        look = self._look_again(given)
        if len(self._extended) >= _MOST_STATES:
            self._extended.clear()
        self._extended[key] = look
        return look[0]

    def is_current(self, code: Digest | None, manifest: Callable[[Digest], Any]) -> bool:
        """Whether calls with a code digest are of the code as it is now.

        Args:
            code: the code digest of a stored call.
            manifest: gives the stored manifest of a code digest.
        """
        state = self.current()
        if code == state.code or code is None:
            return code == state.code
        if any(look[0].code == code and look[1]() for look in [*self._extended.values()]):
            return True
        labels = [part.removeprefix(GIVEN) for part in manifest(code) if part.startswith(GIVEN)]
        target = called_by(self._callable)
        home = None if target is None else target.__globals__
        given = tuple(found for label in labels for found in _given_as(label, home))
        return bool(labels) and len(given) == len(labels) and self._extended_by(given).code == code

    def _look_again(self, given: tuple[Any, ...] = ()) -> Look:
        try:
            reach = Reach(self._callable, self._owner, deep=self.mode == "deep", given=given)
            maker = ManifestMaker(reach, self._packages)
        except Indigestible as problem:
            # Not published: what cannot be digested now may be gone at the next call.
            return CodeState(None, problem=problem), _never, {}, given
        for each in given:
            label = reach.labels.get(id(each)) or f"{_MODULE}{each.__name__}"
            maker.parts[f"{GIVEN}{label}"] = digest(label)
        state = self._state_of(maker, reach)
        return state, maker.guards.compiled(), reach.labels, (*given, reach)

    def _state_of(self, maker: ManifestMaker, reach: Reach) -> CodeState:
        manifest, notes = maker.manifest(), frozenset(maker.notes)
        code = digest({**manifest})
        packages = reached_packages(reach.sites) - {*self._packages}
        if len(self._states) >= _MOST_STATES and code not in self._states:
            self._states.clear()
        return self._states.setdefault(code, CodeState(code, manifest, None, notes, packages))


class Coded(Protocol):
    """A function whose calls are stored under code digests."""

    name: str
    version: Version
    tracker: CodeTracker

    @property
    def module(self) -> str:
        """The module of the function."""
        ...

    @property
    def cache(self) -> Cache:
        """Where."""
        ...


def current_codes(function: Coded, state: CodeState) -> tuple[Digest, ...]:
    """Return the code digests that stored calls of the current code have.

    There are several where arguments brought code of their own.
    """
    cache, tracker = function.cache, function.tracker
    if tracker.mode != "deep" or state.code is None:
        return () if state.code is None else (state.code,)
    stored = cache.codes(function.name, function.module, function.version)
    current = [code for code in stored if tracker.is_current(code, cache.manifest)]
    return tuple(dict.fromkeys([state.code, *current]))


def _own_code_in(values: list[Any], reached: Mapping[int, str]) -> tuple[Any, ...]:
    found = {id(each): each for each in code_inside(values) if id(each) not in reached}
    own = [each for each in found.values() if _is_own(each)]
    return tuple(sorted(own, key=_called))


def _given_as(label: str, home: Mapping[str, Any] | None) -> list[Any]:
    """Return what an argument brought that has this label in a manifest, if it is to be found."""
    if not label.startswith(_MODULE):
        return find_labelled(label, home)
    found = sys.modules.get(label.removeprefix(_MODULE))
    return [] if found is None else [found]


def _called(code: Any) -> tuple[str, str]:
    if isinstance(code, types.ModuleType):
        return code.__name__, ""
    return code.__module__, code.__qualname__


def _is_own(code: Any) -> bool:
    if isinstance(code, types.ModuleType):
        return is_own_module(code)
    return is_own_class(code) if isinstance(code, type) else is_own_namespace(code.__globals__)


def _are_scalars(values: list[Any]) -> bool:
    return {*map(type, values)} <= SCALARS


def _always() -> bool:
    return True


def _never() -> bool:
    return False
