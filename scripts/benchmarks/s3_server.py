"""An S3 server on loopback, as far away as one asks; in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

BUCKET = "bench"


@contextlib.contextmanager
def s3_server(*, delay_s: float) -> Iterator[str]:
    """Yield the URL of a server with a bucket; each request takes ``delay_s`` longer."""
    command = [sys.executable, "-m", "scripts.benchmarks.s3_server", str(delay_s)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter, delay_s: float) -> None:
    """Hand on what comes, later."""
    with contextlib.suppress(OSError):
        while data := await source.read(2**16):
            if delay_s:
                await asyncio.sleep(delay_s)
            to.write(data)
    to.close()


async def listen(port: int, delay_s: float) -> None:
    """Stand between clients and the server at a port, and print where."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, back, delay_s), carry(there, writer, 0))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Run until killed."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/x")
    urllib.request.urlopen(request).close()  # noqa: S310  # http, as written above
    asyncio.run(listen(port, float(sys.argv[1])))


if __name__ == "__main__":
    main()
