"""The same code has the same keys however, wherever and in what company it runs: real processes."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)

WORK = '''
"""What is asked for its keys, under every circumstance."""
import enum
import functools
import sys
import fleche_like as fl
import tools
from tools import scale

TABLE = {"a": scale, "b": lambda x: x + 1}
SOME = {(lambda x: x + 1), (lambda x: x + 2), (lambda x: x + 3), len, scale}
NAMES = {"a", "b", "c", "d"}

class Kind(enum.Enum):
    ONE = (1, scale)

class Base:
    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.named = cls.__name__

class Model(Base):
    """A model."""
    limits = {"low": 1, "high": {2, 3}}

    def step(self, x):
        """A step."""
        return TABLE["a"](x) + self.k

    @functools.cached_property
    def k(self):
        return tools.K

def helper(x):
    return [each(x) for each in SOME if each is not len], sorted(NAMES)

@fl.memoize
def f(model, x):
    def inner(y):
        return getattr(tools, "scale")(y), Kind.ONE
    match x:
        case int():
            return model.step(x), helper(x), inner(x), [c.named for c in Base.__subclasses__()]
        case _:
            return helper(tools)

@fl.memoize
def checked(x):
    assert x > 0, "positive"
    return helper(x)

def told():
    model = Model()
    return f.key(model, 1), f.key(model, x=2), f.key(lambda y: scale(y), 1), checked.key(1)

if __name__ == "__main__":
    print(*told())
'''

TOOLS = """
K = 3
FACTOR = 2

def scale(x, by=FACTOR):
    return x * by * K
"""

TOLD = "import work; print(*work.told())"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "project"
    made.mkdir()
    (made / "work.py").write_text(WORK)
    (made / "tools.py").write_text(TOOLS)
    return made


def run(folder: Path, *arguments: str, seed: str = "random", **variables: str) -> str:
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path, **variables},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return next(line for line in done.stdout.splitlines() if line.count(" ") == 3)


@pytest.fixture
def usual(folder):
    return run(folder, "-c", TOLD, seed="0")


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_whatever_the_hash_seed(folder, usual, seed):
    assert run(folder, "-c", TOLD, seed=seed) == usual


def test_in_another_folder_reached_through_a_link(folder, usual, tmp_path):
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(folder, moved)
    (tmp_path / "link").symlink_to(moved)
    assert run(moved, "-c", TOLD) == usual
    assert run(tmp_path / "link", "-c", TOLD) == usual


def test_as_a_script_and_as_a_module_that_runs(folder, usual):
    assert run(folder, "work.py") == usual
    assert run(folder, "-m", "work") == usual


def test_whatever_was_imported_before_and_defined_since(folder, usual):
    before = "import tools, json, enum, abc, collections.abc; abc.ABC.register(int); "
    assert run(folder, "-c", before + TOLD) == usual
    twice = "import work; work.told(); work.checked.key(2); work.other = 1; "
    assert run(folder, "-c", twice + TOLD) == usual


def test_under_a_debugger(folder, usual):
    trace = "import sys; sys.settrace(lambda *_: None); "
    assert run(folder, "-c", trace + TOLD) == usual
    profile = "import cProfile; cProfile.Profile().enable(); "
    assert run(folder, "-c", profile + TOLD) == usual


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_under_monitoring(folder, usual):
    events = "m.events.LINE | m.events.PY_START | m.events.INSTRUCTION"
    watch = (
        f"import sys; m = sys.monitoring; m.use_tool_id(1, 'x'); m.set_events(1, {events}); "
        "[m.register_callback(1, e, lambda *_: None) for e in (1, 32, 64)]; "
    )
    called = "import work; work.f(work.Model(), 1); print(*work.told())"
    assert run(folder, "-c", watch + called) == usual


def test_warm_code_is_the_same_code(folder, usual):
    """Python 3.11 and later write faster instructions into code that runs often."""
    often = "import work; [work.f.__wrapped__(work.Model(), n) for n in range(200)]; "
    assert run(folder, "-c", often + TOLD) == usual


def test_in_a_forked_and_in_a_spawned_process(folder, usual):
    (folder / "start.py").write_text(
        "import multiprocessing, sys, work\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:\n"
        "        print(*pool.apply(work.told))\n"
    )
    assert run(folder, "start.py", "spawn") == usual
    assert run(folder, "start.py", "fork") == usual


def test_in_a_test_module_that_pytest_rewrites(folder):
    """But for functions with an ``assert``: those run as other code there."""
    (folder / "test_work.py").write_text(
        WORK + "\ndef test_it():\n    assert len(told()) == 4\n    print()\n    print(*told())\n"
    )
    plain = run(folder, "-c", "import test_work; print(*test_work.told())")
    rewritten = run(folder, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_work.py")
    assert rewritten.split()[:3] == plain.split()[:3]


def test_compiled_files_alone_agree_with_each_other(folder, tmp_path):
    compileall.compile_dir(str(folder), quiet=1, legacy=True)
    for each in ("work.py", "tools.py"):
        (folder / each).unlink()
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert run(folder, "-c", TOLD, seed="1") == run(moved, "-c", TOLD, seed="2")


def test_without_assertions_what_asserts_is_other_code(folder, usual):
    optimized = run(folder, "-O", "-c", TOLD)
    assert optimized.split()[:3] == usual.split()[:3]
    assert optimized.split()[3] != usual.split()[3]
