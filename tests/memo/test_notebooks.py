"""Cells that run again, in sessions without a file: with the cells' source at hand and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)

NOTEBOOK = """
import linecache, sys
import fleche_like as fl

fl.set_cache(fl.open_cache(sys.argv[1]))
number = 0

def run(cell):
    global number
    number += 1
    name = f"<cell {number}>"
    if sys.argv[2] == "source":
        linecache.cache[name] = len(cell), None, cell.splitlines(True), name
    exec(compile(cell, name, "exec"), globals())

HELPER = "def helper(x):\\n    return x + 1\\n"
CLASS = "class C:\\n    def k(self):\\n        return helper(self.x)\\n"
F = '''
@fl.memoize
def f(x):
    c = C()
    c.x = x
    return c.k(), CONFIG["k"]
'''

def told():
    print(f(3), f._engine.stats.hits, f._engine.stats.misses)

run("CONFIG = {'k': 1}")
run(HELPER); run(CLASS); run(F)
told()                                        # computed, or a hit in the second session
run(HELPER); run(CLASS); run(F)
told()                                        # the same cells again: a hit
run(HELPER.replace("x + 1", "x + 2"))
told()                                        # another helper under the class: computed
run("# moved\\n\\n" + HELPER)
told()                                        # back: a hit
run("CONFIG['k'] = 2")
told()
run(CLASS.replace("helper(self.x)", "helper(self.x) * 10"))
told()
"""

ANSWERS = ["(4, 1)", "(4, 1)", "(5, 1)", "(4, 1)", "(4, 2)", "(40, 2)"]


def session(cache: Path, source: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK, str(cache), source],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "random"},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("source", ["source", "bytecode"])
def test_cells_that_run_again(tmp_path, source):
    first = session(tmp_path / "cache", source)
    assert [line.rsplit(" ", 2)[0] for line in first] == ANSWERS
    assert [line.rsplit(" ", 2)[1:] for line in first] == [
        ["0", "1"], ["1", "0"], ["1", "1"], ["2", "1"], ["2", "2"], ["2", "3"],
    ]  # fmt: skip
    again = session(tmp_path / "cache", source)
    assert [line.rsplit(" ", 2)[0] for line in again] == ANSWERS
    assert [line.rsplit(" ", 2)[2] for line in again] == ["0"] * len(ANSWERS)


SCRIPT = """
import multiprocessing, pickle, sys
import cloudpickle
import fleche_like as fl

K = 2

class Model:
    def __init__(self, k):
        self.k = k
    def step(self):
        return helper(self.k)

def helper(x):
    return x * K

@fl.memoize
def f(model, x):
    return model.step() + x

@fl.memoize
def g(x):
    return helper(x) + Model(x).step()

def keys(_=None):
    return g.key(1), f.key(Model(1), 2), g.call(1).code

if __name__ == "__main__":
    here = keys()
    for start in ("spawn", "fork", "forkserver"):
        with multiprocessing.get_context(start).Pool(1) as pool:
            assert pool.map(keys, [None]) == [here], start
    assert pickle.loads(pickle.dumps(g)) is g
    copied = cloudpickle.loads(cloudpickle.dumps(g.__wrapped__))
    assert fl.memoize(copied).call(1).code == here[2]
    print(*here)
"""


def test_workers_agree_on_keys(tmp_path):
    """Whatever the start method, and for a function that travels by value."""
    (tmp_path / "script.py").write_text(SCRIPT)
    seen = {
        subprocess.run(
            [sys.executable, "script.py"],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
