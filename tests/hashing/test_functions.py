from __future__ import annotations

import functools
import importlib.util
import linecache
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from fleche_like.hashing import digest, function_code_digest, module_name

ORIGINAL = """
    def f(x, y=1, *, z=2):
        return x + y * z
"""
SAME = [
    '''
    # a comment
    def f(x, y=1, *, z=2):
        """A docstring."""
        # another
        return (x +
                y * z)
    ''',
    """
    import functools
    def identity(f): return f

    @identity
    @identity
    def f(x, y = 1, *,
          z = 2,):

        return x + (y*z)  # why
    """,
]
OTHER = [
    "def f(x, y=1, *, z=2):\n    return x * y + z",
    "def f(x, y=1, *, z=2):\n    return x + y * z + 0",
    "def f(x, y=1, z=2):\n    return x + y * z",
    "def f(a, y=1, *, z=2):\n    return a + y * z",
    "async def f(x, y=1, *, z=2):\n    return x + y * z",
    "def f(x, y=1, *, z=2):\n    return 'x' + y * z",
]


@pytest.fixture
def load(tmp_path: Path):
    """Import source text as a module of its own, as a program does."""
    counter = iter(range(1000))

    def load(text: str, path: Path | None = None) -> Any:
        path = path or tmp_path / f"module_{next(counter)}.py"
        path.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location("loaded_module", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize("text", SAME)
def test_layout_comments_docstrings_and_decorators_do_not_matter(load: Any, text: str) -> None:
    one, other = load(ORIGINAL).f, load(text).f
    assert function_code_digest(one) == function_code_digest(other)
    assert digest(one) == digest(other)


@pytest.mark.parametrize("text", OTHER)
def test_what_the_code_does_matters(load: Any, text: str) -> None:
    assert function_code_digest(load(ORIGINAL).f) != function_code_digest(load(text).f)


def test_defaults_belong_to_the_function_but_not_to_its_code(load: Any) -> None:
    one, other = load("def f(x, y=1): return x").f, load("def f(x, y=2): return x").f
    assert function_code_digest(one) == function_code_digest(other)
    assert digest(one) != digest(other)
    third = load("def f(x, *, y=1): return x").f
    fourth = load("def f(x, *, y=2): return x").f
    assert function_code_digest(third) == function_code_digest(fourth)
    assert digest(third) != digest(fourth)


def test_nested_docstrings_do_not_matter(load: Any) -> None:
    one = load("def f():\n  def g():\n    'doc'\n  return g").f
    other = load("def f():\n  def g():\n    pass\n  return g").f
    assert function_code_digest(one) == function_code_digest(other)


def test_lambdas_of_one_line_are_told_apart(load: Any) -> None:
    fs = load("fs = [lambda x: x + 1, lambda x: x + 2, lambda x: (x + 1)]").fs
    first, second, third = map(function_code_digest, fs)
    assert first == third != second
    nested = load("f = lambda x: lambda y: x + y").f
    assert function_code_digest(nested) != function_code_digest(nested(1))


def test_a_file_edited_after_import_is_not_believed(load: Any, tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    running = load("def f(x):\n    return x + 1\n", path).f
    path.write_text("def f(x):\n    return x + 2\n")
    linecache.clearcache()
    edited = load("def f(x):\n    return x + 2\n", tmp_path / "other.py").f
    assert function_code_digest(running) != function_code_digest(edited)


def test_a_reloaded_module_is_read_again(load: Any, tmp_path: Path) -> None:
    path = tmp_path / "reloaded.py"
    before = function_code_digest(load("def f(x):\n    return x + 1\n", path).f)
    os.utime(path, (1, 1))
    after = load("def f(x):\n    return x + 2222\n", path).f
    twin = load("def f(x):\n    return x + 2222\n").f
    assert function_code_digest(after) == function_code_digest(twin) != before


def make(text: str) -> Any:
    space: dict[str, Any] = {}
    exec(text, space)  # without source that could be found
    return space["f"]


def test_without_source_bytecode_speaks() -> None:
    one = make("def f(x):\n    'doc'\n    return x + 1")
    other = make("\n\n# moved\ndef f(x):\n    return x + 1")
    third = make("def f(x):\n    return x + 2")
    assert function_code_digest(one) == function_code_digest(other) != function_code_digest(third)
    assert digest(one) == digest(other) != digest(third)


def adder(n: Any) -> Any:
    return lambda x: x + n


def test_closure_values_count() -> None:
    assert digest(adder(1)) == digest(adder(1)) != digest(adder(1.0))
    assert function_code_digest(adder(1)) == function_code_digest(adder(2))
    assert digest(adder(adder(1))) == digest(adder(adder(1))) != digest(adder(adder(2)))


def recursive(step: int) -> Any:
    def down(k: int) -> int:
        return down(k - step) if k > 0 else k

    return down


def mutual(step: int) -> Any:
    def even(k: int) -> Any:
        return odd(k - step) if k else True

    def odd(k: int) -> Any:
        return even(k - step) if k else False

    return even, odd


def test_functions_that_call_themselves_do_not_overflow() -> None:
    assert digest(recursive(1)) == digest(recursive(1)) != digest(recursive(2))
    even, odd = mutual(1)
    assert digest(even) == digest(mutual(1)[0]) != digest(odd)
    assert digest([even, odd]) != digest([odd, even])


def test_globals_are_those_of_the_module(load: Any, tmp_path: Path) -> None:
    text = "def helper(x): return x\ndef f(x): return helper(x)\ndef g(x): return len(x)\n"
    one, other = load(text), load(text)
    for function in (other.f, other.g):
        function.__module__ = "another"
    assert digest(one.f) != digest(other.f)
    assert digest(one.g) == digest(other.g)


class Box:
    def __init__(self, n: int) -> None:
        self.n = n

    def get(self) -> int:
        return self.n


def test_methods_and_partials_carry_what_they_are_bound_to() -> None:
    assert digest(Box(1).get) == digest(Box(1).get) != digest(Box(2).get)
    assert digest(Box.get) != digest(Box(1).get)
    one = functools.partial(int, "1", base=2)
    assert digest(one) != digest(functools.partial(int, "1", base=3)) != digest(int)
    assert digest(functools.partial(dict, a=1, b=2)) == digest(functools.partial(dict, b=2, a=1))
    assert digest([1].append) != digest([2].append)


def test_code_digest_of_what_has_no_code() -> None:
    with pytest.raises(TypeError):
        function_code_digest(len)
    assert function_code_digest(Box(1).get) == function_code_digest(Box.get)


def test_main_is_named_after_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    main: Any = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    cls: Any = type("Thing", (), {"__module__": "__main__"})
    bare = digest(cls())
    assert module_name(cls) == "__main__"
    main.__file__ = "/somewhere/script.py"
    assert module_name(cls) == "script"
    main.__spec__ = importlib.util.spec_from_loader("package.module", None)
    assert module_name(cls) == "package.module"
    monkeypatch.undo()
    assert len(bare) == 32
    assert module_name(functools) == "functools"
