from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.index.typed import typed

ZERO = timezone(timedelta(0), "zero")
"""UTC under another name, which takes the way of all zones."""


@given(st.datetimes())
@pytest.mark.parametrize("end", [None, datetime.min, datetime.max])
def test_a_moment_in_utc_is_written_as_in_any_other_zone(end, moment):
    moment = moment if end is None else end
    assert typed(moment.replace(tzinfo=UTC)) == typed(moment.replace(tzinfo=ZERO))


@given(st.datetimes())
def test_a_clock_without_a_zone_is_written_in_full_and_whatever_its_fold(clock):
    kind, num, text = typed(clock)
    assert (kind, num) == (30, None)
    assert text == "t" + clock.strftime("%Y").zfill(4) + clock.strftime("-%m-%dT%H:%M:%S.%f")
    assert typed(clock.replace(fold=1)) == (kind, num, text)
