"""Calls whose values are loaded when they are looked at."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from fleche_like.calls.call import RESULT, Call, DigestedCall
from fleche_like.calls.display import shown_digest
from fleche_like.calls.key import Version
from fleche_like.calls.metadata import flatten
from fleche_like.calls.scalars import Scalar
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import MISSING


class Loader(Protocol):
    """What gives values by digest."""

    def load_value(self, digest: Digest, /) -> Any:
        """Return the value; raise :class:`KeyNotFound` if it is not stored."""
        ...


class LazyCall:
    """A stored call. Scalars are at hand; other values are loaded on each access.

    Every access loads anew, so that nobody shares mutable state: keep a value in a variable.

    Args:
        digested: the call.
        loader: where its values come from.
    """

    def __init__(self, digested: DigestedCall, loader: Loader) -> None:
        self.digested = digested
        self.loader = loader

    @property
    def name(self) -> str:
        """The function's qualified name."""
        return self.digested.name

    @property
    def module(self) -> str | None:
        """The function's module."""
        return self.digested.module

    @property
    def version(self) -> Version:
        """The function's declared version."""
        return self.digested.version

    @property
    def code(self) -> Digest | None:
        """Digest of the function's code."""
        return self.digested.code

    @property
    def key(self) -> Digest:
        """The call's key."""
        return self.digested.key

    @property
    def metadata(self) -> dict[str, Any]:
        """What else is known of the call."""
        return self.digested.metadata

    @functools.cached_property
    def flat_metadata(self) -> dict[str, Scalar]:
        """Metadata under dotted names."""
        return flatten(self.digested.metadata)

    @property
    def arguments(self) -> LazyArguments:
        """The arguments by name, in canonical order."""
        return LazyArguments(self.digested, self.loader)

    @property
    def result(self) -> Any:
        """The result, or ``MISSING`` if the call has none.

        Raises:
            KeyNotFound: the result was evicted.
        """
        if self.digested.result is None:
            return MISSING
        return _value(RESULT, self.digested.result, self.digested, self.loader)

    def fetch(self) -> Call:
        """Return the call with all its values loaded.

        Raises:
            KeyNotFound: a value is not stored.
        """
        call = self.digested
        arguments = dict(self.arguments)
        return Call(
            call.name, arguments, call.module, call.version, call.code, self.result, call.metadata
        )

    def __eq__(self, other: object) -> bool:
        return self.digested == other.digested if isinstance(other, LazyCall) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<LazyCall {shown_digest(self.key)[1:-1]} {self.digested!r}>"


class LazyArguments(Mapping[str, Any]):
    """Arguments of a stored call by name; each look-up of what is no scalar loads it anew."""

    def __init__(self, digested: DigestedCall, loader: Loader) -> None:
        self._digested = digested
        self._loader = loader

    def __getitem__(self, name: str) -> Any:
        return _value(name, self._digested.arguments[name], self._digested, self._loader)

    def __iter__(self) -> Iterator[str]:
        return iter(self._digested.arguments)

    def __len__(self) -> int:
        return len(self._digested.arguments)

    def __contains__(self, name: object) -> bool:
        return name in self._digested.arguments

    def __repr__(self) -> str:
        return f"<arguments of {self._digested!r}>"


def _value(name: str, digest: Digest, call: DigestedCall, loader: Loader) -> Any:
    scalars = call.scalars
    return scalars[name] if name in scalars else loader.load_value(digest)
