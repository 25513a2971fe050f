"""Servers that refuse, fail, cut the line or go away: errors, never "there is no such key"."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fleche_like.backends import FsspecBackend, FsspecStorage
from fleche_like.errors import BackendUnavailable
from tests.servers import needs_s3, s3_bucket, s3_options

pytest.importorskip("s3fs", reason="s3fs is not installed")

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"


class Failing(BaseHTTPRequestHandler):
    """Answers whatever is asked in one way."""

    protocol_version = "HTTP/1.1"  # so that a body that waits for leave to come gets it
    status: ClassVar[int] = 500
    code: ClassVar[str] = "InternalError"
    cut: ClassVar[bool] = False

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = ERROR.format(self.code).encode()
        self.send_response(200 if self.cut else self.status)
        self.send_header("Content-Length", str(1000 if self.cut else len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(
    params=[(403, "AccessDenied"), (500, "InternalError"), (503, "SlowDown"), (200, "cut")],
    ids=lambda param: param[1],
)
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    status, code = request.param
    answers = type("Answers", (Failing,), {"status": status, "code": code, "cut": code == "cut"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def impatient(endpoint: str, root: str = "bucket/prefix") -> FsspecBackend:
    config = {"retries": {"max_attempts": 1}, "connect_timeout": 2, "read_timeout": 2}
    backend = FsspecBackend("s3", root, config_kwargs=config, **s3_options(endpoint))
    backend._filesystem = backend._recipe.make(4)
    backend._filesystem.retries = 1
    return backend


def attempts(backend: FsspecBackend) -> dict[str, Callable[[], object]]:
    return {
        "get": lambda: backend.get_bytes("k"),
        "range": lambda: backend.read_range("k", 1, 2),
        "batch": lambda: list(backend.get_many(["k", "l"])),
        "exists": lambda: backend.exists("k"),
        "stat": lambda: backend.stat("k"),
        "list": lambda: list(backend.list_prefix("")),
        "put": lambda: backend.put_bytes("k", b"1"),
        "delete prefix": lambda: backend.delete_prefix("k"),
    }


def test_a_server_that_fails_is_unavailable(endpoint: str, request: pytest.FixtureRequest) -> None:
    backend = impatient(endpoint)
    chosen = set(attempts(backend))
    if "cut" in request.node.name:
        chosen = {"get", "range", "batch"}  # the others read no body
    elif "AccessDenied" not in request.node.name:
        chosen = {"get", "exists", "list", "put"}  # the driver tries again, and waits in between
    for attempt in (attempts(backend)[name] for name in sorted(chosen)):
        with pytest.raises(BackendUnavailable) as caught:
            attempt()
        error: BackendUnavailable = pickle.loads(pickle.dumps(caught.value))
        assert issubclass(BackendUnavailable, ConnectionError)
        assert error.url == "s3://bucket/prefix"
        assert "test-secret" not in str(error)
    backend.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    backend = impatient("http://127.0.0.1:9")
    for attempt in attempts(backend).values():
        with pytest.raises(BackendUnavailable):
            attempt()
    backend.close()


@needs_s3
def test_a_bucket_that_is_not_there_is_no_empty_place() -> None:
    root = f"absent-{uuid.uuid4().hex}/prefix"
    for attempt in attempts(FsspecBackend("s3", root, **s3_options())).values():
        with pytest.raises(BackendUnavailable):
            attempt()


@needs_s3
def test_a_server_that_goes_away_during_a_flush_loses_nothing(tmp_path: Path) -> None:
    backend = FsspecBackend("s3", f"{s3_bucket()}/{uuid.uuid4().hex}", **s3_options())
    storage = FsspecStorage(backend, staging=tmp_path)
    storage.append("a", b"1")
    storage.append("b", b"2")
    there, away = backend._filesystem, impatient("http://127.0.0.1:9")._filesystem
    backend._filesystem = away
    with pytest.raises(BackendUnavailable):
        storage.close()
    assert (storage.read("a"), storage.read("b")) == (b"1", b"2")
    backend._filesystem = there
    storage.close()
    assert (backend.get_bytes("a"), backend.get_bytes("b")) == (b"1", b"2")
    backend.close()


@needs_s3
def test_a_store_refuses_a_put_over_what_others_wrote() -> None:
    """The store itself decides: a look beforehand could be overtaken."""
    backend = FsspecBackend("s3", f"{s3_bucket()}/{uuid.uuid4().hex}", **s3_options())
    assert backend.replace("k", b"1", None)
    assert not backend.replace("k", b"2", None)
    version = backend.fingerprint("k")
    backend.put_bytes("k", b"others")
    assert not backend.replace("k", b"2", version)
    assert backend.get_bytes("k") == b"others"
    assert backend.replace("k", b"2", backend.fingerprint("k"))
    backend.close()


@needs_s3
def test_a_batch_has_many_requests_under_way() -> None:
    backend = FsspecBackend("s3", f"{s3_bucket()}/{uuid.uuid4().hex}", **s3_options())
    backend.put_many((f"k/{n}", b"x") for n in range(40))
    filesystem = backend._filesystem
    under_way, most = 0, 0
    fetch = filesystem._cat_file

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await fetch(*args, **options)
        finally:
            under_way -= 1

    filesystem._cat_file = counted
    assert len(dict(backend.get_many(f"k/{n}" for n in range(40)))) == 40
    assert 8 <= most <= backend.max_concurrency
    backend.close()


@needs_s3
def test_a_listing_is_fetched_page_by_page() -> None:
    backend = FsspecBackend("s3", f"{s3_bucket()}/{uuid.uuid4().hex}", **s3_options())
    backend.put_many((f"k/{n:04}", b"") for n in range(21))
    filesystem = backend._filesystem
    requests = []
    call = filesystem._call_s3

    async def counted(method: str, *args: Any, **options: Any) -> Any:
        requests.append(method)
        return await call(method, *args, **options, MaxKeys=10)

    filesystem._call_s3 = counted
    listing = backend.list_prefix("k", recursive=True)
    assert next(listing) == "k/0000"
    assert requests == ["list_objects_v2"]
    assert list(listing) == [f"k/{n:04}" for n in range(1, 21)]
    assert requests == ["list_objects_v2"] * 3
    backend.close()


def test_a_slow_server_blocks_no_loop() -> None:
    """The driver's own requests are awaited: no thread waits for each."""
    import asyncio

    class Slow(Failing):
        def answer(self) -> None:
            time.sleep(0.3)
            super().answer()

        do_GET = do_HEAD = answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    storage = FsspecStorage(impatient(f"http://127.0.0.1:{server.server_port}"))

    async def work() -> tuple[int, int]:
        ticks, threads = 0, threading.active_count()
        reads = asyncio.gather(
            *(storage.aread(f"k/{n}") for n in range(10)), return_exceptions=True
        )
        while not reads.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert all(isinstance(answer, BackendUnavailable) for answer in await reads)
        return ticks, threading.active_count() - threads

    with contextlib.closing(storage):
        ticks, _ = asyncio.run(work())
    server.shutdown()
    thread.join()
    server.server_close()
    assert ticks >= 10


@needs_s3
def test_a_large_put_over_what_others_wrote_is_refused_too() -> None:
    """The driver uploads such a file in parts, and forgets the condition (s3fs 2026.9)."""
    backend = FsspecBackend("s3", f"{s3_bucket()}/{uuid.uuid4().hex}", **s3_options())
    large = bytes(101 * 2**20)
    backend.put_bytes("k", b"mine")
    version = backend.fingerprint("k")
    backend.put_bytes("k", b"others")
    assert not backend.replace("k", large, version)
    assert not backend.replace("k", large, None)
    assert backend.get_bytes("k") == b"others"
    backend.delete("k")
    backend.close()


@needs_s3
def test_a_bucket_that_goes_away_is_no_empty_place() -> None:
    name = s3_bucket.__wrapped__()
    backend = FsspecBackend("s3", f"{name}/prefix", **s3_options())
    backend.put_bytes("k", b"1")
    backend.delete("k")
    backend._filesystem.rmdir(name)
    with pytest.raises(BackendUnavailable, match="no bucket"):
        backend.get_bytes("k")
    with pytest.raises(BackendUnavailable, match="no bucket"):
        list(backend.list_prefix(""))
    backend.close()
