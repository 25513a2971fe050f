from __future__ import annotations

import json
import subprocess
import sys

DATA = {"numpy", "pandas", "polars", "pyarrow"}
HEAVY = DATA | {"alembic", "cloudpickle", "fsspec", "sqlalchemy"}
REPORT = "import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"


def modules_after(statement: str) -> set[str]:
    code = REPORT.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert modules_after("import fleche_like") & HEAVY == set()


def test_decorating_a_function_imports_nothing_heavy() -> None:
    decorated = "import fleche_like; fleche_like.memoize(lambda alpha: alpha)"
    assert modules_after(decorated) & HEAVY == set()


def test_a_digest_of_builtin_values_imports_nothing_heavy() -> None:
    digested = "import fleche_like; fleche_like.digest({'a': [1, 2.0, (None, b'x')]})"
    assert modules_after(digested) & HEAVY == set()


def test_importing_adds_few_modules() -> None:
    """Each module is a file to find and read; the bound is a budget, raised only on purpose."""
    added = modules_after("import fleche_like") - modules_after("pass")
    assert len(added) < 60, sorted(added)
