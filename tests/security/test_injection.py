"""Text from outside is data: in SQL, in paths, in patterns, on the command line, everywhere."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fleche_like as fl
from fleche_like.backends import DatabaseBackend, LocalBackend, LocalStorage, MemoryBackend
from fleche_like.cache import Cache
from fleche_like.calls import count
from fleche_like.cli import main
from fleche_like.cli.exits import Exit
from fleche_like.errors import ConfigError, FlecheError
from fleche_like.storage.manager import (
    StorageManager,
    create_database_storage,
    create_filesystem_storage,
    create_memory_storage,
)

HOSTILE = (
    "'; DROP TABLE calls; --",
    "'); DELETE FROM calls; --",
    '" OR 1=1 --',
    "x' OR '1'='1",
    "x') OR 1=1) --",
    "1 UNION SELECT record FROM calls",
    "%",
    "_",
    "____",
    "\\",
    "ab%",
    "*",
    "[a-z]",
    "?",
    ":name",
    "%(name)s",
    "{0.__class__.__init__.__globals__}",
    "../../PWNED",
    "..",
    ".",
    "/etc/passwd",
    "C:\\PWNED",
    "..\\PWNED",
    "a/../../PWNED",
    "a\0b",
    "$(touch PWNED)",
    "`touch PWNED`",
    "; touch PWNED",
    "__import__('os').system('touch PWNED')",
    "[c for c in ().__class__.__base__.__subclasses__()]",
    "\x1b]0;PWNED\x07",
    "\ud800",
    "a\nb",
    "",
    "é" * 300,
)
each = pytest.mark.parametrize("text", HOSTILE, ids=ascii)


class House:
    """A cache with a few calls, and everything around it that must stay as it is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "inside" / "cache"
        (root / "inside").mkdir()
        (root / "secret.txt").write_text("secret")
        with fl.open_cache(self.folder) as cache:
            for x in range(5):
                metadata = {"tag": f"t{x}", "runtime": {"walltime": float(x)}}
                call = fl.Call("f", {"x": x, "y": [x]}, "lab", result=[x], metadata=metadata)
                cache.save(call)
        self.before = self._state()

    def _state(self) -> Any:
        connection = sqlite3.connect(self.folder / "index.db")
        try:
            schema = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY 1").fetchall()
            records = connection.execute("SELECT record FROM calls ORDER BY id").fetchall()[:5]
        finally:
            connection.close()
        around = sorted(str(p) for p in self.root.rglob("*") if self.folder not in p.parents)
        return schema, records, around

    def is_untouched(self) -> bool:
        return self._state() == self.before and not Path("PWNED").exists()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    before = Path.cwd()
    os.chdir(house.root / "inside")
    yield house
    os.chdir(before)


@pytest.fixture(scope="module")
def cache(house: House) -> Iterator[Cache]:
    with fl.open_cache(house.folder) as cache:
        yield cache


@pytest.fixture(autouse=True)
def house_stands(house: House) -> Iterator[None]:
    yield
    assert house.is_untouched()


# --- what is stored is what comes back ---

STORED: dict[str, Callable[[str], fl.Call]] = {
    "name": lambda text: fl.Call(text, {"z": 1}, "injected", result=1),
    "module": lambda text: fl.Call("g", {"z": 1}, f"injected {text}", result=1),
    "version": lambda text: fl.Call("h", {"z": 1}, "injected", version=text, result=1),
    "argument's name": lambda text: fl.Call("i", {f"z{text}": 1}, "injected", result=1),
    "argument": lambda text: fl.Call("j", {"z": text}, "injected", result=1),
    "argument inside": lambda text: fl.Call("k", {"z": {text: [text]}}, "injected", result=1),
    "metadata's name": lambda text: fl.Call(
        "l", {"z": 1}, "injected", result=1, metadata={f"m{text}": 1}
    ),
    "metadata": lambda text: fl.Call("m", {"z": 1}, "injected", result=1, metadata={"m": text}),
    "result": lambda text: fl.Call("n", {"z": 1}, "injected", result=text),
}


@pytest.mark.parametrize("part", STORED)
def test_whatever_is_in_a_call_comes_back_and_is_found_by_nothing_else(
    cache: Cache, part: str
) -> None:
    keys = {}
    for text in HOSTILE:
        keys[text] = cache.save(STORED[part](text))
    for text, key in keys.items():
        call = STORED[part](text)
        digested = call.digested()
        assert cache.load(key).digested.name == call.name
        assert cache.load(key).fetch().arguments == call.arguments
        if part not in ("metadata", "metadata's name", "result"):
            found = {c.key for c in cache.query(
                name=call.name, module=call.module, version=call.version,
                arguments=dict(digested.arguments),
            )}  # fmt: skip
            assert found == {key} or (part == "version" and not text)
    for key in dict.fromkeys(keys.values()):
        cache.evict(key)


# --- what is asked for is a name, not a statement ---

