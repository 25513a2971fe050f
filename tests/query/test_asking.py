from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import QueryCall, Selection, arg, meta, result
from fleche_like.errors import QueryError
from fleche_like.query import Query, QuerySource
from tests.query.memory import MemorySource, alphas, everything, grid, simulate


def test_nothing_is_read_before_an_answer_is_needed():
    source = grid()
    query = everything(source).where(arg("alpha") > 1).order_by("-alpha").limit(3)[1:]
    query.filter(lambda call: True).sorted("alpha").unique("alpha").hold().latest(2)

    assert source.asked == []
    assert isinstance(source, QuerySource)
    assert isinstance(query.source, QuerySource)


def test_narrowing_leaves_the_query_it_came_from_alone():
    query = everything(grid())
    before = query.selection
    query.where(arg("alpha") > 1, steps=100).order_by("alpha").limit(1).offset(1)

    assert query.selection is before
    assert query.selection == Selection()


def test_where_keeps_what_meets_all_conditions_and_has_all_arguments():
    query = everything(grid()).where(arg("alpha") > 2, arg("alpha") < 8).where(steps=100)

    assert alphas(query.where(result() < 600).order_by("alpha")) == [3, 4, 5]


def test_argument_values_match_by_exact_type():
    source = MemorySource(simulate(1), simulate(1.0), simulate(True))

    assert [alphas(everything(source).where(alpha=a)) for a in (1, 1.0, True)] == [
        [1],
        [1.0],
        [True],
    ]
    assert type(everything(source).where(alpha=True).one().arguments["alpha"]) is bool


def test_argument_values_join_those_of_the_template():
    source = MemorySource(simulate(1, 1), simulate(1, 2), simulate(2, 1))
    query = Query(source, Selection(QueryCall(name="simulate", arguments={"alpha": 1})))

    assert query.where(steps=2).count() == 1
    assert query.where(alpha=None).count() == 2
    assert everything(source).where(alpha=None).where(alpha=2).count() == 1


def test_two_values_for_one_argument_match_nothing_and_the_same_value_twice_changes_nothing():
    query = everything(grid()).where(alpha=1)

    assert query.where(alpha=2).all() == []
    assert query.where(alpha=1).count() == 1
    assert query.where(arg("alpha") == 1, alpha=1).count() == 1


@pytest.mark.parametrize("wrong", [True, "alpha", lambda call: True, arg("alpha"), None])
def test_what_is_no_condition_is_refused(wrong):
    with pytest.raises(QueryError, match="no condition"):
        everything(grid()).where(wrong)


def test_a_function_as_condition_is_pointed_to_filter():
    with pytest.raises(QueryError, match=r"filter\(\)"):
        everything(grid()).where(lambda call: True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("alpha",), [0, 1, 2, 3]),
        (("-alpha",), [3, 2, 1, 0]),
        ((arg("alpha"),), [0, 1, 2, 3]),
        ((arg("alpha").desc(),), [3, 2, 1, 0]),
        (("meta.runtime.walltime",), [3, 2, 1, 0]),
        ((meta("runtime.walltime").desc(),), [0, 1, 2, 3]),
        (("-result",), [3, 2, 1, 0]),
        (("steps", "-arg.alpha"), [3, 2, 1, 0]),
    ],
)
def test_order_is_given_by_names_fields_and_orderings(fields, expected):
    assert alphas(everything(grid(4)).order_by(*fields)) == expected


def test_the_first_field_counts_most_and_an_earlier_order_decides_among_equals():
    source = MemorySource(*(simulate(a, s) for a in (1, 2) for s in (10, 20)))
    pairs = [(1, 20), (1, 10), (2, 20), (2, 10)]

    def read(query):
        return [(c.arguments["alpha"], c.arguments["steps"]) for c in query]

    assert read(everything(source).order_by("alpha", "-steps")) == pairs
    assert read(everything(source).order_by("-steps").order_by("alpha")) == pairs


