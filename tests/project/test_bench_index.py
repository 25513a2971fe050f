from __future__ import annotations

import collections
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleche_like import meta, open_cache
from scripts.benchmarks import index_curve, page, synthetic
from scripts.benchmarks.contest import Samples
from scripts.benchmarks.index_aggregates import aggregates
from scripts.benchmarks.index_curve import contender
from scripts.benchmarks.index_databases import Databases
from scripts.benchmarks.index_questions import Asked
from scripts.benchmarks.rows import OURS, Row
from tests.project.paths import ROOT

COUNT = 2000
GENERATE = ROOT / "scripts" / "generate-calls"


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("databases"))


def test_synthetic_calls_are_what_is_said_of_them() -> None:
    made = [synthetic.made(number, 20_000) for number in range(20_000)]
    assert len({one.alpha for one in made}) == len(made)
    assert max(len(str(one.alpha)) for one in made) <= 9
    functions = collections.defaultdict(set)
    for one in made:
        functions[one.steps].add(one.name)
    assert set(collections.Counter(one.steps for one in made).values()) == {synthetic.ALIKE}
    assert {len(names) for names in functions.values()} == {1}
    shares = collections.Counter(one.name for one in made)
    assert shares == {"simulate": 16_000, "train": 2_000, "evaluate": 2_000}
    assert {one.solver for one in made} == {*synthetic.SOLVERS}


def test_there_is_an_end_to_different_calls() -> None:
    with pytest.raises(ValueError, match="10,000,019"):
        synthetic.calls(synthetic.MOST_CALLS + 1)


def test_a_command_fills_a_cache_with_the_same_calls_each_time(tmp_path: Path) -> None:
    command = [sys.executable, str(GENERATE), str(tmp_path / "cache"), "1000"]
    for _ in range(2):
        subprocess.run(command, check=True)
    with open_cache(tmp_path / "cache") as cache:
        assert cache.query().count() == 1000
        assert cache.query(arguments={"steps": 10}).count() == 1000
        assert cache.query().where(meta("runtime.walltime") >= 0).count() == 1000
        parted = synthetic.made(4, 1000).result
        assert cache.query(result=parted).all()[0].result == parted


def test_what_is_compared_has_the_same_answer(databases: Databases) -> None:
    connection = databases.flat(COUNT)
    with databases.ours(COUNT) as cache:
        for aggregate in aggregates(cache, synthetic.groups(COUNT)):
            by_hand = connection.execute(aggregate.statement).fetchall()
            assert [*_rows(aggregate.ask())] == [*_rounded(by_hand)], aggregate.name
    connection.close()


def _rows(answer: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the answer of an aggregate as rows."""
    if isinstance(answer, int):
        answer = [{"n": answer}]
    rows = [answer] if isinstance(answer, dict) else answer
    return _rounded([row.values() for row in rows])


def _rounded(rows: Iterable[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows without what depends on the order in which floats were added up."""
    for row in rows:
        yield tuple(round(cell, 9) if isinstance(cell, float) else cell for cell in row)


def test_questions_find_what_they_are_to_find(databases: Databases) -> None:
    with databases.ours(COUNT) as cache:
        asked = Asked(cache, COUNT)
        assert len(asked.template()) == synthetic.ALIKE
        key = asked.some_keys[0]
        assert Asked(cache, COUNT).expand() == key
        assert key.startswith(Asked(cache, COUNT).shrink())
        assert len(asked.range_of_two()) == len(asked.narrow_range_of_two()) == 20
        assert asked.empty_range_of_two() == []
        found = [call.arguments["alpha"] for call in asked.range_of_one()]
        assert found == sorted(found)
        assert len(found) == 20
        taken = [call.metadata["runtime"]["walltime"] for call in asked.slowest("simulate")]
        assert taken == sorted(taken, reverse=True)
        assert len(taken) == 20


def test_a_database_is_generated_once(databases: Databases) -> None:
    folder = databases.folder_of_ours(COUNT)
    before = (folder / "index.db").stat().st_ino
    assert Databases(databases.folder).folder_of_ours(COUNT) == folder
    assert (folder / "index.db").stat().st_ino == before


def test_an_interrupted_generation_leaves_nothing_that_counts(tmp_path: Path) -> None:
    databases = Databases(tmp_path)

    def fail(folder: Path, _count: int) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        databases.made("ours", 5, fail)
    with databases.ours(5) as cache:
        assert cache.query().count() == 5
    assert not [*databases.folder_of_ours(5).glob("half")]


def test_growth_is_drawn() -> None:
    times = {contender(exponent): [10.0**exponent / 1e9] for exponent in (4, 5, 6)}
    rows = [
        Row("grows, a < b", Samples({OURS: times[contender(6)], **times})),
        Row("of one size", Samples({OURS: [1.0]})),
    ]
    (line,) = index_curve.lines(rows)
    assert [exponent for exponent, _ in line.points] == [4, 5, 6]
    image = ET.fromstring(index_curve.drawn(rows))
    texts = [node.text for node in image.iter("{http://www.w3.org/2000/svg}text")]
    assert "grows, a < b" in texts
    assert {"10⁴", "10⁵", "10⁶"} <= {*texts}
    assert len([*image.iter("{http://www.w3.org/2000/svg}circle")]) == 3


def test_a_page_keeps_what_was_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    growing = {contender(exponent): [1.0] for exponent in (4, 5)}
    first = Row("a row", Samples({OURS: [1.0], **growing}))
    page.write(file, {"memo": [first], "index": [first]}, "the command")
    page.write(file, {"index": [Row("another", first.samples)]}, "another command")
    text = file.read_text()
    assert text.count("| memo |") == text.count("| index |") == 1
    assert text.count("| a row |") == text.count("| another |") == 1
    assert "the command" in text
    assert text.count("(page-index.svg)") == 1
    assert "another" in (tmp_path / "page-index.svg").read_text()