ASKED: dict[str, Callable[[Cache, str], Any]] = {
    "query name": lambda cache, text: list(cache.query(name=text)),
    "query module": lambda cache, text: list(cache.query(module=text)),
    "query version": lambda cache, text: list(cache.query(version=text)),
    "query code": lambda cache, text: list(cache.query(code=text)),
    "query argument's name": lambda cache, text: list(cache.query(arguments={text: 1})),
    "query argument": lambda cache, text: list(cache.query(arguments={"x": text})),
    "query metadata's name": lambda cache, text: list(cache.query(metadata={text: 1})),
    "query metadata": lambda cache, text: list(cache.query(metadata={"tag": text})),
    "query result": lambda cache, text: list(cache.query(result=text)),
    "where keyword": lambda cache, text: list(cache.query().where(**{text: 1})),
    "where name": lambda cache, text: list(cache.query().where(fl.arg(text) > 0)),
    "where text": lambda cache, text: list(cache.query().where(fl.arg("x") == text)),
    "where metadata": lambda cache, text: list(cache.query().where(fl.meta(text) == "x")),
    "where metadata text": lambda cache, text: list(cache.query().where(fl.meta("tag") == text)),
    "where begins": lambda cache, text: list(
        cache.query().where(fl.meta("tag").startswith(f"{text}t"))
    ),
    "where path": lambda cache, text: list(cache.query().where(fl.arg("y")[text] == 1)),
    "count": lambda cache, text: range(cache.query(name=text).count()),
    "figures": lambda cache, text: [None] * cache.figures(text, text)[0],
    "codes": lambda cache, text: cache.codes(text, text, text),
    "manifest": lambda cache, text: cache.manifest(text),
}


@pytest.mark.parametrize("way", ASKED)
def test_hostile_questions_find_nothing(cache: Cache, way: str) -> None:
    for text in HOSTILE:
        try:
            found = ASKED[way](cache, text)
        except (KeyError, ValueError):  # refused in so many words
            continue
        assert not found or (way == "where begins" and not text), text


ORDERED: dict[str, Callable[[Cache, str], Any]] = {
    "order_by": lambda cache, text: list(cache.query(name="f").order_by(text)),
    "order_by field": lambda cache, text: list(cache.query(name="f").order_by(fl.arg(text))),
    "sorted": lambda cache, text: list(cache.query(name="f").sorted(text)),
    "group_by": lambda cache, text: list(cache.query(name="f").group_by(text).agg(n=count())),
    "aggregate": lambda cache, text: cache.query(name="f").agg(n=fl.arg(text).mean()),
    "aggregate's name": lambda cache, text: cache.query(name="f").agg(**{text: count()}),
    "table arguments": lambda cache, text: cache.query(name="f").table([text], library=None),
    "table metadata": lambda cache, text: cache.query(name="f").table(
        metadata=[text], library=None
    ),
    "table library": lambda cache, text: cache.query(name="f").table(library=text),
    "unique": lambda cache, text: list(cache.query(name="f").unique(text)),
}


@pytest.mark.parametrize("way", ORDERED)
def test_hostile_columns_are_columns_that_are_not_there(cache: Cache, way: str) -> None:
    for text in HOSTILE:
        try:
            found = ORDERED[way](cache, text)
        except (KeyError, ValueError):
            continue
        assert len(found) <= 5


KEYED: dict[str, Callable[[Cache, str], Any]] = {
    "contains": lambda cache, text: cache.contains(text),
    "load": lambda cache, text: cache.load(text),
    "load_value": lambda cache, text: cache.load_value(text),
    "expand": lambda cache, text: cache.expand(text),
    "shrink": lambda cache, text: cache.shrink(text, text),
    "evict": lambda cache, text: cache.evict(text),
    "evict value": lambda cache, text: cache.values.evict(text),
    "value contains": lambda cache, text: cache.values.contains(text),
    "save value": lambda cache, text: cache.values.save(1, fl.Digest(text)),
    "lineage": lambda cache, text: cache.lineage(text),
}


@pytest.mark.parametrize("way", KEYED)
def test_what_is_no_digest_is_no_key(cache: Cache, way: str) -> None:
    for text in (*HOSTILE, "3f9a%", "3f9_", "'" * 4, "3f9a/..", "٣f9a", "3F9A' --", " 3f9a"):
        with pytest.raises((KeyError, ValueError)):
            KEYED[way](cache, text)


# --- byte backends ---


