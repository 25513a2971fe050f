"""Calls: one invocation of a function, with its values or with their digests."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleche_like.calls.display import shown_call, shown_digest, shown_value
from fleche_like.calls.key import Version, key_maker
from fleche_like.calls.metadata import freeze
from fleche_like.calls.parts import Parts, parts_of
from fleche_like.calls.scalars import Scalar, is_scalar, scalar_view
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, digest, value_digest
from fleche_like.support.sentinel import MISSING

#: The result's name beside those of arguments: a keyword of Python, so no parameter has it.
RESULT: Final = "return"


@dataclass(repr=False)
class Call:
    """One invocation with its values.

    Args:
        name: qualified name of the function.
        arguments: values by name, in the order that :class:`~fleche_like.calls.Binder` gives. A
            :class:`Digest` stands for the value that has it.
        module: the function's module.
        version: its declared version.
        code: digest of its code.
        result: what it returned; ``MISSING`` if it has not.
        metadata: what else is known of this invocation; no part of the key.

    Raises:
        ValueError: an argument is named ``return``, which is the result's name.

    >>> Call("simulate", {"alpha": 0.1, "steps": 100})
    simulate(alpha=0.1, steps=100)
    """

    name: str
    arguments: dict[str, Any]
    module: str | None = None
    version: Version = None
    code: Digest | None = None
    result: Any = MISSING
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _refuse_reserved(self.arguments)

    @property
    def key(self) -> Digest:
        """The key for the arguments as they are now; ``digested()`` holds it fast.

        Raises:
            Indigestible: an argument has no stable identity.
        """
        maker = key_maker(self.name, self.module, self.version, self.code)
        return maker.key_of_own(digest_arguments(self.arguments))

    def to_lookup_key(self) -> Digest:
        """Return :attr:`key`."""
        return self.key

    def digested(self, digests: dict[str, Digest] | None = None) -> DigestedCall:
        """Return this call sealed: digests of all values as they are now, and a copy of metadata.

        Args:
            digests: those of the arguments, if they are known already.

        Raises:
            Indigestible: an argument or the result has no stable identity.
        """
        if digests is None:
            digests = digest_arguments(self.arguments)
        scalars: dict[str, Scalar] = {}
        views: dict[str, Scalar] = {}
        parts: dict[str, Parts] = {}
        for name, value in self.arguments.items():
            _look_at(name, value, scalars, views, parts)
        result = None
        if self.result is not MISSING:
            result = _digest_of(self.result, "result")
            _look_at(RESULT, self.result, scalars, views, parts)
        metadata = freeze(self.metadata)
        return DigestedCall(
            self.name, digests, self.module, self.version, self.code, result, metadata,
            scalars, views, parts,
        )  # fmt: skip

    def __repr__(self) -> str:
        return shown_call(self.name, {n: shown_value(v) for n, v in self.arguments.items()})


@dataclass(repr=False)
class DigestedCall:
    """One invocation with the digests of its values. Not to be changed once it is made.

    Args:
        name: qualified name of the function.
        arguments: digests by argument name, in canonical order.
        module: the function's module.
        version: its declared version.
        code: digest of its code.
        result: digest of the result, ``None`` if there is none yet.
        metadata: JSON-able; see :func:`~fleche_like.calls.metadata.freeze`.
        scalars: the very values of those arguments that are scalars, and of the result under
            ``"return"``. They follow from the digests, so they do not count in comparisons.
        views: scalars that *compare* like those arguments (or result) that are not scalars
            themselves: ``np.float64(0.1)`` has the view ``0.1``. Never a substitute for the value.
        parts: what is inside those that are neither, as far as it is kept.
    """

    name: str
    arguments: dict[str, Digest]
    module: str | None = None
    version: Version = None
    code: Digest | None = None
    result: Digest | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    scalars: Mapping[str, Scalar] = field(default_factory=dict, compare=False)
    views: Mapping[str, Scalar] = field(default_factory=dict, compare=False)
    parts: Mapping[str, Parts] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _refuse_reserved(self.arguments)

    @functools.cached_property
    def key(self) -> Digest:
        """The call's key: computed once."""
        maker = key_maker(self.name, self.module, self.version, self.code)
        return maker.key(self.arguments.items())

    def to_lookup_key(self) -> Digest:
        """Return :attr:`key`."""
        return self.key

    @property
    def comparable(self) -> Mapping[str, Scalar]:
        """What expressions compare and an index keeps in typed columns: scalars and views."""
        return {**self.views, **self.scalars} if self.views else self.scalars

    def with_result(self, result: Any, metadata: Mapping[str, Any] | None = None) -> DigestedCall:
        """Return a copy that has ``result``, and the same key.

        Args:
            result: what the call returned; a :class:`Digest` counts as the text that it is.
            metadata: replaces the metadata, if given.

        Raises:
            Indigestible: the result has no stable identity.
        """
        scalars, views, parts = dict(self.scalars), dict(self.views), dict(self.parts)
        for known in (scalars, views, parts):
            known.pop(RESULT, None)
        _look_at(RESULT, result, scalars, views, parts)
        finished = DigestedCall(
            self.name, self.arguments, self.module, self.version, self.code,
            value_digest(result, "result"),
            self.metadata if metadata is None else freeze(metadata),
            scalars, views, parts,
        )  # fmt: skip
        finished.key = self.key
        return finished

    def __repr__(self) -> str:
        shown = {
            name: shown_value(self.scalars[name]) if name in self.scalars else shown_digest(key)
            for name, key in self.arguments.items()
        }
        return shown_call(self.name, shown)


@dataclass
class PreparedCall:
    """A call that is sealed before its body runs, so that what the body changes cannot touch it.

    A cache subclasses it to add what it encoded of the arguments.
    """

    call: DigestedCall

    @property
    def key(self) -> Digest:
        """The call's key."""
        return self.call.key

    def finished(self, result: Any, metadata: Mapping[str, Any] | None = None) -> DigestedCall:
        """Return the call with its result; see :meth:`DigestedCall.with_result`."""
        return self.call.with_result(result, metadata)


def digest_arguments(arguments: Mapping[str, Any]) -> dict[str, Digest]:
    """Return the digests of arguments by name.

    Raises:
        Indigestible: one has no stable identity; the path begins with ``args['name']``.
    """
    try:
        return {name: _digest_of(value) for name, value in arguments.items()}
    except Indigestible:
        # Again, only now spelling out where each value sits, for the error.
        return {name: _digest_of(value, f"args[{name!r}]") for name, value in arguments.items()}


def _digest_of(value: Any, path: str = "value") -> Digest:
    """Return the digest of an argument: itself, if it is one, for the value that has it."""
    return digest(value, path) if type(value) is Digest else value_digest(value, path)


def _look_at(
    name: str,
    value: Any,
    scalars: dict[str, Scalar],
    views: dict[str, Scalar],
    parts: dict[str, Parts],
) -> None:
    """File a value under scalars or views, or what is inside it under parts."""
    if is_scalar(value):
        scalars[name] = value
    # A Digest is text only in form: it stands for a value that is not at hand.
    elif not isinstance(value, Digest):
        view = scalar_view(value)
        if view is not MISSING:
            views[name] = view
        elif (inside := parts_of(value)) is not MISSING:
            parts[name] = inside


def _refuse_reserved(arguments: Mapping[str, Any]) -> None:
    if RESULT in arguments:
        raise ValueError("no argument can be named 'return': that is the result's name")
