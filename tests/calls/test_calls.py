from __future__ import annotations

import http
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import (
    Call,
    DigestedCall,
    KeyMaker,
    LazyCall,
    PreparedCall,
    call_key,
    flatten,
    freeze,
    instant_us,
    is_scalar,
    scalar_view,
)
from fleche_like.errors import Indigestible, KeyNotFound
from fleche_like.hashing import Digest, digest
from fleche_like.support.sentinel import MISSING
from tests.calls.strategies import digests, exactly, metadata, scalars, texts

CALL = Call(
    "simulate", {"alpha": 0.1, "data": [1, 2]}, "model", 2, digest("code"), {"a": 1}, {"t": 1}
)


NAIVE = datetime.fromisoformat("2024-01-01")


class Values(dict):
    """A loader over values by digest."""

    def __init__(self, *values):
        super().__init__({digest(value): value for value in values})

    def load_value(self, key):
        try:
            return self[key]
        except KeyError:
            raise KeyNotFound(f"nothing under {key}", key=key, url="memory://") from None


identities = st.tuples(
    texts, st.none() | texts, st.none() | st.integers() | texts, st.none() | digests
)


@given(identities, st.lists(st.tuples(texts, digests), max_size=4))
def test_the_fast_key_is_the_plain_one(identity, pairs):
    maker, plain = KeyMaker(*identity), call_key(*identity, pairs)  # type: ignore[call-arg]
    assert maker.key(pairs) == maker.key(iter(pairs)) == plain


@pytest.mark.parametrize("wrong", ["ab", "A" * 32, " " * 32, "g" * 32, "1" * 33])
def test_malformed_digests_make_no_key(wrong):
    with pytest.raises(Indigestible):
        KeyMaker("f", None, None, None).key([("a", Digest(wrong))])
    with pytest.raises(Indigestible):
        KeyMaker("f", None, None, Digest(wrong))


def test_every_identity_field_and_the_order_of_arguments_count():
    base = Call("f", {"a": 1, "b": 2}, "m", 1, digest("c"))
    others = [
        Call("g", {"a": 1, "b": 2}, "m", 1, digest("c")),
        Call("f", {"b": 2, "a": 1}, "m", 1, digest("c")),
        Call("f", {"a": 1, "b": 2.0}, "m", 1, digest("c")),
        Call("f", {"a": 1, "b": 2}, "n", 1, digest("c")),
        Call("f", {"a": 1, "b": 2}, "m", "1", digest("c")),
        Call("f", {"a": 1, "b": 2}, "m", "2", digest("c")),
        Call("f", {"a": 1, "b": 2}, "m", 1, digest("d")),
    ]
    assert len({call.key for call in [base, *others]}) == 8
    assert base.key == Call("f", {"a": 1, "b": 2}, "m", 1, digest("c"), 5, {"x": 1}).to_lookup_key()


def test_a_digest_as_argument_stands_for_its_value():
    sealed = Call("f", {"a": digest([1])}).digested()
    assert sealed == Call("f", {"a": [1]}).digested()
    assert sealed.key == Call("f", {"a": [1]}).key
    assert not Call("f", {"a": digest(1)}).digested().comparable


def test_sealing_is_not_touched_by_later_changes():
    data, notes = [1], {"tags": ["a"]}
    call = Call("f", {"data": data}, result=data, metadata=notes)
    sealed, key = call.digested(), call.key
    data.append(2)
    notes["tags"].append("b")
    assert (sealed.key, sealed.result, sealed.metadata) == (key, digest([1]), {"tags": ["a"]})
    assert call.key != key


def test_finishing_keeps_the_key_and_replaces_an_earlier_result():
    prepared = PreparedCall(Call("f", {"a": 1}).digested())
    finished = prepared.finished(np.float64(0.5), {"n": {1: (2,)}})
    assert finished.key == prepared.key
    assert (
        finished
        == Call("f", {"a": 1}, result=np.float64(0.5), metadata={"n": {"1": [2]}}).digested()
    )
    assert (finished.scalars, finished.views) == ({"a": 1}, {"return": 0.5})
    assert finished.with_result("x").comparable == {"a": 1, "return": "x"}
    assert finished.with_result([]).comparable == {"a": 1}
    assert prepared.call.result is None


def test_an_error_says_which_argument_is_indigestible():
    with pytest.raises(Indigestible) as caught:
        Call("f", {"a": 1, "cfg": {"hooks": [iter(())]}}).digested()
    assert caught.value.path.startswith("args['cfg']")
    with pytest.raises(Indigestible) as caught:
        Call("f", {}, result=[iter(())]).digested()
    assert caught.value.path.startswith("result")


def test_an_argument_cannot_take_the_name_of_the_result():
    for kind in (Call, DigestedCall):
        with pytest.raises(ValueError, match="return"):
            kind("f", {"return": digest(1)})


def test_calls_are_shown_as_python_writes_them():
    assert repr(Call("simulate", {"alpha": 0.1, "steps": 100})) == "simulate(alpha=0.1, steps=100)"
    data = digest([1, 2])[:8]
    assert repr(CALL.digested()) == f"simulate(alpha=0.1, data=<{data}>)"
    lazy = LazyCall(CALL.digested(), Values())
    assert repr(lazy) == f"<LazyCall {CALL.key[:8]} simulate(alpha=0.1, data=<{data}>)>"


