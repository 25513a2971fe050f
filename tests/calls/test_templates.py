from __future__ import annotations

import pytest
from hypothesis import given

from fleche_like.calls import Call, LazyCall, QueryCall, flatten
from fleche_like.errors import InvalidDigest
from fleche_like.hashing import Digest, digest
from tests.calls.strategies import digested_calls, exactly

CALL = Call(
    "f",
    {"a": 1, "b": [2], "n": None},
    "m",
    2,
    digest("c"),
    0.5,
    {"runtime": {"walltime": 1.5, "ok": True}, "tags": ["x"], "a.b": 1},
)


class NoLoader:
    def load_value(self, key):
        raise AssertionError("templates match by digest")


def matches(template, call=CALL):
    answers = {
        template.matches(call),
        template.matches(call.digested()),
        template.matches(LazyCall(call.digested(), NoLoader())),
        template.digested().matches(call),
        template.digested().digested().matches(call),
    }
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    "template",
    [
        QueryCall(),
        QueryCall("f"),
        QueryCall(module="m"),
        QueryCall(version=2),
        QueryCall(result=0.5),
        QueryCall(code=digest("c")),
        QueryCall(code=str(digest("c"))[:4]),
        QueryCall(arguments={}),
        QueryCall(arguments={"a": 1}),
        QueryCall(arguments={"b": [2]}),
        QueryCall(arguments={"a": None}),
        QueryCall(arguments={"b": digest([2])}),
        QueryCall(arguments={"b": Digest(digest([2])[:4])}),
        QueryCall(arguments={"b": Digest(digest([2])[:6].upper())}),
        QueryCall(arguments={"n": None}),
        QueryCall(arguments={"n": digest(None)}),
        QueryCall(result=digest(0.5)),
        QueryCall(metadata={"runtime": {"walltime": 1.5}}),
        QueryCall(metadata={"runtime.walltime": 1.5}),
        QueryCall(metadata={"runtime": None}),
        QueryCall(metadata={"runtime": {"walltime": None}}),
        QueryCall(metadata={"tags": ["x"]}),
        QueryCall(metadata={"tags.0": "x"}),
        QueryCall(metadata={"a\\.b": 1}),
        QueryCall(metadata={"runtime.ok": True}),
    ],
)
def test_these_match(template):
    assert matches(template)


@pytest.mark.parametrize(
    "template",
    [
        QueryCall("g"),
        QueryCall(module="n"),
        QueryCall(version="1"),
        QueryCall(version="2"),
        QueryCall(result=0),
        QueryCall(code=digest("d")),
        QueryCall(arguments={"a": 1.0}),
        QueryCall(arguments={"a": True}),
        QueryCall(arguments={"z": None}),
        QueryCall(arguments={"a": 1, "b": [3]}),
        QueryCall(arguments={"b": (2,)}),
        QueryCall(metadata={"runtime": {"walltime": 2}}),
        QueryCall(metadata={"run": None}),
        QueryCall(metadata={"runtime.ok": 1}),
        QueryCall(metadata={"a.b": 1}),
        QueryCall(metadata={"tags": {1, 2}}),
    ],
)
def test_these_do_not_match(template):
    assert not matches(template)


def test_a_call_without_result_matches_no_result():
    call = Call("f", {})
    assert matches(QueryCall(), call)
    assert not matches(QueryCall(result=digest(None)), call)
    assert matches(QueryCall(result=digest(None)), Call("f", {}, result=None))


@pytest.mark.parametrize("wrong", ["abc", "", "xyzw", "a" * 33, "abc%", "ab_d"])
def test_malformed_short_digests_are_refused(wrong):
    for template in (
        QueryCall(arguments={"a": Digest(wrong)}),
        QueryCall(result=Digest(wrong)),
        QueryCall(code=wrong),
    ):
        with pytest.raises(InvalidDigest):
            template.digested()


def test_a_template_is_sealed_by_digesting_it():
    data = [2]
    sealed = QueryCall(arguments={"b": data}).digested()
    data.append(3)
    assert sealed.matches(CALL)


@given(digested_calls())
def test_a_template_of_all_a_call_has_matches_it(call):
    template = QueryCall(
        call.name,
        call.arguments,
        flatten(call.metadata),
        call.module,
        call.version,
        call.code,
        call.result,
    )
    assert template.matches(call)


@given(digested_calls(), digested_calls())
def test_a_template_of_one_calls_arguments_matches_calls_that_have_them(one, other):
    has_them = all(other.arguments.get(name) == key for name, key in one.arguments.items())
    assert QueryCall(arguments=one.arguments).matches(other) == has_them
    leaves = {n: exactly(v) for n, v in flatten(other.metadata).items()}
    wanted = {n: v for n, v in flatten(one.metadata).items() if v is not None}
    has_those = all(leaves.get(name) == exactly(value) for name, value in wanted.items())
    assert QueryCall(metadata=wanted).matches(other) == has_those