def test_an_argument_that_is_named_like_another_column_is_reached_with_a_prefix():
    from fleche_like.calls import Call

    source = MemorySource(*(Call("f", {"result": n}, result=-n) for n in (1, 2, 3)))

    assert [c.result for c in everything(source).order_by("result")] == [-3, -2, -1]
    assert [c.result for c in everything(source).order_by("arg.result")] == [-1, -2, -3]


def test_nothing_to_order_by_is_refused():
    with pytest.raises(QueryError, match="nothing to order by: int"):
        everything(grid()).order_by(3)  # type: ignore[arg-type]


bounds = st.one_of(st.none(), st.integers(-15, 15))
slices = st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, -1, -3]))


@given(parts=st.lists(slices, max_size=4), index=st.integers(-12, 12))
def test_slices_of_slices_are_those_of_a_list(parts, index):
    query = everything(grid(10)).order_by("alpha")
    plain = list(range(10))
    for part in parts:
        query, plain = query[part], plain[part]

    assert alphas(query) == plain
    assert query.count() == len(query) == len(plain)
    assert query.exists() == bool(query) == bool(plain)
    if -len(plain) <= index < len(plain):
        assert query[index].arguments["alpha"] == plain[index]
    else:
        with pytest.raises(IndexError):
            query[index]


@given(
    limit=st.integers(0, 12),
    offset=st.integers(0, 12),
    start=st.integers(0, 12),
    length=st.integers(0, 12),
)
def test_limit_and_offset_go_in_either_order_and_slices_count_within_them(
    limit, offset, start, length
):
    query = everything(grid(10)).order_by("alpha")
    plain = list(range(10))[offset : offset + limit]

    assert alphas(query.limit(limit).offset(offset)) == plain
    assert alphas(query.offset(offset).limit(limit)) == plain
    part = query.offset(offset).limit(limit)[start : start + length]
    assert alphas(part) == plain[start : start + length]
    assert part.count() == len(plain[start : start + length])
    assert (
        alphas(part.limit(limit).offset(offset)) == (plain[start : start + length][:limit][offset:])
    )


def test_neighbours_from_the_front_are_asked_of_the_source():
    source = grid()
    assert len(everything(source)[2:5].all()) == 3
    assert everything(source)[7:].limit(2).count() == 2

    assert source.asked == [("select", 3, 2), ("count", None, 0)]


@pytest.mark.parametrize("method", ["limit", "offset"])
def test_negative_limits_are_refused(method):
    with pytest.raises(QueryError, match="negative"):
        getattr(everything(grid()), method)(-1)


@pytest.mark.parametrize(
    "limited", [lambda q: q.limit(3), lambda q: q.offset(1), lambda q: q[1:], lambda q: q.latest(1)]
)
def test_narrowing_what_is_limited_is_refused_and_possible_after_holding(limited):
    query = limited(everything(grid()).order_by("alpha"))
    with pytest.raises(QueryError, match=r"\.hold\(\)\.where"):
        query.where(arg("alpha") > 1)
    with pytest.raises(QueryError, match=r"\.hold\(\)\.order_by"):
        query.order_by("alpha")

    expected = [alpha for alpha in alphas(query) if alpha > 1]
    assert alphas(query.hold().where(arg("alpha") > 1)) == expected


def test_the_repr_says_what_is_asked_without_asking():
    source = grid()
    template = QueryCall(name="simulate", arguments={"alpha": 1, "steps": None}, metadata={"a": 2})
    query = Query(source, Selection(template)).where(arg("alpha") > 0).order_by("-alpha")[2:5]

    assert repr(query) == (
        "<Query name='simulate' arg('alpha')=1 arg('steps')=any meta('a')=2"
        " where (arg('alpha') > 0) order by arg('alpha') descending limit 3 offset 2>"
    )
    assert repr(everything(source)) == "<Query all calls>"
    assert source.asked == []


def test_the_repr_of_held_calls_has_their_count_once_it_is_known():
    held = everything(grid(4)).hold()

    assert repr(held) == "<Query held calls>"
    held.all()
    assert repr(held) == "<Query of 4 held calls>"
    assert repr(held.source) == "<4 calls held>"
