"""Steps that may block, kept off an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def has_loop() -> bool:
    """Return whether an asyncio loop runs in this thread: not so under trio, say."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def off_the_loop(step: Callable[..., T], *args: Any) -> T:
    """Run a step in a thread; at once where no asyncio loop runs.

    A cancellation takes effect only when the step is done: what it took can then be given back.
    """
    if not has_loop():
        return step(*args)
    running = asyncio.ensure_future(asyncio.to_thread(step, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await _until_done(running)
        raise


async def _until_done(running: asyncio.Future[Any]) -> None:
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            continue
