"""What child processes of the tests do: importable, so that they can be spawned."""

from __future__ import annotations

import sys

from fleche_like.calls import Call
from fleche_like.index import SqlCallStorage


def call_of(number, **metadata):
    return Call(
        "train", {"n": number, "lr": number / 7}, result=number, metadata=metadata
    ).digested()


def open_and_save(url, number):
    storage = SqlCallStorage(url)
    storage.save(call_of(number))
    storage.close()


def save_many(url, start, count):
    storage = SqlCallStorage(url)
    for number in range(start, start + count):
        storage.save(call_of(number))
        # Everybody writes this one too, with a record of its own each time.
        storage.save(call_of(-1, writer=number))
    storage.close()


def save_for_ever(url, start):
    storage = SqlCallStorage(url)
    print("open", flush=True)
    number = start
    while True:
        storage.save(call_of(number, step=number))
        number += 1


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
