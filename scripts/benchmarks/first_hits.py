"""One fresh process of the suite ``memo``: calls every contender once with every key.

Started once on an empty folder it fills it; started again it makes the first hits.
Prints, as JSON, the seconds of each call by contender. All contenders share the process and take
turns key by key, so that what disturbs one disturbs all; everything is imported and opened before.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from scripts.benchmarks.contest import Entry, contest
from scripts.benchmarks.peers import Function, memoized
from scripts.benchmarks.workload import tiny


def main(folder: str, keys: str, names: list[str]) -> None:
    """Call every contender with every key."""
    functions = {name: memoized(name, Path(folder), tiny) for name in names}
    for function in functions.values():
        function(-1, 0.5, label="first")  # so that what is loaded on first use is loaded
    entries = {name: _each_key(function) for name, function in functions.items()}
    samples = contest(entries, rounds=int(keys), number=1)
    json.dump(samples.seconds, sys.stdout)


def _each_key(function: Function) -> Entry:
    numbers = itertools.count()
    return lambda: function(next(numbers), 0.5, label="first")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
