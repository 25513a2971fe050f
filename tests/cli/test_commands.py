from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleche_like.cli import main, verbs
from fleche_like.cli.exits import Exit
from fleche_like.cli.main import CODES
from fleche_like.config import open_cache
from fleche_like.config.opening import INDEX_FILE
from fleche_like.errors import FlecheError
from fleche_like.maintenance import export
from tests.cli.conftest import simulate
from tests.project.paths import ROOT

PAGE = "\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
EXAMPLES = [line for verb in verbs.VERBS.values() for line in verb.load().EXAMPLES]
COMMAND = [sys.executable, "-m", "fleche_like"]


def in_process_of_its_own(*words: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, env=environment, timeout=60, **options
    )


# --- help and documentation ---


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs(example, folder, filled, run, results):
    shutil.copytree(filled, folder / ".fleche-like")
    key = results.query(name="Model.fit").one().key
    export(results, folder / "calls.fla")
    program, *words = shlex.split(example.replace("3f9a12", key[:12]))

    done = run(*words)

    assert program == "fleche-like"
    assert done.code == 0, done.err
    assert done.out
    if "--json" in words:
        json.loads(done.out)


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_has_help_with_its_examples(verb, run):
    done = run(verb, "--help")

    assert done.code == 0
    assert verbs.VERBS[verb].summary in done.out
    assert len(verbs.VERBS[verb].load().EXAMPLES) >= 2
    assert all(line in done.out for line in verbs.VERBS[verb].load().EXAMPLES)
    assert all(
        f"fleche-like {verb}" in line or f" {verb}" in line
        for line in verbs.VERBS[verb].load().EXAMPLES
    )


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_and_each_of_its_options_is_documented(verb, run):
    assert f"### `fleche-like {verb}" in PAGE
    section = PAGE.split(f"### `fleche-like {verb}")[1].split("\n## ")[0].split("\n### ")[0]
    text = run(verb, "--help").out.split("examples:")[0]
    options = {word.strip("[],") for word in text.split() if word.strip("[],").startswith("--")}
    for option in options - {"--help", "--cache"}:
        assert option in section, option


def test_the_help_names_every_verb_and_exit_code(run):
    done = run("--help")

    assert done.code == 0
    for name, verb in verbs.VERBS.items():
        assert f"{name} " in done.out
        assert verb.summary in done.out
    for code in Exit:
        assert f"{code.value} " in done.out
        assert f"| {code.value} |" in PAGE


