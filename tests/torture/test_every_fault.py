"""Something goes wrong at the n-th operation, for every n: what must hold, holds."""

from __future__ import annotations

import warnings

import pytest

import fleche_like as fl
from fleche_like.testing.faults import Fails, Fault, Faults, Torn
from tests.torture.compositions import COMPOSITIONS, numbers
from tests.torture.scenario import check, everything

EFFECTS = {
    "failure": Fault(Fails()),
    "no room": Fault(Fails("no room")),
    "lost": Fault(Fails("lost")),
    "conflict": Fault(Fails("conflict")),
    "torn": Fault(Torn(0.5)),
    "torn silently": Fault(Torn(0.5, silent=True)),
    "lost after": Fault(Fails("lost"), after=True),
    "interrupt": Fault(Fails(KeyboardInterrupt())),
    "interrupt after": Fault(Fails(KeyboardInterrupt()), after=True),
    "gone for a while": Fault(Fails("lost"), times=3),
}


def struck(n, faults, fault):
    """Do everything with one fault; whether it struck."""
    faults.plan(fault)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fl.NotCachedWarning)
        try:
            everything(n, faults)
        except KeyboardInterrupt:
            assert isinstance(fault.effect, Fails)
        finally:
            faults.stop()
    return faults.struck > 0


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_a_fault_at_any_operation_breaks_nothing(tmp_path, compose, name):
    faults, fault, tried = Faults(), EFFECTS[name], 0
    with compose(tmp_path, faults) as cache, fl.use_cache(cache):
        everything(0, faults)
        check(cache, 0)
        for n in numbers(6, [*EFFECTS].index(name)):
            at = Fault(fault.effect, at=n, times=fault.times, after=fault.after)
            if not struck(n, faults, at):
                break
            tried += 1
            check(cache, n)
        assert tried > 4
