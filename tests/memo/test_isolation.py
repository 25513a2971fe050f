"""Bodies in a working directory of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

import pytest

import fleche_like as fl
from fleche_like.memo import isolation

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has a working directory per thread"
)


def leaving_traces(x):
    assert os.listdir() == []
    Path("trace").write_text(str(x))
    return os.getcwd(), Path("trace").read_text()


@pytest.fixture(params=["alone", "beside others"])
def either_way(request, monkeypatch):
    if request.param == "beside others" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux has a working directory per thread")
    monkeypatch.setattr(isolation, "_is_alone", lambda: request.param == "alone")


def test_the_folder_is_fresh_and_goes_away(cache, either_way):
    f = fl.memoize(isolate=True, code="none")(leaving_traces)
    before = os.getcwd()
    folder, text = f(1)
    assert text == "1"
    assert folder != before
    assert not Path(folder).exists()
    assert os.getcwd() == before
    assert f(1) == (folder, text)
    assert f(2)[0] != folder


def test_what_the_body_raises_is_raised_and_the_folder_goes_away(cache, either_way):
    folders = []

    @fl.memoize(isolate=True, code="none")
    def f(x):
        folders.append(os.getcwd())
        raise KeyError(x)

    before = os.getcwd()
    with pytest.raises(KeyError, match="1"):
        f(1)
    assert os.getcwd() == before
    assert not Path(folders[0]).exists()


def test_relative_files_mean_what_they_meant_outside(cache, either_way, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("input").write_text("content")

    @fl.memoize(isolate=True, code="none")
    def f(file):
        return Path(file).read_text()

    assert f(fl.File("input")) == "content"


marker: ContextVar[str] = ContextVar("marker", default="unset")


def test_the_context_is_carried(cache, either_way):
    @fl.memoize(isolate=True, code="none")
    def f():
        return marker.get()

    marker.set("set")
    assert f() == "set"


@linux
def test_threads_have_folders_of_their_own_at_the_same_time(cache):
    together = threading.Barrier(4)

    @fl.memoize(isolate=True, code="none")
    def f(x):
        Path("mine").write_text(str(x))
        together.wait(10)
        mine = Path("mine").read_text(), os.listdir()
        command = [sys.executable, "-c", "import os; print(os.listdir())"]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        together.wait(20)
        return os.getcwd(), mine, child.stdout.strip()

    before = os.getcwd()
    with ThreadPoolExecutor(4) as pool:
        answers = [each.result(60) for each in [pool.submit(f, n) for n in range(4)]]
    assert len({folder for folder, *_ in answers}) == 4
    assert [mine for _, mine, _ in answers] == [(str(n), ["mine"]) for n in range(4)]
    assert {listed for *_, listed in answers} == {"['mine']"}
    assert os.getcwd() == before


def test_where_it_is_not_safe_it_is_refused_and_not_run(cache, monkeypatch):
    monkeypatch.setattr(isolation, "_is_alone", lambda: False)
    monkeypatch.setattr(sys, "platform", "darwin")
    runs = []

    @fl.memoize(isolate=True, code="none")
    def f():
        runs.append(1)

    with pytest.raises(fl.UncachableFunction, match="only Linux"):
        f()
    assert not runs


def test_coroutine_functions_are_refused_when_they_are_decorated():
    with pytest.raises(fl.UncachableFunction, match="all tasks share"):

        @fl.memoize(isolate=True)
        async def f():
            return 1


INTERRUPTED = textwrap.dedent(
    """
    import os, sys, threading, time
    import fleche_like as fl
    threading.Thread(target=time.sleep, args=(3,), daemon=True).start()

    @fl.memoize(isolate=True, cache=fl.open_cache("memory://"))
    def f():
        print(os.getcwd(), flush=True)
        while True:
            time.sleep(0.01)

    try:
        f()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
)


@linux
def test_an_interrupt_ends_the_body_and_removes_the_folder():
    command = [sys.executable, "-c", INTERRUPTED]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    folder = child.stdout.readline().strip()
    assert Path(folder).is_dir()
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=20)[0] == "interrupted\n"
    assert not Path(folder).exists()
