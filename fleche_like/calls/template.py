"""Templates: calls with holes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fleche_like.calls.call import Call, DigestedCall
from fleche_like.calls.key import Version, checked_version
from fleche_like.calls.lazy import LazyCall
from fleche_like.calls.metadata import flatten, freeze
from fleche_like.calls.scalars import Scalar
from fleche_like.errors import InvalidDigest
from fleche_like.hashing import DIGEST_LENGTH, Digest, digest, value_digest

MIN_PREFIX_LENGTH: Final = 4


@dataclass
class QueryCall:
    """A call with holes: ``None`` matches anything.

    Values match by digest, so by exact type: ``1`` finds neither ``1.0`` nor ``True``. A
    :class:`Digest` stands for the value that has it, a short one (4 characters or more) for every
    value whose digest begins so. To find the value ``None`` itself, use ``arg("x").is_none()``.

    Args:
        name: qualified name of the function.
        arguments: values by name. Arguments that are not named may be anything or absent; those
            named must be there, with that value, or with any if it is ``None``.
        metadata: nested, or under dotted names as ``flatten`` makes them. Each leaf must be there,
            with that very value, or with any if it is ``None`` (which also finds a branch).
        module: the function's module.
        version: its version, by exact type.
        code: digest of its code, possibly short; or several digests, of which any will do.
        result: the result's value or digest; a call without result matches only ``None``.
    """

    name: str | None = None
    arguments: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    module: str | None = None
    version: Version = None
    code: Digest | str | tuple[Digest, ...] | None = None
    result: Any = None

    def digested(self) -> QueryCall:
        """Return this template with all values replaced by digests, and metadata flat.

        What it returns is its own ``digested()``. This is what a storage compiles to a query.

        Raises:
            Indigestible: a value has no stable identity, or the version is no int and no text.
            InvalidDigest: a short digest has under 4 characters, or is none at all.
        """
        return replace(
            self,
            arguments=None if self.arguments is None else _patterns(self.arguments),
            metadata=None if self.metadata is None else flatten(freeze(self.metadata), dotted=True),
            version=checked_version(self.version),
            code=_code_patterns(self.code),
            result=as_pattern(self.result),
        )

    def matches(self, call: Call | DigestedCall | LazyCall) -> bool:
        """Return whether ``call`` fits.

        Raises:
            Indigestible: a value of the template (or of a :class:`Call`) has no stable identity.
            InvalidDigest: the template holds a malformed digest.
        """
        return matches_digested(self.digested(), _sealed(call))


def matches_digested(template: QueryCall, call: DigestedCall) -> bool:
    """Return whether ``call`` fits a template that ``digested()`` returned."""
    return (
        template.name in {None, call.name}
        and template.module in {None, call.module}
        and (template.version is None or _same_version(template.version, call.version))
        and _fits_code(template.code, call.code)
        and fits(template.result, call.result)
        and _fits_arguments(template.arguments or {}, call.arguments)
        and _fits_metadata(template.metadata or {}, call)
    )


def fits(pattern: str | None, key: Digest | None) -> bool:
    """Return whether a digest begins with ``pattern``; ``None`` as pattern fits even no digest."""
    return pattern is None or (key is not None and key.startswith(pattern))


def as_pattern(value: Any) -> Digest | None:
    """Return what the digest of ``value`` must begin with; ``None`` for a hole.

    Raises:
        Indigestible: the value has no stable identity.
        InvalidDigest: a digest that has under 4 characters, or over 32, or is not hexadecimal.
    """
    if value is None:
        return None
    return _checked(value) if isinstance(value, Digest) else value_digest(value)


def _code_patterns(
    code: Digest | str | tuple[Digest, ...] | None,
) -> Digest | tuple[Digest, ...] | None:
    if isinstance(code, tuple):
        return tuple(_checked(Digest(each)) for each in code)
    return None if code is None else _checked(Digest(code))


def _fits_code(patterns: str | tuple[Digest, ...] | None, key: Digest | None) -> bool:
    if isinstance(patterns, tuple):
        return any(fits(each, key) for each in patterns)
    return fits(patterns, key)


def _checked(pattern: Digest) -> Digest:
    folded = pattern.lower()
    hexadecimal = set(folded) <= set("0123456789abcdef")
    if not (hexadecimal and MIN_PREFIX_LENGTH <= len(folded) <= DIGEST_LENGTH):
        raise InvalidDigest(f"no digest and no prefix of one: {pattern[:80]!r}", key=str(pattern))
    return Digest(folded)


def _sealed(call: Call | DigestedCall | LazyCall) -> DigestedCall:
    return call if isinstance(call, DigestedCall) else _unsealed(call)


def _unsealed(call: Call | LazyCall) -> DigestedCall:
    return call.digested if isinstance(call, LazyCall) else call.digested()


def _patterns(arguments: Mapping[str, Any]) -> dict[str, Digest | None]:
    return {name: as_pattern(value) for name, value in arguments.items()}


def _same_version(wanted: Version, found: Version) -> bool:
    return type(wanted) is type(found) and wanted == found


def _fits_arguments(patterns: Mapping[str, Any], arguments: Mapping[str, Digest]) -> bool:
    return all(
        name in arguments and fits(pattern, arguments[name]) for name, pattern in patterns.items()
    )


def _fits_metadata(wanted: Mapping[str, Scalar], call: DigestedCall) -> bool:
    if not wanted:
        return True
    leaves = flatten(call.metadata)
    return all(_fits_leaf(name, value, leaves) for name, value in wanted.items())


def _fits_leaf(name: str, wanted: Scalar, leaves: Mapping[str, Scalar]) -> bool:
    if wanted is None:
        return name in leaves or any(leaf.startswith(f"{name}.") for leaf in leaves)
    return name in leaves and digest(leaves[name]) == digest(wanted)
