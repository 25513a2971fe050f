"""What the tests of this floor draw from."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fleche_like.calls import DigestedCall
from fleche_like.hashing import Digest, digest


def nan(payload, sign=0):
    """A NaN with a payload."""
    return struct.unpack("<d", struct.pack("<Q", sign << 63 | 0x7FF8 << 48 | payload))[0]


texts = st.text(st.characters(exclude_categories=()), max_size=12)
integers = st.integers() | st.integers(-5, 5).map(lambda n: 2**53 + n) | st.just(1 << 2000)
floats = st.floats() | st.sampled_from([nan(1), nan(5, 1), -0.0, 2.0**53, 5e-324])
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = (
    st.none()
    | st.just(timezone.utc)  # noqa: UP017
    | offsets.map(timezone)
    | st.builds(timezone, offsets, texts)
    | st.sampled_from(["Europe/Berlin", "UTC", "America/New_York"]).map(ZoneInfo)
)
datetimes = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
    st.datetimes() | st.just(datetime.fromisoformat("2024-10-27T02:30:00")),
    zones,
    st.integers(0, 1),
)
scalars = st.none() | st.booleans() | integers | floats | texts | datetimes
digests = st.integers(0, 2**128 - 1).map(lambda n: Digest(f"{n:032x}"))
metadata = st.dictionaries(
    texts,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    ),
    max_size=3,
)
names = texts.filter(lambda name: name != "return")


@st.composite
def digested_calls(draw):
    """A sealed call with any mixture of scalars, views and other values."""
    arguments, known, views = {}, {}, {}
    result = draw(st.booleans())
    for name in [*draw(st.lists(names, unique=True, max_size=4)), *(["return"] if result else [])]:
        kind = draw(st.sampled_from(["scalar", "view", "digest"]))
        if kind == "scalar":
            known[name] = draw(scalars)
            arguments[name] = digest(known[name])
            continue
        arguments[name] = draw(digests)
        if kind == "view":
            views[name] = draw(scalars)
    return DigestedCall(
        draw(texts),
        arguments,
        draw(st.none() | texts),
        draw(st.none() | st.integers() | texts),
        draw(st.none() | digests),
        arguments.pop("return", None),
        draw(metadata),
        known,
        views,
    )


def exactly(value):
    """Something that is equal only for values of one type and representation."""
    kind = type(value)
    if kind is float:
        return kind, struct.pack("<d", value)
    if kind is datetime:
        zone = value.tzinfo
        clock = value.replace(tzinfo=None, fold=0)
        named = zone.key if isinstance(zone, ZoneInfo) else zone and zone.__getinitargs__()
        return kind, clock, value.fold, type(zone), named
    if isinstance(value, dict):
        return kind, [(name, exactly(item)) for name, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [exactly(item) for item in value]
    return kind, value