def test_help_imports_no_storage():
    program = (
        "import sys, fleche_like.cli\n"
        "try: fleche_like.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'sqlalchemy', 'alembic', 'fsspec', 'cloudpickle', 'xxhash'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )

    assert done.stderr == "[]\n"


def test_the_version_is_told(run):
    done = run("--version")

    assert done.code == 0
    assert done.out.startswith("fleche-like")


# --- wrong usage ---


def test_without_a_verb_the_help_says_which_there_are(run):
    done = run()
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert all(verb.summary in done.err for verb in verbs.VERBS.values())


def test_an_option_alone_is_not_enough(run):
    assert run("--cache", "here").err.endswith("required: VERB\n")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("--nonsense",),
        ("ls", "--nonsense"),
        ("ls", "extra"),
        ("ls", "--limit", "-1"),
        ("ls", "--limit", "many"),
        ("show",),
        ("query", "--where"),
        ("query", "--json", "--csv"),
        ("query", "--where", "alpha = 1"),
        ("query", "--where", "__import__('os')"),
        ("query", "--arg", "alpha"),
        ("db",),
        ("db", "drop"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_says_why(words, look):
    done = look(*words)

    assert (done.code, done.out) == (2, "")
    assert "fleche-like" in done.err
    assert "Traceback" not in done.err


# --- which cache ---


def test_the_cache_may_be_named_before_or_after_the_verb(folder, run):
    before = run("--cache", "results", "stats", "--json")

    assert before.code == 0
    assert run("stats", "--json", "--cache", "results").out == before.out


def test_without_a_name_the_default_cache_of_the_project_is_used(folder, run, monkeypatch):
    with open_cache(folder / ".fleche-like") as default:
        default.save(simulate(7))
    (folder / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "down")

    assert [call["arguments"]["alpha"] for call in json.loads(run("ls", "--json").out)] == [0.7]


@pytest.mark.parametrize("words", [("ls",), ("stats",), ("show", "abcd"), ("query",),
                                   ("db", "current"), ("db", "upgrade")])  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_a_cache_that_is_not_there_is_an_error_and_is_not_made(words, named, folder, run):
    done = run(*(["--cache", "missing"] if named else []), *words)

    assert (done.code, done.out) == (3, "")
    assert "no cache in" in done.err
    assert sorted(path.name for path in folder.iterdir()) == ["pyproject.toml", "results"]


@pytest.mark.parametrize("verb", [("ls",), ("stats",), ("show", "abcd"), ("db", "current")])
def test_a_damaged_index_is_an_error(verb, folder, look):
    index = folder / "results" / INDEX_FILE
    for beside in index.parent.glob(INDEX_FILE + "-*"):
        beside.unlink()
    index.write_bytes(b"no database at all" * 1000)

    done = look(*verb)

    assert (done.code, done.out) == (3, "")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [("ls",), ("db", "current"), ("db", "upgrade")])
def test_an_empty_name_is_not_the_default_cache(words, folder, run):
    open_cache(folder / ".fleche-like").close()
    done = run("--cache", "", *words)

    assert (done.code, done.out) == (3, "")
    assert "--cache wants a folder or a URL" in done.err


def test_a_database_url_is_a_cache_and_is_not_made_either(folder, run):
    url = f"sqlite:///{folder / 'other.db'}"
    assert run("--cache", url, "ls").code == 3
    assert not (folder / "other.db").exists()

    with open_cache(url) as cache:
        cache.save(simulate(3))
    assert json.loads(run("--cache", url, "ls", "--json").out)[0]["result"] == 0.6
    assert run("--cache", url, "db", "current").out.endswith("(newest)\n")


def test_an_error_cannot_command_the_terminal(folder, run):
    done = run("--cache", "x\x1b[2J\r\x07y", "ls")

    assert done.code == 3
    assert not set("\x1b\r\x07") & set(done.err)


def test_secrets_of_a_url_are_not_shown(folder, run):
    for words in (("ls",), ("stats",), ("db", "current"), ("db", "upgrade")):
        done = run("--cache", "postgresql://ann:hunter2@127.0.0.1:1/db", *words)
        assert (done.code, done.out) == (3, "")
        assert "hunter2" not in done.err


def test_a_folder_without_a_cache_is_an_error(folder, run):
    (folder / "empty").mkdir()

    assert run("--cache", "empty", "ls").code == 3
    assert list((folder / "empty").iterdir()) == []


def test_an_empty_cache_is_no_error(folder, run):
    open_cache(folder / "new").close()

    assert run("--cache", "new", "ls") == (0, "", "")
    assert run("--cache", "new", "ls", "--json").out == "[]\n"
    assert run("--cache", "new", "stats").code == 0


def test_looking_changes_nothing(folder, run, results):
    results.close()

    def state():
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = state()
    for words in (("ls",), ("stats",), ("query", "simulate"), ("db", "current")):
        assert run("--cache", "results", *words).code == 0

    assert state() == before


# --- db ---


def test_db_tells_the_revision_and_the_history(look, run):
    current = json.loads(look("db", "current", "--json").out)
    history = json.loads(run("db", "history", "--json").out)

    assert current["revision"] == current["newest"] == history[-1]["revision"]
    assert look("db", "current").out == f"{current['revision']} (newest)\n"
    assert current["revision"] in run("db", "history").out


def test_db_upgrade_of_a_current_index_does_nothing(look):
    done = look("db", "upgrade")

    assert done.code == 0
    assert done.out.endswith("nothing to do\n")


def test_db_upgrade_makes_an_index_where_a_url_names_none(folder, run):
    url = f"sqlite:///{folder / 'other.db'}"
    (folder / "other.db").touch()
    assert run("db", "current", "--cache", url).code == 1

    assert run("db", "upgrade", "--cache", url).out.startswith("upgraded from nothing to ")
    assert run("db", "current", "--cache", url).out.endswith("(newest)\n")


def test_a_cache_in_memory_has_nothing_to_upgrade(run):
    assert run("--cache", "memory://", "db", "current").code == 3


# --- the world around ---


def test_a_reader_that_has_seen_enough_is_no_error(folder, results):
    for n in range(10, 400):
        results.save(simulate(n))
    results.close()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*COMMAND, "--cache", "results", "ls", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (0, b"")


def test_text_that_the_terminal_cannot_show_comes_out_escaped(folder, results):
    results.save(simulate(1, name="日本 é"))
    done = in_process_of_its_own(
        "--cache", "results", "ls", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )

    assert done.returncode == 0, done.stderr
    assert r"\u65e5\u672c \xe9" in done.stdout


def test_the_module_can_be_run(folder):
    done = in_process_of_its_own("--cache", "results", "stats", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["functions"][0]["calls"] == 10


def test_the_exit_code_of_the_process_is_that_of_the_command(folder):
    assert in_process_of_its_own("--cache", "results", "show", "ffffffff").returncode == 1
    assert in_process_of_its_own("--cache", "missing", "ls").returncode == 3


def test_an_interrupt_is_quiet(look, monkeypatch):
    from fleche_like.cli import ls

    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(ls, "run", interrupt)
    assert look("ls") == (130, "", "")


def test_a_defect_has_a_code_of_its_own_and_a_traceback(look, monkeypatch):
    from fleche_like.cli import ls

    def fail(args):
        raise ZeroDivisionError("here")

    monkeypatch.setattr(ls, "run", fail)
    done = look("ls")
    assert done.code == 4
    assert "ZeroDivisionError: here" in done.err


def test_every_error_of_the_package_has_an_exit_code():
    assert any(issubclass(FlecheError, kind) for kind, _ in CODES)
    assert main.__module__ == "fleche_like.cli.main"


def test_a_folder_with_odd_characters_is_a_folder_like_any(folder, run):
    odd = Path("a b%20 é#?&'x")
    with open_cache(odd) as cache:
        cache.save(simulate(1))

    assert run("--cache", str(odd), "ls").code == 0
    assert run("--cache", str(odd), "db", "current").code == 0
