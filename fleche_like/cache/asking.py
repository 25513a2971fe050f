"""What is asked of a cache beyond single results: calls by key, queries, lineage, figures."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from fleche_like.cache.abilities import codes_of, counted, figures_of, manifest_of, selected
from fleche_like.cache.lineage import beginning, related
from fleche_like.calls import (
    Grouping,
    Groups,
    LazyCall,
    LineageQuery,
    QueryCall,
    Selection,
    SupportsAggregation,
    Version,
    grouped,
)
from fleche_like.calls.lineage import MOST_CALLS
from fleche_like.hashing import Digest
from fleche_like.query import Lineage, Query
from fleche_like.storage import CallStorage, Intent, OperationContext, ValueStorage


class Asking(OperationContext):
    """The questions that a cache passes on to its storages.

    Attributes:
        values: where values are, by digest.
        calls: where calls are, by key.
    """

    values: ValueStorage
    calls: CallStorage
    _wraps: bool  # whether there is a context around operations

    @abc.abstractmethod
    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        """Return the values of full digests; those that are not stored are left out."""

    @abc.abstractmethod
    def evict(self, key: Digest | str) -> None:
        """Remove the call of a full or short key."""

    # Single ones

    def load(self, key: Digest | str) -> LazyCall:
        """Return the call of a full or short key; its values are loaded when they are looked at.

        Raises:
            KeyError: it is not stored.
            AmbiguousDigestError: several calls begin with a short key.
        """
        if not self._wraps:
            return LazyCall(self.calls.load(key), self)
        full = self.calls.expand(key)
        with self._operation_context(full, intent=Intent.READ):
            return LazyCall(self.calls.load(full), self)

    def load_value(self, digest: Digest | str) -> Any:
        """Return the value of a full or short digest.

        Raises:
            KeyError: it is not stored.
            AmbiguousDigestError: several values begin with a short digest.
        """
        return self.values.load(digest)

    # Keys

    def expand(self, key: Digest | str) -> Digest:
        """Return the full key that a short one stands for.

        Raises:
            KeyError: no call begins with it, or it is no digest.
            AmbiguousDigestError: several calls begin with it.
        """
        return self.calls.expand(key)

    @overload
    def shrink(self, key: Digest | str, /) -> Digest: ...
    @overload
    def shrink(
        self, key: Digest | str, second: Digest | str, /, *keys: Digest | str
    ) -> tuple[Digest, ...]: ...

    def shrink(self, /, *keys: Digest | str) -> Digest | tuple[Digest, ...]:
        """Return the shortest prefix that names each call alone; a tuple for several keys.

        Raises:
            KeyError: a call is not stored.
        """
        return self.calls.shrink(*keys)

    def shrink_keys(self, keys: Sequence[Digest]) -> Sequence[Digest]:
        """Return a short key for each key, in their order, as one batch."""
        if len(keys) < 2:
            return [self.calls.shrink(key) for key in keys]
        return self.calls.shrink(*keys)

    # Querying

    def query(
        self,
        template: QueryCall | None = None,
        /,
        *,
        name: str | None = None,
        module: str | None = None,
        version: Version = None,
        code: Digest | str | None = None,
        arguments: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        result: Any = None,
    ) -> Query:
        """Return the stored calls that match, as a lazy, chainable query.

        Args:
            template: what to look for, instead of the single parts.
            name: qualified name of the function.
            module: its module.
            version: its version.
            code: digest of its code, possibly short.
            arguments: values by argument name, as they are or as :class:`Digest`.
            metadata: values by dotted name, or nested.
            result: the result, as it is or as :class:`Digest`.

        ``None`` matches anything.
        """
        if template is None:
            template = QueryCall(name, arguments, metadata, module, version, code, result)
        return Query(self, Selection(template))

    def select(self, selection: Selection) -> Iterator[LazyCall]:
        """Yield the calls of a selection: in SQL where the call storage can, else one by one."""
        return (LazyCall(call, self) for call in selected(self.calls, selection, self))

    def count(self, selection: Selection) -> int:
        """Return how many calls meet a selection's template and conditions."""
        return counted(self.calls, selection, self)

    def aggregate(self, selection: Selection, grouping: Grouping) -> Groups:
        """Return the groups of a selection's calls with their figures; in SQL where that is."""
        if isinstance(self.calls, SupportsAggregation):
            return self.calls.aggregate(selection, grouping, self)
        return grouped(self.select(selection), grouping)

    def lineage(
        self,
        of: Any,
        *,
        up: bool = True,
        down: bool = True,
        depth: int | None = None,
        scalars: bool = False,
        most: int = MOST_CALLS,
    ) -> Lineage:
        """Return what a value or call came from, and what became of it.

        Args:
            of: a call; a digest or key, full or short; or a value itself (text is taken for a
                digest: for a text's own lineage give its digest).
            up: whether to look for what it came from.
            down: whether to look for what became of it.
            depth: how many calls away, ``None`` for any number.
            scalars: whether scalars tie calls too; what is as common as ``1`` ties nearly all.
            most: how many calls at most, in each direction.

        Raises:
            KeyError: nothing begins with a short digest, or it is none.
            AmbiguousDigestError: several calls or values begin with it.
        """
        key, value = beginning(of, self.calls, self.values)
        asked = LineageQuery(key, value, up, down, depth, scalars, most)
        return Lineage(related(self.calls, asked), value=value, scalars=scalars)

    # What there is of a function

    def codes(self, name: str, module: str | None, version: Version = None) -> list[Digest]:
        """Return the code digests under which calls of a function were stored.

        Args:
            name: its qualified name.
            module: its module.
            version: its version.
        """
        return codes_of(self.calls, name, module, version)

    def manifest(self, code: Digest | str) -> Mapping[str, str]:
        """Return what went into a code digest: digests by part name; none if it is unknown."""
        return manifest_of(self.calls, code)

    def figures(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return what the stored calls of a function amount to, whatever their version.

        Returns:
            How many; the bytes of their results; the mean of the seconds that they took. ``None``
            where that is not known.
        """
        return figures_of(self.calls, name, module)
