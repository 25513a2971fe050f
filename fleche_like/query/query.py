"""The lazy, chainable result of a query."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar, overload

from fleche_like.calls import (
    RESULT,
    Aggregate,
    DigestedCall,
    Expression,
    Field,
    LazyCall,
    Ordering,
    Selection,
    meta,
)
from fleche_like.errors import NoCallMatches, QueryError, SeveralCallsMatch
from fleche_like.hashing import Digest, value_digest
from fleche_like.query.batches import in_batches
from fleche_like.query.columns import Choice, collect
from fleche_like.query.fields import Key, columns_of, key_function, ordering_of, orderings
from fleche_like.query.frames import builder
from fleche_like.query.groups import GroupedCalls, figures, labelled
from fleche_like.query.held import HeldCalls
from fleche_like.query.html import render
from fleche_like.query.narrowing import contradicts, narrowed
from fleche_like.query.showing import describe
from fleche_like.query.source import QuerySource
from fleche_like.query.windows import Window, forward
from fleche_like.support.sentinel import MISSING, Missing

T = TypeVar("T")

STARTED: Final = "runtime.started"
HTML_ROWS: Final = 20


class Query:
    """Calls that were asked for and are read when they are needed, each time anew.

    Every method that narrows returns a new query; nothing is read before the answer is iterated,
    counted, indexed or shown. What can be answered by the source's database is: conditions,
    order, limit and offset, counts. ``filter sorted unique`` and ``groupby`` take Python
    functions; they read the calls and return a query over these, held in memory.

    Queries may be shared between threads.

    Args:
        source: what holds the calls, mostly a cache.
        selection: what is asked; everything if it is left out.
    """

    __slots__ = ("_fixed", "_selection", "_source")

    def __init__(self, source: QuerySource, selection: Selection | None = None) -> None:
        self._source = source
        self._selection = Selection() if selection is None else selection
        # Whether a slice fixed the window, so that a later limit or offset counts within it.
        self._fixed = False

    @property
    def source(self) -> QuerySource:
        """What holds the calls."""
        return self._source

    @property
    def selection(self) -> Selection:
        """What is asked of the source."""
        return self._selection

    # --- asking for less -----------------------------------------------------------------------

    def all_versions(self) -> Query:
        """Widen to calls of whatever code and version."""
        template = replace(self._selection.template, code=None, version=None)
        return self._asking(replace(self._selection, template=template))

    def where(self, /, *conditions: Expression, **arguments: Any) -> Query:
        """Keep the calls that meet all conditions and have all arguments.

        Args:
            conditions: such as ``arg("alpha") > 0.05``, which compares values.
            arguments: argument values, compared by digest and thus by exact type; ``None`` means
                any value, as in templates.

        Raises:
            QueryError: something is no condition, or the query is limited already.
        """
        self._refuse_window("where")
        if contradicts(self._selection.template, arguments):
            return self.hold().where(*conditions, **arguments)
        return self._asking(narrowed(self._selection, conditions, arguments))

    def order_by(self, *fields: str | Field | Ordering) -> Query:
        """Sort by fields, the first counting most; an order given before decides among equals.

        Args:
            fields: ``"alpha"`` or ``"-alpha"`` (descending) for arguments, ``"result"``,
                ``"meta.runtime.walltime"``, a field such as ``arg("alpha")``, or an ordering
                such as ``arg("alpha").desc()``.

        Calls that lack a value come last. Equals are sorted by key.

        Raises:
            QueryError: the query is limited already.
        """
        self._refuse_window("order_by")
        order = orderings(fields) + self._selection.order
        return self._asking(replace(self._selection, order=order))

    def limit(self, count: int | None) -> Query:
        """Return at most ``count`` calls (None: all). Limit and offset go in either order.

        Raises:
            QueryError: ``count`` is negative.
        """
        if self._fixed:
            return self[:count]
        return self._asking(replace(self._selection, limit=_checked(count, "limit")))

    def offset(self, count: int) -> Query:
        """Leave out the first ``count`` calls.

        Raises:
            QueryError: ``count`` is negative.
        """
        if self._fixed:
            return self[count:]
        return self._asking(replace(self._selection, offset=_checked(count, "offset") or 0))

    @overload
    def __getitem__(self, index: int) -> LazyCall: ...
    @overload
    def __getitem__(self, index: slice) -> Query: ...
    def __getitem__(self, index: int | slice) -> LazyCall | Query:
        if isinstance(index, slice):
            return self._slice(index)
        position = index if index >= 0 else index + self.count()
        if position >= 0:
            for call in self._part(position, position + 1).all():
                return call
        raise IndexError(f"no call at position {index}")

    # --- answers -------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[LazyCall]:
        return self._source.select(self._selection)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return self.exists()

    def count(self) -> int:
        """Return how many calls there are, limit and offset respected, without reading them."""
        asked = replace(self._selection, order=(), limit=None, offset=0)
        return self._window.count(self._source.count(asked))

    def exists(self) -> bool:
        """Return whether there is any call."""
        return bool(self._part(0, 1).all())

    def group_by(self, *fields: str | Field) -> GroupedCalls:
        """Return the calls in groups, whose figures :meth:`GroupedCalls.agg` gives.

        Args:
            fields: names or fields, as for :meth:`order_by`.

        Raises:
            QueryError: something is no field.
        """
        return GroupedCalls(self._source, self._selection, labelled(fields))

    def agg(self, **aggregates: Aggregate) -> dict[str, Any]:
        """Return figures of all calls together; what there is nothing to make of is left out.

        Args:
            aggregates: by name, such as ``n=count()`` or ``best=result().max()``.

        Raises:
            QueryError: something is no aggregate.
        """
        ((_, shown),) = figures(self._source, self._selection, {}, aggregates)
        return {name: figure for name, figure in shown.items() if figure is not MISSING}

    def all(self) -> list[LazyCall]:
        """Return the calls as a list."""
        return [*iter(self)]  # list(self) would ask for the count first

    def one(self) -> LazyCall:
        """Return the only call.

        Raises:
            NoCallMatches: there is none.
            SeveralCallsMatch: there are more.
        """
        found = self._part(0, 2).all()
        if not found:
            raise NoCallMatches(f"no call matches {self._asked()}")
        if len(found) > 1:
            first, second = found
            raise SeveralCallsMatch(
                f"several calls match {self._asked()}, {first!r} and {second!r} among them"
            )
        return found[0]

    @overload
    def first(self) -> LazyCall: ...
    @overload
    def first(self, default: T) -> LazyCall | T: ...
    def first(self, default: T | Missing = MISSING) -> LazyCall | T:
        """Return the first call.

        Args:
            default: returned if there is none.

        Raises:
            NoCallMatches: there is none, and no default.
        """
        for call in self._part(0, 1).all():
            return call
        if default is MISSING:
            raise NoCallMatches(f"no call matches {self._asked()}")
        return default

    def results(self, default: Any = MISSING) -> Iterator[Any]:
        """Yield the results, in order, loaded in batches.

        Args:
            default: stands for a result that is not there (evicted, or never stored). Without
                it such calls are left out: they read as misses.
        """
        for call, loaded in in_batches(self, _unread_result, self._source.load_values):
            digested = call.digested
            value = digested.scalars.get(RESULT, MISSING)
            if value is MISSING and digested.result is not None:
                value = loaded.get(digested.result, default)
            if value is not MISSING or default is not MISSING:
                yield default if value is MISSING else value

    def evict(self) -> int:
        """Remove the calls from the source and return how many there were.

        Their values stay until they are collected. Each call is removed by itself: an
        interruption leaves the rest where they are, and asking again goes on from there.
        """
        keys = [call.key for call in self]
        for key in keys:
            self._source.evict(key)
        return len(keys)

    # --- what only Python can do ---------------------------------------------------------------

    def hold(self) -> Query:
        """Return these calls read once, when first needed, and held in memory from then on."""
        return self._holding(lambda: self)

    def filter(self, keep: Callable[[LazyCall], object]) -> Query:
        """Keep the calls for which ``keep`` returns something true."""
        return self._holding(lambda: (call for call in self if keep(call)))

    def sorted(self, key: Key, *, reverse: bool = False) -> Query:
        """Sort by what a function gives, as Python compares; equals keep their order.

        Args:
            key: a function of a call, or a field or its name, which sort as in ``order_by``.
            reverse: whether the largest comes first.
        """
        if not callable(key):
            order = ordering_of(key)
            descending = order.descending is not reverse
            return self.hold().order_by(replace(order, descending=descending))
        return self._holding(lambda: sorted(self, key=key, reverse=reverse))

    def unique(self, key: Key) -> Query:
        """Keep the first call for each thing that ``key`` gives.

        Args:
            key: a function of a call, or a field or its name. Things are told apart by digest,
                so by exact type.
        """
        value = key_function(key)
        return self._holding(lambda: _first_of_each(self, value))

    def groupby(self, key: Key) -> dict[Any, Query]:
        """Return a query for each thing that ``key`` gives, in order of appearance.

        Args:
            key: a function of a call, which must give something hashable, or a field or its name:
                then scalars are grouped by value, others by digest, and ``MISSING`` has the calls
                that lack it. What Python takes for equal (``1`` and ``True``) is one group.
        """
        value = key_function(key)
        groups: dict[Any, list[LazyCall]] = {}
        for call in self:
            groups.setdefault(value(call), []).append(call)
        return {thing: self._holding(calls.copy) for thing, calls in groups.items()}

    @overload
    def latest(self) -> LazyCall: ...
    @overload
    def latest(self, n: int) -> Query: ...
    def latest(self, n: int | None = None) -> LazyCall | Query:
        """Return the call that started last, or the last ``n`` of them, the newest first.

        Calls without ``runtime`` metadata come after all that have it.

        Raises:
            NoCallMatches: one was asked for and there is none.
        """
        return self._by_start(n, meta(STARTED).desc())

    @overload
    def oldest(self) -> LazyCall: ...
    @overload
    def oldest(self, n: int) -> Query: ...
    def oldest(self, n: int | None = None) -> LazyCall | Query:
        """Return the call that started first, or the first ``n`` of them, the oldest first.

        Raises:
            NoCallMatches: one was asked for and there is none.
        """
        return self._by_start(n, meta(STARTED).asc())

    # --- tables --------------------------------------------------------------------------------

    def table(
        self,
        arguments: str | Field | Collection[str | Field] | None = None,
        results: bool | None = None,
        metadata: bool | str | Collection[str] = True,
        *,
        short: bool = True,
        values: bool = False,
        library: str | None = "pandas",
    ) -> Any:
        """Return a table with a row for each call.

        An argument's column has the argument's name, metadata is ``meta.<dotted name>``, the
        result ``result``; ``name``, ``module`` and ``version`` are there if the calls differ in
        them. An argument with one of those names is ``arg.<name>``. Columns of bool, int, float,
        text and datetimes have that type, with NA where a call has no value.

        Args:
            arguments: names of the arguments to show; all that occur if left out. Also parts of
                containers, as ``"cfg['lr']"`` or ``result()["score"]``, and any other field.
            results: None shows results that are scalars, True loads and shows all, False none.
            metadata: True for all, False for none, or the dotted names to show.
            short: whether the index has short digests of the calls' keys, or full ones.
            values: whether arguments that are no scalars are loaded; else their digest is shown.
            library: ``"pandas"`` gives a DataFrame, ``"polars"`` and ``"arrow"`` theirs (with a
                column ``key`` for the index), None a list of dicts that lack what a call lacks.

        Raises:
            MissingExtra: the library is not installed.
            QueryError: there is no such library here.
        """
        build = builder(library)
        choice = Choice(
            arguments=columns_of(arguments),
            results=results,
            metadata=metadata if isinstance(metadata, bool) else _names(metadata) or (),
            short=short,
            values=values,
        )
        return build(collect(_digested(self), choice, self._source))

    def _repr_html_(self) -> str:
        calls = _digested(self._part(0, HTML_ROWS + 1))
        columns = collect(calls[:HTML_ROWS], Choice(), self._source)
        return render(columns, asked=self._asked(), more=len(calls) > HTML_ROWS)

    def __repr__(self) -> str:
        return f"<Query {self._asked()}>"

    # --- inside --------------------------------------------------------------------------------

    @property
    def _window(self) -> Window:
        return Window(self._selection.offset, self._selection.limit)

    def _asking(self, selection: Selection, *, fixed: bool = False) -> Query:
        query = Query(self._source, selection)
        query._fixed = fixed or self._fixed
        return query

    def _holding(self, supply: Callable[[], Iterable[LazyCall]]) -> Query:
        return Query(HeldCalls(self._source, supply))

    def _part(self, start: int, stop: int | None) -> Query:
        offset, limit = self._window.part(start, stop)
        return self._asking(replace(self._selection, offset=offset, limit=limit), fixed=True)

    def _slice(self, part: slice) -> Query:
        ahead = forward(part)
        if ahead is not None:
            return self._part(*ahead)
        positions = range(self.count())[part]
        if positions.step == 1:
            return self._part(positions.start, max(positions.start, positions.stop))
        return self._holding(lambda: self.all()[part])

    def _by_start(self, n: int | None, order: Ordering) -> LazyCall | Query:
        query = self.hold() if self._limited else self
        ordered = query._asking(replace(query.selection, order=(order,)))
        return ordered.first() if n is None else ordered[: _checked(n, "n")]

    @property
    def _limited(self) -> bool:
        return self._window != Window()

    def _refuse_window(self, method: str) -> None:
        if self._limited:
            raise QueryError(
                f"{method}() after a limit, offset or slice could mean two things: call it before,"
                f" or hold the calls first: .hold().{method}(...)"
            )

    def _asked(self) -> str:
        return describe(self._selection, self._source)


def _first_of_each(calls: Iterable[LazyCall], value: Callable[[LazyCall], Any]) -> list[LazyCall]:
    firsts: dict[Any, LazyCall] = {}
    for call in calls:
        firsts.setdefault(_identity(value(call)), call)
    return list(firsts.values())


def _identity(value: Any) -> Any:
    # By digest, since Python takes 1, 1.0 and True for one thing and cannot hash a list.
    return value if value is MISSING else value_digest(value)


def _unread_result(call: LazyCall) -> Digest | None:
    digested = call.digested
    return None if RESULT in digested.scalars else digested.result


def _digested(calls: Iterable[LazyCall]) -> list[DigestedCall]:
    return [call.digested for call in calls]


def _names(names: str | Collection[str] | None) -> Collection[str] | None:
    return (names,) if isinstance(names, str) else names


def _checked(count: int | None, what: str) -> int | None:
    if count is not None and count < 0:
        raise QueryError(f"{what} must not be negative: {count}")
    return count
