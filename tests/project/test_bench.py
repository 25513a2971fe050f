from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from scripts.benchmarks.__main__ import main, suites
from scripts.benchmarks.contest import Samples, contest
from scripts.benchmarks.rows import OURS, times_faster_than, under, within


@pytest.mark.parametrize("suite", sorted(suites()))
@pytest.mark.filterwarnings("default")  # the peers' warnings are the peers' business
def test_a_suite_runs(suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "bench.json"
    main([suite, "--quick", "--json", str(written), "--page", str(tmp_path / "page.md")])
    rows = json.loads(written.read_text())["suites"][suite]
    assert rows
    for row in rows:
        assert OURS in row["seconds"]
        assert all(math.isfinite(took) for times in row["seconds"].values() for took in times)
        assert (
            row["name"] in capsys.readouterr().out
            or row["name"] in (tmp_path / "page.md").read_text()
        )


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that is ten times slower in one round changes neither ratio."""
    samples = Samples({OURS: [1.0, 10.0, 1.0], "peer": [3.0, 30.0, 3.0]})
    assert samples.speed(OURS, "peer") == 3.0
    assert times_faster_than("peer", 3)(samples).holds
    assert not times_faster_than("peer", 3.1)(samples).holds
    assert within("peer", 0.34)(samples).holds
    assert not within("peer", 0.33)(samples).holds
    assert not under(1.0)(samples).holds


def test_every_contender_has_its_turn_in_every_round() -> None:
    turns: list[str] = []
    entries = {name: lambda name=name: turns.append(name) for name in "abc"}
    samples = contest(entries, rounds=3, number=2)
    assert turns == list("aabbccbbccaaccaabb")
    assert {len(times) for times in samples.seconds.values()} == {3}


def test_a_contender_that_takes_too_long_is_timed_once() -> None:
    turns: list[str] = []
    entries = {name: lambda name=name: turns.append(name) for name in "ab"}
    samples = contest(entries, rounds=5, patience_s=0.0)
    assert turns == ["a", "b"]
    assert len(set(samples.seconds["a"])) == 1
