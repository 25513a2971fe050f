"""A process dies right before or after the n-th operation: what must hold, holds."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import fleche_like as fl
from fleche_like.testing.faults import Dies, Fault, Faults
from fleche_like.testing.places import fork
from tests.torture.compositions import COMPOSITIONS, numbers
from tests.torture.scenario import check, everything


def died(compose, folder, n, *, after):
    """Do everything in a child that dies at the n-th operation; whether it did."""
    process = fork()
    if process:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in {0, -signal.SIGKILL}
        return status != 0
    signal.alarm(120)
    try:
        faults = Faults()
        with compose(folder, faults) as cache, fl.use_cache(cache):
            faults.plan(Fault(Dies(), at=n, after=after))
            everything(n, faults)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_a_death_at_any_operation_breaks_nothing(tmp_path, compose, after):
    deaths = survived = 0
    for n in numbers(12, 6 * after):
        if not died(compose, tmp_path, n, after=after):
            survived += 1
            if survived == 3:  # there are no more operations
                break
            continue  # one after which nothing can be done, such as a listing that is left off
        deaths += 1
        with compose(tmp_path, Faults()) as cache, fl.use_cache(cache):
            check(cache, n)
    assert deaths > 2
