"""Lineage in SQL: one recursive statement for each direction.

Steps go along the indexes on results and on values of arguments, whose rows hold the nodes inside
containers too. Calls that are late are joined in Python: they are few.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.calls import DigestedCall
from fleche_like.calls.lineage import EMPTY, LineageQuery, Related, Ties, made_by, used_by
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.late import Late
from fleche_like.index.models import arguments, calls, names
from fleche_like.index.scalars import Condition, is_derived
from fleche_like.index.spelling import OF_RESULTS
from fleche_like.index.typed import OTHER, PARTED
from fleche_like.index.upserts import MYSQL

MOST_SEEDS: Final = 500
"""Digests or keys in one look-up of where to begin."""

MOST_RANKS: Final = 32
"""So many calls away are counted by one statement where the depth is limited."""

BY_CALL: Final = "PRIMARY"
BY_RESULT: Final = "ix_calls_result"
BY_VALUE: Final = "ix_arguments_value_name_call"

Fetch = Callable[[Any], Iterator[DigestedCall]]


class LineageReader:
    """Follows lineages in one database.

    Args:
        database: where the rows are.
        late: gives calls that are not indexed yet; ``None`` where there are none.
        fetch: gives the calls of a statement whose columns are those of :attr:`columns`.
        columns: what it selects from ``calls``.
    """

    def __init__(
        self, database: Database, late: Late | None, fetch: Fetch, columns: Sequence[Any]
    ) -> None:
        self._database = database
        self._late = late
        self._fetch = fetch
        self._columns = columns

    def related(self, asked: LineageQuery) -> Related:
        """Return the calls of a lineage: see :func:`~fleche_like.calls.lineage.related_in`."""
        late = self._late.pending().calls if self._late is not None else ()
        related = Related(self._start(asked, late))
        if asked.up:
            related.cut |= self._follow(asked, related, late, _Up(asked, self._database.dialect))
        if asked.down:
            related.cut |= self._follow(asked, related, late, _Down(asked, self._database.dialect))
        return related

    def _start(self, asked: LineageQuery, late: Iterable[DigestedCall]) -> DigestedCall | None:
        if asked.key is None:
            return None
        found = self._fetch(sa.select(*self._columns).where(calls.c.key == asked.key))
        return next((call for call in (*late, *found) if call.key == asked.key), None)

    def _follow(
        self, asked: LineageQuery, related: Related, late: Sequence[DigestedCall], way: _Way
    ) -> bool:
        """Add what is reached in one direction; return whether that is not all."""
        start = related.start
        values = [] if asked.value is None else [asked.value]
        values += [] if start is None else way.ties_of(start)
        # A circle is gone round as often as the depth allows, where one statement counts it.
        by_rank = late or (asked.depth is not None and asked.depth > MOST_RANKS)
        rounds = self._with_late(values, late, way, asked) if by_rank else [self._all(values, way)]
        found = {call.key: call for calls_found in rounds for call in calls_found}
        if start is not None:
            found.pop(start.key, None)
        way.into(related).extend(list(found.values())[: asked.most])
        return len(found) > asked.most

    def _all(self, values: Sequence[Digest], way: _Way) -> Iterator[DigestedCall]:
        return self._reached(values, way, way.asked.depth)

    def _with_late(
        self,
        values: Sequence[Digest],
        late: Sequence[DigestedCall],
        way: _Way,
        asked: LineageQuery,
    ) -> Iterator[list[DigestedCall]]:
        """Yield what is reached, again and again where late calls lie between.

        Where the depth counts that is rank by rank (or, if none is late, so many ranks at once as
        one statement may count), else all that the index knows at once.
        """
        known_late = way.index_of(Ties(late, scalars=asked.scalars))
        step = None if asked.depth is None else 1 if late else MOST_RANKS
        seen: set[Digest] = set()
        tried: set[Digest] = set()
        rank = 0
        while (values := _without(values, tried)) and (asked.depth is None or rank < asked.depth):
            tried.update(values)
            here = step if asked.depth is None else min(step or 1, asked.depth - rank)
            found = list(self._reached(values, way, here))
            inside = [v for call in found for v in way.ties_of(call)] if step is None else []
            for value in dict.fromkeys([*values, *inside]):
                found += known_late.get(value, ())
            tried.update(inside)
            new = [call for call in found if call.key not in seen]
            seen.update(call.key for call in new)
            yield new
            if len(seen) > asked.most + 1:
                return
            values = [value for call in new for value in way.ties_of(call)]
            rank += step or 1

    def _reached(
        self, values: Sequence[Digest], way: _Way, depth: int | None
    ) -> Iterator[DigestedCall]:
        for start in range(0, len(values), MOST_SEEDS):
            sealed = [bytes.fromhex(value) for value in values[start : start + MOST_SEEDS]]
            yield from self._fetch(way.statement(sealed, self._columns, depth))


def _without(values: Sequence[Digest], tried: set[Digest]) -> list[Digest]:
    return [value for value in dict.fromkeys(values) if value not in tried]


class _Way(abc.ABC):
    """One direction."""

    def __init__(self, asked: LineageQuery, dialect: str) -> None:
        self.asked = asked
        self.has_lateral = dialect == "postgresql"
        parts = sa.select(names.c.id).where(
            names.c.name >= OF_RESULTS, names.c.name < _after(OF_RESULTS)
        )
        self._of_results = parts

    @abc.abstractmethod
    def ties_of(self, call: DigestedCall) -> Iterable[Digest]: ...

    @abc.abstractmethod
    def index_of(self, ties: Ties) -> dict[Digest, list[DigestedCall]]: ...

    @abc.abstractmethod
    def into(self, related: Related) -> list[DigestedCall]: ...

    @abc.abstractmethod
    def begin(self, values: Sequence[bytes]) -> Any: ...

    @abc.abstractmethod
    def step(self, reach: Any) -> Any: ...

    def statement(self, values: Sequence[bytes], columns: Sequence[Any], depth: int | None) -> Any:
        """Return the statement that gives everything that values lead to, so many calls away."""
        begin = self.begin(values)
        if depth is not None:
            begin = begin.add_columns(sa.literal_column("1").label("depth"))
        reach = begin.cte("reach", recursive=True)
        step = self.step(reach)
        if depth is not None:
            step = step.add_columns(reach.c.depth + sa.literal_column("1"))
            step = step.where(reach.c.depth < depth)
        reach = reach.union(step)
        # One more than wanted tells that there are more.
        found = sa.select(reach.c.call).distinct().limit(self.asked.most + 2).subquery()
        return sa.select(*columns).where(calls.c.id == found.c.call, is_derived())

    def uses(self, table: Any) -> list[Condition]:
        """Return where a row is of something that a call used, and that makes ties."""
        return [*self.ties(table), table.c.name.not_in(self._of_results)]

    def parts_made(self, table: Any) -> list[Condition]:
        """Return where a row is of a part of a result, and one that makes ties."""
        return [*self.ties(table), table.c.name.in_(self._of_results)]

    def ties(self, table: Any) -> list[Condition]:
        """Return where the value of a row makes ties."""
        has_digest = table.c.value != b""
        if self.asked.scalars:
            return [has_digest, table.c.value != bytes(16)]
        kinds: list[Any] = [sa.literal_column(str(kind)) for kind in (OTHER, PARTED)]
        untyped = [table.c.num.is_(None), table.c.text.is_(None)]
        alike = _unsearched(table.c.kind).in_(kinds)
        empty = table.c.value.not_in([bytes(16), *map(bytes.fromhex, sorted(EMPTY))])
        return [*untyped, alike, has_digest, empty]

    def results(self, table: Any) -> list[Condition]:
        """Return where the result of a call makes ties."""
        found = [table.c.result.isnot(None), table.c.kind >= sa.literal_column("0")]
        if self.asked.scalars:
            return found
        kinds: list[Any] = [sa.literal_column(str(kind)) for kind in (OTHER, PARTED)]
        empty = table.c.result.not_in(map(bytes.fromhex, sorted(EMPTY)))
        return [*found, _unsearched(table.c.kind).in_(kinds), empty]


class _Up(_Way):
    """To what a value came from."""

    def ties_of(self, call: DigestedCall) -> Iterable[Digest]:
        return used_by(call, scalars=self.asked.scalars)

    def index_of(self, ties: Ties) -> dict[Digest, list[DigestedCall]]:
        return ties.made

    def into(self, related: Related) -> list[DigestedCall]:
        return related.up

    def begin(self, values: Sequence[bytes]) -> Any:
        made, part = calls.alias(), arguments.alias()
        whole = sa.select(made.c.id.label("call")).where(
            made.c.result.in_(values), *self.results(made)
        )
        inside = sa.select(part.c.call).where(part.c.value.in_(values), *self.parts_made(part))
        return sa.select(sa.union(whole, inside).subquery().c.call)

    def step(self, reach: Any) -> Any:
        return self._laterally(reach) if self.has_lateral else self._in_two_ways(reach)

    def _laterally(self, reach: Any) -> Any:
        table, made, part = arguments.alias(), calls.alias(), arguments.alias()
        used = _one_by_one(
            sa.select(table.c.value).where(table.c.call == reach.c.call, *self.uses(table))
        )
        whole = sa.select(made.c.id.label("call")).where(
            made.c.result == used.c.value, *self.results(made)
        )
        inside = sa.select(part.c.call).where(part.c.value == used.c.value, *self.parts_made(part))
        maker = _one_by_one(whole, inside)
        source = sa.join(sa.join(reach, used, sa.true()), maker, sa.true())
        return sa.select(maker.c.call).select_from(source)

    def _in_two_ways(self, reach: Any) -> Any:
        used, made, part = arguments.alias(), calls.alias(), arguments.alias()
        source = sa.join(reach, used, sa.and_(used.c.call == reach.c.call, *self.uses(used)))
        ways = _ways()
        source = sa.join(source, ways, sa.true())
        whole = sa.and_(ways.c.way == 0, made.c.result == used.c.value, *self.results(made))
        source = sa.outerjoin(source, made, whole)
        inside = sa.and_(ways.c.way == 1, part.c.value == used.c.value, *self.parts_made(part))
        source = sa.outerjoin(source, part, inside)
        producer = sa.func.coalesce(made.c.id, part.c.call)
        found = sa.select(producer.label("call")).select_from(source).where(producer.isnot(None))
        return _along(found, {used: BY_CALL, made: BY_RESULT, part: BY_VALUE})


class _Down(_Way):
    """To what became of a value."""

    def ties_of(self, call: DigestedCall) -> Iterable[Digest]:
        return made_by(call, scalars=self.asked.scalars)

    def index_of(self, ties: Ties) -> dict[Digest, list[DigestedCall]]:
        return ties.used

    def into(self, related: Related) -> list[DigestedCall]:
        return related.down

    def begin(self, values: Sequence[bytes]) -> Any:
        used = arguments.alias()
        found = sa.select(used.c.call).where(used.c.value.in_(values), *self.uses(used))
        return sa.select(found.distinct().subquery().c.call)

    def step(self, reach: Any) -> Any:
        return self._laterally(reach) if self.has_lateral else self._in_two_ways(reach)

    def _laterally(self, reach: Any) -> Any:
        used, made, part = arguments.alias(), calls.alias(), arguments.alias()
        whole = sa.select(made.c.result.label("value")).where(
            made.c.id == reach.c.call, *self.results(made)
        )
        inside = sa.select(part.c.value).where(part.c.call == reach.c.call, *self.parts_made(part))
        value = _one_by_one(whole, inside)
        users = sa.select(used.c.call).where(used.c.value == value.c.value, *self.uses(used))
        user = _one_by_one(users)
        source = sa.join(sa.join(reach, value, sa.true()), user, sa.true())
        return sa.select(user.c.call).select_from(source)

    def _in_two_ways(self, reach: Any) -> Any:
        used, made, part = arguments.alias(), calls.alias(), arguments.alias()
        ways = _ways()
        source = sa.join(reach, ways, sa.true())
        whole = sa.and_(ways.c.way == 0, made.c.id == reach.c.call, *self.results(made))
        source = sa.outerjoin(source, made, whole)
        inside = sa.and_(ways.c.way == 1, part.c.call == reach.c.call, *self.parts_made(part))
        source = sa.outerjoin(source, part, inside)
        value = sa.func.coalesce(made.c.result, part.c.value)
        source = sa.join(source, used, sa.and_(used.c.value == value, *self.uses(used)))
        found = sa.select(used.c.call).select_from(source)
        return _along(found, {made: BY_CALL, part: BY_CALL, used: BY_VALUE})


def _one_by_one(*selects: Any) -> Any:
    """Return what selects give, together, for each row that they are joined to.

    The offset of nothing is what PostgreSQL does not look through: else it puts whole tables
    beside each other in each round of a recursion.
    """
    both: Any = sa.union_all(*selects)
    return both.offset(sa.literal_column("0")).lateral()


def _along(statement: Any, indexes: Mapping[Any, str]) -> Any:
    """Return a statement for which MariaDB and MySQL join what is named as it is, along indexes.

    Left to themselves they read the whole table of arguments for each round of a recursion.
    """
    for dialect in MYSQL:
        statement = statement.prefix_with("STRAIGHT_JOIN", dialect=dialect)
        for table, index in indexes.items():
            statement = statement.with_hint(table, f"FORCE INDEX ({index})", dialect)
    return statement


def _unsearched(column: Any) -> Any:
    """Return a column such that no search begins with it: nearly all rows of interest are alike."""
    return column + sa.literal_column("0")


def _ways() -> Any:
    """Return two rows: by whole results, and by parts of them."""
    zero: Any = sa.literal_column("0", sa.Integer)
    one: Any = sa.literal_column("1", sa.Integer)
    return sa.union_all(sa.select(zero.label("way")), sa.select(one.label("way"))).subquery()


def _after(prefix: str) -> str:
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