@pytest.fixture(params=["local", "database", "memory"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    root = tmp_path / "root"
    made: Any = {
        "local": lambda: LocalBackend(root),
        "database": lambda: DatabaseBackend(f"sqlite:///{tmp_path / 'blobs.db'}"),
        "memory": MemoryBackend,
    }[request.param]()
    made.put_bytes("mine", b"mine")
    yield made
    made.close()


@each
def test_a_key_stays_in_its_backend(backend: Any, tmp_path: Path, text: str) -> None:
    try:
        backend.put_bytes(text, b"x")
    except (FlecheError, OSError, ValueError):
        assert list(backend.list_prefix("", recursive=True)) == ["mine"]
    else:
        assert backend.get_bytes(text) == b"x"
        backend.delete(text)
    for method in (backend.get_bytes, backend.exists, backend.delete_prefix):
        try:
            method(text)
        except (FlecheError, OSError, ValueError):
            continue
    inside = {"root", "blobs.db", "blobs.db-wal", "blobs.db-shm"}
    assert {path.name for path in tmp_path.iterdir()} <= inside
    # "" and "." are the root itself, which may well be emptied by its name.
    if text.strip("./"):
        assert backend.get_bytes("mine") == b"mine"


@each
def test_a_path_of_a_storage_stays_in_its_root(tmp_path: Path, text: str) -> None:
    with LocalStorage(tmp_path / "root") as storage:
        storage.write("mine", b"mine")
        for use in (storage.read, storage.remove, lambda path: storage.append(path, b"x")):
            try:
                use(text)
            except (FlecheError, OSError, ValueError):
                continue
    assert {path.name for path in tmp_path.iterdir()} == {"root"}


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    backend = LocalBackend(tmp_path / "root")
    backend.put_bytes("mine", b"mine")
    (tmp_path / "root" / "link").symlink_to(outside)
    (tmp_path / "root" / "file").symlink_to(outside / "secret")
    for key in ("link/secret", "file"):
        for use in (backend.get_bytes, lambda key: backend.put_bytes(key, b"x")):
            try:
                found = use(key)
            except (FlecheError, OSError):
                continue
            assert found != b"secret"
    assert (outside / "secret").read_bytes() == b"secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]


# --- names of results ---


@pytest.mark.parametrize("kind", ["filesystem", "database", "memory"])
def test_any_text_is_a_name_of_a_result_and_nothing_else(tmp_path: Path, kind: str) -> None:
    place = {
        "filesystem": lambda: create_filesystem_storage(tmp_path / "root"),
        "database": lambda: create_database_storage(f"sqlite:///{tmp_path / 'results.db'}"),
        "memory": create_memory_storage,
    }[kind]
    with StorageManager(place(), use_cache=False) as manager:
        for number, text in enumerate(HOSTILE):
            manager.save_result(text, number, metadata={text: text})
        assert sorted(manager.list_results()) == sorted(HOSTILE)
        for number, text in enumerate(HOSTILE):
            assert manager.load_result(text) == number
            assert manager.load_metadata(text) == {text: text}
            assert text in manager.list_results(prefix=text)
        for text in HOSTILE:
            manager.rename_result(text, f"new {text}")
            manager.delete_result(f"new {text}")
        assert manager.list_results() == []
    made = {"root", "results.db", "results.db-wal", "results.db-shm", "locks-results.db-names"}
    assert {path.name for path in tmp_path.iterdir()} <= made


# --- names of caches, and the command line ---


@each
def test_a_name_of_the_configuration_is_no_path(text: str) -> None:
    with pytest.raises(ConfigError):
        fl.open_cache(f"@{text}")


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "show": lambda text: ["show", "--", text],
    "query": lambda text: ["query", "--", text],
    "where": lambda text: ["query", f"--where={text}"],
    "where text": lambda text: ["query", "--where", f"x == {text!r}"],
    "where name": lambda text: ["query", "--where", f"arg.{text} > 0"],
    "arg": lambda text: ["query", f"--arg={text}=1"],
    "arg text": lambda text: ["query", f"--arg=x={text}"],
    "order": lambda text: ["query", f"--order={text}"],
    "lineage": lambda text: ["lineage", "--", text],
    "limit": lambda text: ["ls", f"--limit={text}"],
    "transfer": lambda text: ["transfer", "--dry-run", "absent/to", "--", text],
    "export": lambda text: ["export", "--dry-run", "archive", "--", text],
    "import": lambda text: ["import", "--dry-run", f"absent/{text.strip('./')}"],
    "rekey": lambda text: ["rekey", "--dry-run", f"--name={text}", "--to=g"],
    "rekey to": lambda text: ["rekey", "--dry-run", "--name=nosuch", f"--to={text}"],
    "keygen": lambda text: ["keygen", "--ids", f"absent/{text.strip('./')}"],
    "revision": lambda text: ["db", "upgrade", text],
    "cache": lambda text: [f"--cache=absent/{text.strip('./')}", "ls"],
    "named cache": lambda text: [f"--cache=@{text}", "ls"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_words_are_no_defect_of_the_command_line(
    house: House, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Each of these opens the cache anew; and no system hands over a NUL.
    for text in [text for text in HOSTILE[::2] if "\0" not in text]:
        words = COMMANDS[command](text)
        try:
            code = main(["--cache", str(house.folder), *words])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        shown = capsys.readouterr()
        assert code != Exit.FAILED, (text, shown.err)
        assert "\x1b" not in shown.out + shown.err
        assert "\x07" not in shown.out + shown.err
