"""Input files as arguments: what counts is what they hold."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Annotated, Any

import pytest

import fleche_like as fl
from fleche_like.errors import Indigestible
from fleche_like.memo import files


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("one")
    return path


@pytest.fixture
def reads(monkeypatch):
    """The paths whose contents were read."""
    seen = []
    read = files._read_anew

    def noted(path):
        seen.append(path)
        return read(path)

    monkeypatch.setattr(files, "_read_anew", noted)
    files._known.clear()
    return seen


def age(path, seconds=10.0):
    """Make a file look unchanged for a while, as far as a program can: not its change time."""
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


def settle(monkeypatch, seconds=3.0):
    """Let reading begin a while after the last change."""
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + int(seconds * 1e9))


def length_of(file):
    with open(file) as opened:
        return len(opened.read())


def counted(function=length_of):
    runs = []

    @fl.memoize(code="none")
    def f(file):
        runs.append(file)
        return function(file)

    return f, runs


def test_it_stands_for_its_path(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    for file in fl.File(data), fl.File(str(data)), fl.File("data.txt"), fl.File(fl.File(data)):
        assert os.fspath(file) == str(data)
        assert Path(file).read_text() == "one"
        assert file == fl.File(data)
        assert hash(file) == hash(fl.File(data))
        assert pickle.loads(pickle.dumps(file)) == file
    assert repr(fl.File("/a")) == "File('/a')"
    with pytest.raises(TypeError):
        fl.File(3)  # type: ignore[arg-type]


def test_what_counts_is_the_content(cache, data, tmp_path):
    f, runs = counted()
    copy = tmp_path / "copy.bin"
    copy.write_text("one")
    assert f(fl.File(data)) == f(fl.File(copy)) == 3
    assert len(runs) == 1
    data.write_text("other")
    assert f(fl.File(data)) == 5
    data.write_text("one")
    assert f(fl.File(data)) == 3
    assert len(runs) == 2


def test_a_file_is_neither_its_path_nor_its_content(data):
    assert len({fl.digest(each) for each in (fl.File(data), str(data), data, "one", b"one")}) == 5


@pytest.mark.parametrize(
    "nested",
    [
        lambda file: [file],
        lambda file: {"a": (1, file)},
        lambda file: ({"x": [file, file]},),
    ],
)
def test_it_counts_inside_containers(cache, data, nested):
    f, runs = counted(str)
    f(nested(fl.File(data)))
    f(nested(fl.File(data)))
    assert len(runs) == 1
    data.write_text("changed")
    f(nested(fl.File(data)))
    assert len(runs) == 2


def test_a_change_that_keeps_size_and_time_is_noticed(cache, data):
    """Git's racy entry: written, digested and written again within the resolution of the clock."""
    f, _ = counted(lambda file: Path(file).read_text())
    status = data.stat()
    for number in range(20):
        data.write_text(f"{number:03d}")
        os.utime(data, ns=(status.st_mtime_ns, status.st_mtime_ns))
        assert f(fl.File(data)) == f"{number:03d}"


def test_a_settled_file_is_read_once(data, reads, monkeypatch):
    fl.digest(fl.File(data))
    fl.digest(fl.File(data))
    assert len(reads) == 2  # so new that its times may not tell
    settle(monkeypatch)
    for _ in range(5):
        fl.digest(fl.File(data))
    assert len(reads) == 3
    age(data)
    fl.digest(fl.File(data))
    assert len(reads) == 4


def test_a_file_from_the_future_is_never_taken_for_granted(data, reads):
    age(data, -1000)
    for _ in range(3):
        fl.digest(fl.File(data))
    assert len(reads) == 3


def test_a_file_replaced_by_another_is_noticed(data, reads, monkeypatch):
    settle(monkeypatch)
    before = fl.digest(fl.File(data))
    other = data.with_name("other")
    other.write_text("two")
    status = data.stat()
    os.utime(other, ns=(status.st_mtime_ns, status.st_mtime_ns))
    other.replace(data)
    assert fl.digest(fl.File(data)) != before


def test_a_call_during_which_its_file_changes_is_not_stored(cache, data):
    @fl.memoize(code="none")
    def f(file):
        text = Path(file).read_text()
        Path(file).write_text(text + "!")
        return text

    assert f(fl.File(data)) == "one"
    assert f.stats().uncached == 1
    data.write_text("one")
    assert not f.contains(fl.File(data))


def test_a_missing_file_is_the_bodys_problem(cache, tmp_path):
    f, runs = counted()
    missing = fl.File(tmp_path / "missing")
    with pytest.raises(FileNotFoundError), pytest.warns(fl.NotCachedWarning):
        f(missing)
    assert len(runs) == 1
    with pytest.raises(Indigestible, match="missing cannot be read"):
        f.key(missing)


def test_folders_and_pipes_are_refused_without_waiting(tmp_path):
    with pytest.raises((IsADirectoryError, Indigestible)):
        fl.digest(fl.File(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Indigestible, match="regular"):
        fl.digest(fl.File(tmp_path / "pipe"))
    with pytest.raises(Indigestible, match="regular"):
        fl.digest(fl.File("/dev/zero"))


def test_annotated_parameters_take_paths(cache, data):
    runs: list[Any] = []

    @fl.memoize(code="none")
    def f(
        one: fl.File,
        two: Annotated[str, fl.File] = "",
        *,
        more: list[Annotated[Path, fl.File]] | None = None,
        name: str = "",
    ) -> object:
        runs.append((one, two, more))
        return len(runs)

    path = str(data)
    first = f(path, path, more=[data])  # type: ignore[arg-type]
    assert runs == [(path, path, [data])]  # the body gets what was passed
    assert f(fl.File(data), path, more=[data]) == first
    assert f.contains(data, path, more=[data])
    assert f.query(data, path).count() == 1
    for _ in range(3):
        assert f(path, path, more=[data]) == 1  # type: ignore[arg-type]
    data.write_text("changed")
    for _ in range(3):
        assert f(path, path, more=[data]) == 2  # type: ignore[arg-type]
    assert f(fl.File(data), path, more=[data], name=path) == 3
    assert len(runs) == 3


def test_a_plain_path_is_looked_at_on_every_call(cache, data):
    @fl.memoize(code="none")
    def f(path: Annotated[str, fl.File]) -> str:
        return Path(path).read_text()

    for text in "one", "two", "three":
        data.write_text(text)
        assert [f(str(data)) for _ in range(4)] == [text] * 4


def test_annotations_that_are_objects_count_too():
    def f(file):
        return length_of(file)

    f.__annotations__ = {"file": dict[str, Annotated[str, fl.File]], "return": fl.File}
    assert files.file_parameters(f) == {"file"}
    assert files.file_parameters(len) == frozenset()


def test_a_stored_argument_is_the_file(cache, data):
    f, _ = counted()
    f(fl.File(data))
    assert f.query().one().arguments["file"] == fl.File(data)


def test_a_large_file_is_read_in_pieces(tmp_path):
    path = tmp_path / "large"
    block = os.urandom(1_000_003)
    path.write_bytes(block * 5)
    copy = tmp_path / "copy"
    copy.write_bytes(block * 5)
    assert fl.digest(fl.File(path)) == fl.digest(fl.File(copy))
    with copy.open("r+b") as opened:
        opened.seek(4_999_999)
        opened.write(b"\0" if block[-16:-15] != b"\0" else b"\1")
    assert fl.digest(fl.File(path)) != fl.digest(fl.File(copy))
