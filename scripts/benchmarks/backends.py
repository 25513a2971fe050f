"""Places for bytes, against the same work by hand and against each other."""

from __future__ import annotations

import importlib.util
import itertools
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from scripts.benchmarks.contest import Samples, contest
from scripts.benchmarks.rows import (
    OURS,
    Bound,
    Row,
    Settings,
    Suite,
    times_faster_than,
    under,
    within,
)
from scripts.benchmarks.s3_server import s3_server

HAND = "by hand"
SIZES = {"100 B": 100, "10 KB": 10_000, "10 MB": 10_000_000}


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["backends"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    for durability in ("process", "power"):
        yield from _files(settings, durability)
    yield _batch(settings)
    yield from _listings(settings)
    yield from _ranges(settings)
    if importlib.util.find_spec("s3fs"):
        yield from _s3_batches(settings)


def _files(settings: Settings, durability: Literal["process", "power"]) -> Iterator[Row]:
    from fleche_like.backends import LocalBackend

    root = settings.folder / durability
    backend = LocalBackend(root, durability=durability)
    sync = durability == "power"
    for name, full_size in SIZES.items():
        data = os.urandom(settings.size(full_size, min(full_size, 10_000)))
        names = itertools.cycle(f"k{number}" for number in range(20))
        entries: dict[str, Callable[[], object]] = {
            OURS: partial(_each, names, partial(_put, backend, data)),
            HAND: partial(_each, names, partial(_put_by_hand, root, data, sync=sync)),
        }
        rounds = settings.rounds(15 if full_size > 1e6 else 41)
        title = f"put {name}" + (", synced" if sync else "")
        yield Row(title, contest(entries, rounds=rounds, block_s=0.02), (within(HAND, 1.25),))
        if not sync:
            entries = {OURS: partial(backend.get_bytes, "k1"), HAND: partial(_read, root / "k1")}
            samples = contest(entries, rounds=rounds, block_s=0.02)
            yield Row(f"get {name}", samples, (within(HAND, 1.25),))


def _each(names: Iterator[str], put: Callable[[str], object]) -> None:
    put(next(names))


def _put(backend: Any, data: bytes, name: str) -> None:
    backend.put_bytes(name, data)


def _put_by_hand(root: Path, data: bytes, name: str, *, sync: bool) -> None:
    """Write a temporary file and rename it, as anyone would who wants it whole."""
    temporary = f"{root}/.{name}.{os.getpid()}"
    with open(temporary, "xb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, f"{root}/{name}")
    if sync:
        folder = os.open(root, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _batch(settings: Settings) -> Row:
    from fleche_like.backends import DatabaseBackend, LocalBackend

    count = settings.size(10_000, 100)
    items = [(f"{number % 256:02x}/{number}", b"x" * 100) for number in range(count)]
    turns = itertools.count()

    def into_blobs() -> None:
        blobs = DatabaseBackend(f"sqlite:///{settings.folder}/{next(turns)}.db")
        blobs.put_many(items)
        blobs.close()

    def into_files() -> None:
        files = LocalBackend(settings.folder / f"files{next(turns)}")
        for key, data in items:
            files.put_bytes(key, data)

    entries = {OURS: into_blobs, "one file each": into_files}
    samples = contest(entries, rounds=settings.rounds(3), number=1)
    bound = times_faster_than("one file each", 10)
    return Row(f"{count:,} keys of 100 B into SQL blobs, one batch", samples, (bound,))


def _listings(settings: Settings) -> Iterator[Row]:
    from fleche_like.backends import DatabaseBackend, LocalBackend

    count = settings.size(100_000, 1_000)
    keys = [f"{number % 256:02x}/{number // 256 % 16:02x}/{number}" for number in range(count)]
    blobs = DatabaseBackend(f"sqlite:///{settings.folder}/listing.db")
    blobs.put_many((key, b"") for key in keys)
    files = LocalBackend(settings.folder / "listing")
    for folder in sorted({key.rpartition("/")[0] for key in keys}):
        (files.root / folder).mkdir(parents=True, exist_ok=True)
    for key in keys:
        os.close(os.open(files.root / key, os.O_CREAT | os.O_WRONLY))
    flat = LocalBackend(settings.folder / "flat")
    for number in range(count):
        os.close(os.open(flat.root / f"{number}", os.O_CREAT | os.O_WRONLY))
    # Names of one folder come in no order: none is the first before all are seen.
    all_names: dict[str, Callable[[], object]] = {HAND: lambda: sorted(os.listdir(flat.root))}
    listed: dict[str, Callable[[], object]]
    for name, backend, listed in (
        ("files in shards", files, {}),
        ("SQL blobs", blobs, {}),
        ("files in one folder", flat, all_names),
    ):
        bounds = (under(0.05), *(within(peer, 1.25) for peer in listed))
        samples = contest({OURS: partial(_first, backend)} | listed, rounds=settings.rounds(11))
        note = f"{_peak_kb(backend)} KB allocated for all"
        yield Row(f"first of {count:,} keys, {name}", samples, bounds, note)
    blobs.close()


def _first(backend: Any) -> str:
    return str(next(backend.list_prefix("", recursive=True)))


def _peak_kb(backend: Any) -> int:
    tracemalloc.start()
    try:
        for _ in backend.list_prefix("", recursive=True):
            pass
        return tracemalloc.get_traced_memory()[1] // 1024
    finally:
        tracemalloc.stop()


def _ranges(settings: Settings) -> Iterator[Row]:
    from fleche_like.backends import LocalBackend

    folder = settings.folder / "ranges"
    backend = LocalBackend(folder / "bucket")
    for name, size in (("large", settings.size(2**30, 2**20)), ("small", 2**12)):
        with open(backend.root / name, "wb") as file:
            file.truncate(size)
    yield _range(settings, backend, "a file")
    if importlib.util.find_spec("s3fs"):
        with s3_server(folder) as endpoint:
            yield _range(settings, _s3_backend(endpoint, "bucket"), "an object on S3")


def _range(settings: Settings, backend: Any, kind: str) -> Row:
    entries = {
        OURS: partial(backend.read_range, "large", settings.size(2**29, 2**19), 1024),
        "the same of 4 KB": partial(backend.read_range, "small", 2**11, 1024),
    }
    samples = contest(entries, rounds=settings.rounds(41))
    return Row(f"1 KB out of {kind} of 1 GB", samples, (within("the same of 4 KB", 1.25),))


def _s3_batches(settings: Settings) -> Iterator[Row]:
    count = settings.size(1_000, 20)
    folder = settings.folder / "objects"
    (folder / "bucket").mkdir(parents=True)
    for number in range(count):
        (folder / "bucket" / f"{number}").write_bytes(b"x" * 100)
    keys = [f"{number}" for number in range(count)]
    # Without any distance, server and client share the processors, and there is nothing to hide.
    yield _s3_batch(settings, folder, keys, 0.0, ())
    delay_s = settings.size(30, 1) / 1000
    yield _s3_batch(settings, folder, keys, delay_s, (times_faster_than("one by one", 5),))


def _s3_batch(
    settings: Settings, folder: Path, keys: list[str], delay_s: float, bounds: tuple[Bound, ...]
) -> Row:
    with s3_server(folder, delay_s=delay_s) as endpoint:
        backend = _s3_backend(endpoint, "bucket")
        entries: dict[str, Callable[[], object]] = {
            OURS: lambda: dict(backend.get_many(keys)),
            "one by one": lambda: [backend.get_bytes(key) for key in keys],
        }
        samples: Samples = contest(entries, rounds=settings.rounds(3), number=1)
        note = f"{delay_s * 1000:g} ms away, {_busy(entries[OURS]):.0%} of a processor at work"
        backend.close()
    return Row(f"{len(keys):,} objects of 100 B from S3, one batch", samples, bounds, note)


def _busy(work: Callable[[], object]) -> float:
    """Return which part of its time this process computes: at 100 % it is what limits."""
    computing, start = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - computing) / (time.perf_counter() - start)


def _s3_backend(endpoint: str, root: str) -> Any:
    from fleche_like.backends import FsspecBackend

    options: dict[str, Any] = {
        "key": "x",
        "secret": "y",
        "client_kwargs": {"endpoint_url": endpoint},
    }
    return FsspecBackend("s3", root, **options)
