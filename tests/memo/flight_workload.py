"""What the child processes of the single-flight tests run."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import fleche_like as fl


def note(folder, what):
    """Append a line to a log that all processes share: short appends are atomic."""
    descriptor = os.open(Path(folder) / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        os.write(descriptor, f"{what}\n".encode())
    finally:
        os.close(descriptor)


@fl.memoize(code="none", ignore="folder")
def quick(n, folder):
    note(folder, n)
    return {"n": n}


@fl.memoize(code="none", ignore=["folder", "seconds"])
def slow(n, folder, seconds=0.3):
    note(folder, f"begin {n} {os.getpid()}")
    time.sleep(seconds)
    note(folder, f"end {n} {os.getpid()}")
    return n


@fl.memoize(code="none", ignore=["folder", "deeper"])
def crossed(name, folder, deeper=True):
    """Each of two waits for the other, unless it is told not to."""
    note(folder, f"begin {name} {os.getpid()}")
    if deeper:
        time.sleep(0.5)
        crossed({"a": "b", "b": "a"}[name], folder, False)
    return name


def open_here(folder, url=None):
    fl.set_cache(fl.open_cache(url or Path(folder) / "cache"))


def ask_for_all(folder, keys, url=None):
    """Ask for keys in an order that others have too; return how many bodies ran here."""
    open_here(folder, url)
    before = quick.stats().misses
    order = [*keys]
    random.Random(0).shuffle(order)
    for n in order:
        assert quick(n, folder) == {"n": n}
    assert quick.stats().uncached == quick.stats().failures == 0
    return quick.stats().misses - before


def ask_slowly(folder, n, seconds, url=None):
    open_here(folder, url)
    return slow(n, folder, seconds)


def ask_crossed(folder, name, url=None):
    open_here(folder, url)
    return crossed(name, folder)


if __name__ == "__main__":
    ask_slowly(sys.argv[1], 1, float(sys.argv[2]), *sys.argv[3:])
