"""Bodies in a working directory of their own.

The working directory belongs to the process, not to the thread. Where no other thread of Python is
running, it is changed for as long as the body runs. Otherwise, on Linux, the body runs in a thread
that has a working directory of its own (``unshare(CLONE_FS)``), and so have the threads and
processes that it starts. Elsewhere there is no safe way, and the body is not run.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

from fleche_like.errors import UncachableFunction

P = ParamSpec("P")
R = TypeVar("R")

_CLONE_FS: Final = 0x200


def isolated(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs in a fresh temporary directory, which is removed afterwards.

    It raises what ``function`` raises, and :class:`UncachableFunction` without calling it where
    other threads are running and this platform has one working directory for all of them.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with tempfile.TemporaryDirectory(
            prefix="fleche-like-", ignore_cleanup_errors=True
        ) as folder:
            place = _here if _is_alone() else _apart
            return cast("R", place(folder, functools.partial(function, *args, **kwargs)))

    return run


def _is_alone() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and threading.active_count() == 1


def _here(folder: str, call: Callable[[], Any]) -> Any:
    before = os.getcwd()
    os.chdir(folder)
    try:
        return call()
    finally:
        os.chdir(before)


class _Apart:
    """A call in a thread with a working directory of its own, and how it went."""

    def __init__(self, folder: str, call: Callable[[], Any]) -> None:
        self._folder = folder
        self._call = call
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            _unshare()
            os.chdir(self._folder)
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001  raised again where the call was made
            self.error = error


def _apart(folder: str, call: Callable[[], Any]) -> Any:
    context = contextvars.copy_context()
    apart = _Apart(folder, lambda: context.run(call))
    thread = threading.Thread(target=apart.run, name="fleche-like isolated", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException as interrupt:
        _interrupt(thread, type(interrupt))
        thread.join()
        raise
    if apart.error is not None:
        raise apart.error
    return apart.result


def _unshare() -> None:
    """Give this thread a working directory of its own, for good."""
    if not sys.platform.startswith("linux"):
        raise UncachableFunction(
            "isolate=True beside other threads needs a working directory per thread, which only "
            "Linux has; call the function where no other thread runs, or in a process of its own"
        )
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_FS) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise UncachableFunction(
            f"isolate=True beside other threads: no working directory per thread here ({reason}); "
            "call the function where no other thread runs, or in a process of its own"
        )


def _interrupt(thread: threading.Thread, kind: type[BaseException]) -> None:
    """Raise in the body's thread what interrupted the one that waits for it."""
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(kind))
