"""What may become of a function without its stored results becoming wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from fleche_like.calls import Call, DigestedCall, QueryCall
from fleche_like.errors import ConfigError
from fleche_like.hashing import Digest
from fleche_like.storage.base import require_full


class Change(Protocol):
    """A change that gives calls other keys, and their results stay right."""

    def template(self) -> QueryCall:
        """Return what finds the calls that may be concerned."""
        ...

    def apply(self, call: DigestedCall) -> DigestedCall | None:
        """Return the call as it is after the change; ``None`` if it is not concerned."""
        ...

    def values(self) -> Mapping[Digest, Any]:
        """Return values that the changed calls need, by digest."""
        ...

    def described(self) -> dict[str, Any]:
        """Return the change as JSON."""
        ...


@dataclass(frozen=True)
class Rename:
    """A function, or all functions of a module, have another name or live in another module.

    Args:
        name: the qualified name that a function had; ``None`` for all of ``module``.
        to: the name that it has now; ``None`` if it is the same.
        module: the module that it was in; ``None`` for any.
        to_module: the module that it is in now; ``None`` if it is the same.

    Raises:
        ConfigError: nothing is renamed, or it is not said what.

    >>> Rename("fit", "train").template().name
    'fit'
    """

    name: str | None = None
    to: str | None = None
    module: str | None = None
    to_module: str | None = None

    def __post_init__(self) -> None:
        named = (self.name, self.to), (self.module, self.to_module)
        if any(new is not None and old is None for old, new in named):
            raise ConfigError("a new name or module goes with the old one", source="rekey")
        if all(new is None or new == old for old, new in named):
            raise ConfigError("say what it is called now: another name or module", source="rekey")

    def template(self) -> QueryCall:
        return QueryCall(name=self.name, module=self.module)

    def apply(self, call: DigestedCall) -> DigestedCall | None:
        if self.name not in (None, call.name) or self.module not in (None, call.module):
            return None
        name = call.name if self.to is None else self.to
        module = call.module if self.to_module is None else self.to_module
        return replace(call, name=name, module=module)

    def values(self) -> Mapping[Digest, Any]:
        return {}

    def described(self) -> dict[str, Any]:
        return {"rename": asdict(self)}


@dataclass(frozen=True)
class AddArgument:
    """A function has one more argument, and did before what it does now with its default.

    Args:
        name: the function's qualified name.
        argument: what the new argument is called.
        value: its default.
        module: the function's module; ``None`` for any.
        before: the argument that it stands in front of; ``None`` for the end. The order of
            arguments is part of a key, so this must be as in the signature.
    """

    name: str
    argument: str
    value: Any
    module: str | None = None
    before: str | None = None

    def template(self) -> QueryCall:
        return QueryCall(name=self.name, module=self.module)

    def apply(self, call: DigestedCall) -> DigestedCall | None:
        if call.name != self.name or self.module not in (None, call.module):
            return None
        if self.argument in call.arguments:
            return None
        made = self._made()
        return replace(
            call,
            arguments=self._placed(call.arguments, made.arguments[self.argument]),
            scalars={**call.scalars, **made.scalars},
            views={**call.views, **made.views},
            parts={**call.parts, **made.parts},
        )

    def _made(self) -> DigestedCall:
        return Call(self.name, {self.argument: self.value}).digested()

    def _placed(self, arguments: Mapping[str, Digest], digest: Digest) -> dict[str, Digest]:
        if self.before is None:
            return {**arguments, self.argument: digest}
        if self.before not in arguments:
            raise ConfigError(
                f"{self.name} has no argument {self.before!r} to put {self.argument!r} before",
                source="rekey",
            )
        placed: dict[str, Digest] = {}
        for name, known in arguments.items():
            if name == self.before:
                placed[self.argument] = digest
            placed[name] = known
        return placed

    def values(self) -> Mapping[Digest, Any]:
        made = self._made()
        return {} if made.scalars else {made.arguments[self.argument]: self.value}

    def described(self) -> dict[str, Any]:
        digest = self._made().arguments[self.argument]
        told = {"name": self.name, "module": self.module, "before": self.before}
        return {"add_argument": {**told, "argument": self.argument, "value": str(digest)}}


@dataclass(frozen=True)
class AcceptCode:
    """Code changed in a way that changes no result.

    Args:
        old: the code digest that calls are stored under.
        new: the one that the function has now: ``f.call(...).code``.
        name: only calls of this function; ``None`` for all that have the code digest.

    Raises:
        InvalidDigest: (a KeyError) one is no whole digest.
    """

    old: Digest | str
    new: Digest | str
    name: str | None = None

    def __post_init__(self) -> None:
        require_full(self.old)
        require_full(self.new)

    def template(self) -> QueryCall:
        return QueryCall(name=self.name, code=require_full(self.old))

    def apply(self, call: DigestedCall) -> DigestedCall | None:
        if self.name not in (None, call.name) or call.code != require_full(self.old):
            return None
        return replace(call, code=require_full(self.new))

    def values(self) -> Mapping[Digest, Any]:
        return {}

    def described(self) -> dict[str, Any]:
        return {"accept_code": {"old": str(self.old), "new": str(self.new), "name": self.name}}
