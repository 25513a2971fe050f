"""Eight processes that ask one cache for the same keys: how long, and how many bodies run.

``python -m scripts.benchmarks.crowd CONTENDER FOLDER KEYS CALLS SEED`` is one of the processes. It
says when it is ready, waits for a line, makes its calls and says how long they took.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks.peers import memoized

PROCESSES = 8
BODY_S = 0.002
_LOG = "CROWD_LOG"


def body(number: int) -> dict[str, int]:
    """Say that it runs, and take a while."""
    descriptor = os.open(os.environ[_LOG], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(descriptor, b"x")
    os.close(descriptor)
    time.sleep(BODY_S)
    return {"number": number}


def crowd(contender: str, folder: Path, keys: int) -> tuple[float, int]:
    """Have the processes make ``4 * keys`` calls together.

    Args:
        contender: who caches.
        folder: an empty one.
        keys: half of them are asked for by four of the processes each, in the same order.

    Returns:
        Seconds from the first call to the last answer, and how many bodies ran.
    """
    log = folder / "log"
    log.touch()
    environment = {**os.environ, _LOG: str(log)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, contender, str(folder), str(keys), str(number % 2)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(PROCESSES)
    ]
    for _ in _answers(running):
        pass
    log.write_bytes(b"")
    began = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for answer in _answers(running):
        assert answer == "done"
    seconds = time.perf_counter() - began
    for process in running:
        process.communicate()
    return seconds, log.stat().st_size


def _answers(running: list[subprocess.Popen[str]]) -> Iterator[str]:
    for process in running:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def main(contender: str, folder: str, keys: str, half: str) -> None:
    """Be one of the processes."""
    function = memoized(contender, Path(folder), body)
    function(-1)  # so that what is loaded on first use is loaded
    numbers = [*range(int(half), int(keys), 2)]
    random.Random(0).shuffle(numbers)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in numbers:
        if function(number) != {"number": number}:
            sys.exit(f"{contender}: a wrong answer")
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