class Rude:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value", ["x" * 10**6, 10**5000, list(range(10**5)), Rude(), [Rude()], type("set", (), {})(),
              pd.DataFrame({"a": range(100)})],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_whatever_the_value_its_call_is_shown_on_one_short_line(value):
    shown = repr(Call("f", {"a": value}))
    assert len(shown) < 250
    assert "\n" not in shown


def test_calls_survive_pickling():
    sealed = CALL.digested()
    sealed.key  # noqa: B018  cached: it must not get in the way
    assert pickle.loads(pickle.dumps(CALL)) == CALL
    assert pickle.loads(pickle.dumps(sealed)) == sealed
    lazy = LazyCall(sealed, Values({"a": 1}))
    assert pickle.loads(pickle.dumps(lazy)).result == {"a": 1}
    assert pickle.loads(pickle.dumps(Call("f", {}))).result is MISSING


def test_lazy_calls_load_what_is_no_scalar_on_each_access():
    lazy = LazyCall(CALL.digested(), loader := Values([1, 2], {"a": 1}))
    assert lazy.fetch() == CALL
    assert (lazy.name, lazy.module, lazy.version, lazy.code) == ("simulate", "model", 2, CALL.code)
    assert lazy.key == CALL.key
    assert lazy == LazyCall(CALL.digested(), Values())
    assert hash(lazy) == hash(LazyCall(CALL.digested(), Values()))
    assert list(lazy.arguments) == ["alpha", "data"]
    loader.clear()
    assert lazy.arguments["alpha"] == 0.1
    assert "data" in lazy.arguments
    assert len(lazy.arguments) == 2
    with pytest.raises(KeyNotFound):
        lazy.arguments["data"]
    with pytest.raises(KeyNotFound):
        _ = lazy.result
    with pytest.raises(KeyError):
        lazy.arguments["other"]


def test_the_view_of_a_value_never_replaces_it():
    lazy = LazyCall(
        Call("f", {"x": np.float64(0.5)}, result=True).digested(), Values(np.float64(0.5))
    )
    assert type(lazy.arguments["x"]) is np.float64
    assert lazy.result is True
    assert LazyCall(Call("f", {}).digested(), Values()).result is MISSING


@pytest.mark.parametrize(
    ("value", "view"),
    [
        (np.float64(0.1), 0.1), (np.float32(0.5), 0.5), (np.int8(3), 3), (np.bool_(1), True),
        (http.HTTPStatus.OK, 200), (np.str_("a"), "a"), (http.HTTPMethod.GET, "GET"),
        (pd.Timestamp("2024-01-01"), NAIVE), (True, True), (None, None),
        (pd.Timestamp("2024-01-01T00:00:00.000000001"), MISSING), (np.arange(1), MISSING),
        (np.longdouble(1) / 3, MISSING), ("x" * 65_537, MISSING), (1 << 65_537, MISSING),
        (1j, MISSING), ([], MISSING), (np.complex128(1), MISSING), (b"a", MISSING),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_views_are_lossless_and_of_exact_types(value, view):
    found = scalar_view(value)
    assert type(found) is type(view)
    assert found == view or found is view


def test_only_exact_types_are_scalars():
    assert all(is_scalar(value) for value in (True, 1, 1.5, "a", None, NAIVE))
    odd = (np.float64(1), http.HTTPStatus.OK, digest(1), pd.Timestamp("2024-01-01"), b"", 1j)
    assert not any(is_scalar(value) for value in odd)
    foreign = pd.Timestamp("2024-01-01", tz="dateutil/Europe/Berlin").tzinfo
    assert not is_scalar(NAIVE.replace(tzinfo=foreign))


@given(st.datetimes(), st.datetimes())
def test_instants_order_datetimes_exactly(one, other):
    assert (instant_us(one) < instant_us(other)) == (one < other)
    assert instant_us(one) == instant_us(one.replace(tzinfo=UTC))
    later = instant_us(one + timedelta(microseconds=1)) if one.year < 9999 else None
    assert later in {None, instant_us(one) + 1}


@given(metadata)
def test_frozen_metadata_is_a_deep_copy_that_stays_as_it_is(notes):
    frozen = freeze(notes)
    assert exactly(frozen) == exactly(notes)
    assert exactly(freeze(frozen)) == exactly(frozen)
    assert frozen is not notes


@given(metadata)
def test_flat_names_are_unique_and_lead_to_their_leaves(notes):
    def leaves(value, path=()):
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            return [found for key, item in items for found in leaves(item, (*path, key))]
        return [(path, value)]

    flat = flatten(notes)
    assert sorted(map(repr, map(exactly, flat.values()))) == sorted(
        repr(exactly(value)) for _, value in leaves(notes)
    )


def test_metadata_of_any_kind_is_frozen():
    ring: dict[str, Any] = {}
    ring["self"] = ring
    frozen = freeze(
        {"ring": ring, "rude": Rude(), "n": np.int64(3), "deep": [[[{"a": {1}}]]], "d": digest(1)}
    )
    assert frozen["n"] == 3
    assert frozen["deep"] == [[[{"a": "{1}"}]]]
    assert flatten(frozen)["n"] == 3
    assert "Rude" in frozen["rude"]


@given(scalars)
def test_scalars_are_their_own_view(value):
    assert is_scalar(value)
    assert exactly(scalar_view(value)) == exactly(value)
