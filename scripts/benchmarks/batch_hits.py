"""One fresh process of the suite ``memo``: a batch of stored calls, each contender its own way.

Started once on an empty folder it fills it; started again it makes the hits: ``f.map`` of this
package, a loop of calls of the others. Prints, as JSON, the seconds of one call by contender;
everything is imported and opened before. Which contender is first is the caller's choice.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scripts.benchmarks.contest import Entry, contest
from scripts.benchmarks.peers import memoized
from scripts.benchmarks.rows import OURS
from scripts.benchmarks.workload import of_one


def main(folder: str, calls: str, names: list[str]) -> None:
    """Answer every call by every contender."""
    entries: dict[str, Entry] = {}
    for name in names:
        function = memoized(name, Path(folder), of_one)
        function(-1)  # so that what is loaded on first use is loaded
        entries[name] = _batch(name, function, range(int(calls)))
    samples = contest(entries, rounds=1, number=1)
    json.dump(
        {name: [s / int(calls) for s in all_] for name, all_ in samples.seconds.items()}, sys.stdout
    )


def _batch(name: str, function: Any, numbers: range) -> Entry:
    if name == OURS:
        return lambda: list(function.map(numbers))
    return lambda: [function(number) for number in numbers]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
