"""What a client of S3 sees of objects: files over HTTP on loopback, as far away as one asks.

A server that does next to nothing, in a process of its own, so that what is measured is the
client: one that emulates S3 takes longer for a request than the client does.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from aiohttp import web


@contextlib.contextmanager
def s3_server(folder: Path, *, delay_s: float = 0.0) -> Iterator[str]:
    """Yield the URL of a server whose buckets are folders; answers take ``delay_s`` longer."""
    command = [sys.executable, "-m", "scripts.benchmarks.s3_server", str(folder), str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def application(folder: Path, delay_s: float) -> web.Application:
    """Answer GET, HEAD and ranges, later."""

    @web.middleware
    async def later(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if delay_s:
            await asyncio.sleep(delay_s)
        return await handler(request)

    made = web.Application(middlewares=[later])
    made.router.add_static("/", folder)
    return made


async def serve(folder: Path, delay_s: float) -> None:
    """Serve until killed, and print the port."""
    runner = web.AppRunner(application(folder, delay_s), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
