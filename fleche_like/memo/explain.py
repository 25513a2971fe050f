"""Why a call would hit or not: in words and as data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fleche_like.cache import Cache, Manifest, code_parts, source_parts
from fleche_like.calls import Binder, Call, DigestedCall, LazyCall, Version
from fleche_like.errors import FlecheError, Indigestible
from fleche_like.hashing import Digest
from fleche_like.memo.audit import Auditor, Mismatch
from fleche_like.memo.code import CodeState, CodeTracker
from fleche_like.memo.differences import Difference, value_differences
from fleche_like.memo.nearest import nearest_call
from fleche_like.memo.packages import versions_of
from fleche_like.query.preview import preview

_SHORT: Final = 8
_NOT_KEPT: Final = "value not kept"


@dataclass(frozen=True)
class Explanation:
    """Whether a call would be answered from the cache, and why. Its ``str`` says so in words.

    Args:
        call: the call, in short.
        key: its key; ``None`` if it has none.
        hit: whether it would be answered from the cache.
        problem: why it cannot be cached, if it cannot.
        expired: whether it is stored, and too old to answer.
        nearest: the key of the nearest stored call, if it would not hit and there is one.
        nearest_call: that call, in short.
        differences: in what the two differ.
        manifest: what of the code is part of the key: digests by part.
        notes: what could not be followed, and what is assumed.
        packages: versions of installed packages that are reached and are no part of the key.
        mismatches: hits that an audit found to differ from what the function returns.
    """

    call: str
    key: Digest | None
    hit: bool
    problem: str = ""
    expired: bool = False
    nearest: Digest | None = None
    nearest_call: str = ""
    differences: tuple[Difference, ...] = ()
    manifest: Mapping[str, Digest] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    mismatches: tuple[Mismatch, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return this as a dict that JSON can hold."""
        return {
            "call": self.call,
            "key": self.key,
            "hit": self.hit,
            "problem": self.problem,
            "expired": self.expired,
            "nearest": self.nearest,
            "nearest_call": self.nearest_call,
            "differences": [each.to_dict() for each in self.differences],
            "manifest": dict(self.manifest),
            "notes": [*self.notes],
            "packages": dict(self.packages),
            "mismatches": [each.to_dict() for each in self.mismatches],
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        return str(self)


def _lines(told: Explanation) -> Iterator[str]:
    yield _verdict(told)
    if told.nearest is not None:
        yield f"The nearest stored call is {told.nearest[:_SHORT]}: {told.nearest_call}"
        for each in told.differences:
            yield from (f"  {line}" for line in str(each).splitlines())
        if not told.differences:
            yield "  nothing of what is kept tells the two apart"
    if told.manifest:
        yield "Of the code, part of the key:"
        yield from (f"  {part}" for part in told.manifest)
    if told.packages:
        known = ", ".join(f"{name} {version}" for name, version in told.packages.items())
        yield f"Reached and no part of the key: {known}"
    if told.notes:
        yield "Not followed, or assumed:"
        yield from (f"  {note}" for note in told.notes)
    yield from (f"Audit: {each}" for each in told.mismatches)


def _verdict(told: Explanation) -> str:
    if told.problem:
        return f"{told.call} cannot be cached: {told.problem}"
    assert told.key is not None
    if told.hit:
        return f"{told.call} is stored as {told.key[:_SHORT]}: a hit"
    if told.expired:
        return f"{told.call} would run: what is stored as {told.key[:_SHORT]} has expired"
    ending = "" if told.nearest is not None else ", and no call of that name is"
    return f"{told.call} would run: {told.key[:_SHORT]} is not stored{ending}"


class Explained(Protocol):
    """A memoized function whose calls can be explained."""

    name: str
    version: Version
    binder: Binder
    tracker: CodeTracker
    auditor: Auditor | None

    @property
    def module(self) -> str:
        """The module of the function."""
        ...

    @property
    def cache(self) -> Cache:
        """The cache in use."""
        ...

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name."""
        ...

    def contains(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Return whether the call would hit."""
        ...


def explain(function: Explained, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Explanation:
    """Explain the call that these arguments make; nothing is run.

    Raises:
        TypeError: the function cannot be called so.
    """
    arguments = function.bound(args, kwargs)
    state = function.tracker.state_for(arguments.values())
    call = Call(function.name, arguments, function.module, function.version, state.code)
    told = _Told(function, call, state)
    problem = told.problem(function.binder.is_cacheable(args, kwargs))
    return told.refused(problem) if problem else told.explained(function.contains(args, kwargs))


class _Told:
    """The parts of one explanation."""

    def __init__(self, function: Explained, call: Call, state: CodeState) -> None:
        self._call = call
        self._state = state
        self._cache = function.cache
        mismatches = () if function.auditor is None else tuple(function.auditor.mismatches)
        self._common: dict[str, Any] = {
            "call": _shown(call),
            "manifest": state.manifest,
            "notes": tuple(sorted(state.notes)),
            "packages": versions_of(state.packages),
            "mismatches": mismatches,
        }

    def problem(self, cacheable: bool) -> str:
        if not cacheable:
            return "an argument that is required to be passed explicitly was left out"
        if self._state.problem is not None:
            return str(self._state.problem)
        try:
            self._digested = self._call.digested()
        except Indigestible as problem:
            return str(problem)
        return ""

    def refused(self, problem: str) -> Explanation:
        return Explanation(key=None, hit=False, problem=problem, **self._common)

    def explained(self, hit: bool) -> Explanation:
        key = self._digested.key
        if hit:
            return Explanation(key=key, hit=True, **self._common)
        if self._cache.contains(key):
            return Explanation(key=key, hit=False, expired=True, **self._common)
        nearest = nearest_call(self._cache, self._digested)
        if nearest is None:
            return Explanation(key=key, hit=False, **self._common)
        return Explanation(
            key=key,
            hit=False,
            nearest=nearest.key,
            nearest_call=repr(nearest.digested),
            differences=tuple(self._differences(nearest)),
            **self._common,
        )

    def _differences(self, nearest: LazyCall) -> Iterator[Difference]:
        if nearest.module != self._call.module:
            yield Difference("module", "", nearest.module, self._call.module)
        if repr(nearest.version) != repr(self._call.version):
            yield Difference("version", "", repr(nearest.version), repr(self._call.version))
        yield from self._of_arguments(nearest, self._digested)
        if nearest.code != self._call.code:
            yield from self._of_code(nearest.code)

    def _of_arguments(self, nearest: LazyCall, now: DigestedCall) -> Iterator[Difference]:
        stored = nearest.digested.arguments
        for name in [*now.arguments, *(n for n in stored if n not in now.arguments)]:
            if name not in stored:
                yield Difference("argument", name, None, preview(self._call.arguments[name]))
            elif name not in now.arguments:
                yield Difference("argument", name, _argument(nearest, name), None)
            elif stored[name] != now.arguments[name]:
                yield from self._of_argument(nearest, name)

    def _of_argument(self, nearest: LazyCall, name: str) -> Iterator[Difference]:
        now = self._call.arguments[name]
        try:
            before = nearest.arguments[name]
        except (KeyError, FlecheError):
            yield Difference("argument", name, _argument(nearest, name), preview(now), _NOT_KEPT)
            return
        if type(now) is Digest:
            yield Difference("argument", name, preview(before), str(now)[:_SHORT])
        else:
            yield from value_differences(before, now, name)

    def _of_code(self, code: Digest | None) -> Iterator[Difference]:
        stored = {} if code is None else dict(self._cache.manifest(code))
        if not stored or self._state.code is None:
            yield Difference("code", "", _short(code), _short(self._state.code), "no manifest kept")
            return
        yield from _ManifestDifferences(self._cache, stored, self._state.manifest).all()


class _ManifestDifferences:
    """In what two manifests differ."""

    def __init__(self, cache: Cache, before: Mapping[str, str], after: Manifest) -> None:
        self._cache = cache
        self._old_sources = source_parts(before)
        self._before = _by_name(code_parts(before))
        self._after = _by_name(after)
        self._manifest = after

    def all(self) -> Iterator[Difference]:
        for name in [*self._before, *(n for n in self._after if n not in self._before)]:
            if self._before.get(name) != self._after.get(name):
                yield self._one(name)

    def _one(self, name: str) -> Difference:
        kind, _, thing = name.partition(" ")
        if kind in {"body", "function"} and name in self._before and name in self._after:
            return Difference(kind, thing or kind, detail=self._source_diff(name))
        old = self._shown(self._before.get(name), self._old_value)
        new = self._shown(self._after.get(name), self._manifest.values_by_digest().get)
        if old == new:
            return Difference(kind, thing)
        return Difference(kind, thing, old, new)

    def _source_diff(self, name: str) -> str:
        new = self._manifest.sources().get(name)
        old = self._old_source(name)
        if old is None or new is None:
            return "source not kept"
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
        return "\n".join([*lines][2:])

    def _old_source(self, name: str) -> str | None:
        known = self._old_sources.get(name)
        found = None if known is None else self._old_value(known)
        return found if isinstance(found, str) else None

    def _old_value(self, known: Digest) -> Any:
        try:
            return self._cache.load_value(known)
        except (KeyError, FlecheError):
            return None

    @staticmethod
    def _shown(part: tuple[str, Digest] | None, value_of: Any) -> str | None:
        if part is None:
            return None
        by, known = part
        if by == "value":
            found = value_of(known)
            return f"a value with digest {known[:_SHORT]}" if found is None else preview(found)
        return {"code": "code", "name": "a name", "type": "a type"}.get(by, by or "there")


def _by_name(parts: Mapping[str, Digest]) -> dict[str, tuple[str, Digest]]:
    """Return how each part counts and its digest, by the part's name alone."""
    split = ((part.rpartition(" by "), known) for part, known in parts.items())
    return {name or by: (by if name else "", known) for (name, _, by), known in split}


def _argument(call: LazyCall, name: str) -> str:
    digested = call.digested
    if name in digested.scalars:
        return preview(digested.scalars[name])
    return f"a value with digest {digested.arguments[name][:_SHORT]}"


def _short(code: Digest | None) -> str:
    return "no code" if code is None else f"code {code[:_SHORT]}"


def _shown(call: Call) -> str:
    try:
        return repr(call)
    except Exception:  # noqa: BLE001  a value of somebody's that cannot be shown
        return f"{call.name}(...)"
