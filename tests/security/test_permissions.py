"""Who may read and write what is made, and whose files are believed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fleche_like as fl
from fleche_like.backends import LocalBackend
from fleche_like.config import load_settings, open_default_cache
from fleche_like.config.keyfiles import make_key_file, rotate_key_file
from fleche_like.errors import ConfigError
from fleche_like.support.ownership import planted_by
from tests.project.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
as_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root makes files of others"
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True, params=[0o022, 0o000], ids=["umask 022", "umask 000"])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_new_cache_is_its_owners_alone(tmp_path):
    with fl.open_cache(tmp_path / "c", inline_bytes=100) as cache:
        cache.save(fl.Call("f", {}, result=b"x" * 10_000))
        for path in (tmp_path / "c").rglob("*"):
            assert mode(path) & 0o077 == 0, path
    assert mode(tmp_path / "c") == 0o700


def test_a_new_root_and_a_new_database_are_their_owners_alone(tmp_path):
    LocalBackend(tmp_path / "root").put_bytes("a/b", b"c")
    fl.open_cache(f"sqlite:///{tmp_path / 'new' / 'calls.db'}").close()
    assert mode(tmp_path / "root") == mode(tmp_path / "new") == 0o700


def test_in_a_folder_for_everybody_each_file_is_its_owners(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    fl.open_cache(f"sqlite:///{shared / 'calls.db'}", values=shared).close()
    LocalBackend(shared).put_bytes("a/b", b"c")
    made = [path for path in shared.rglob("*") if path.name != "calls.db-shm"]
    assert made
    assert {mode(path) & 0o077 for path in made} == {0}


def test_key_files_are_their_owners_alone_and_never_overwritten(tmp_path):
    first = make_key_file(tmp_path / "keys")
    assert mode(tmp_path / "keys") == 0o600
    with pytest.raises(ConfigError, match="--rotate"):
        make_key_file(tmp_path / "keys")
    second = rotate_key_file(tmp_path / "keys")
    assert mode(tmp_path / "keys") == 0o600
    words = (tmp_path / "keys").read_text().split()
    assert [word.rstrip(",") for word in words if word.rstrip(",") in {first, second}] == [
        second,
        first,
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_file_that_is_no_key_file_is_not_rotated(tmp_path):
    path = tmp_path / "notes"
    path.write_text("nothing secret")
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        rotate_key_file(path)
    assert path.read_text() == "nothing secret"


# --- files that others could have planted ---


def test_what_everybody_may_write_is_not_trusted(tmp_path):
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o644)
    assert planted_by(file) is None
    file.chmod(0o666)
    assert "everybody" in (planted_by(file) or "")


@as_root
def test_what_somebody_else_put_where_everybody_may_is_not_trusted(tmp_path):
    file = tmp_path / "file"
    file.touch(0o644)
    file.chmod(0o644)
    os.chown(file, 65534, 65534)
    assert planted_by(file) is None  # in a folder that is ours: a colleague's
    tmp_path.chmod(0o1777)
    assert "somebody else" in (planted_by(file) or "")
    os.chown(file, 0, 0)
    assert planted_by(file) is None


def test_a_configuration_file_that_everybody_may_write_is_passed_over(tmp_path, caplog):
    path = tmp_path / "fleche-like.toml"
    path.write_text('[caches.evil]\npath = "x"')
    path.chmod(0o666)
    settings = load_settings(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "none")})
    assert settings.caches == {}
    assert settings.looked[0].state.startswith("passed over")
    assert str(path) in caplog.text


def test_a_default_cache_that_everybody_may_write_is_not_opened(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".fleche-like").mkdir()
    (tmp_path / ".fleche-like").chmod(0o777)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="not used"):
        open_default_cache()


@as_root
def test_a_folder_that_may_not_be_written_to_says_what_helps(tmp_path):
    """In a process of its own, which gives up its rights once everything is imported."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and not mode(parent) & 0o001:
            parent.chmod(mode(parent) | 0o011)
    program = f"""
import os
import fleche_like as fl
folder = {str(tmp_path / "c")!r}
with fl.open_cache(folder) as cache:
    key = cache.save(fl.Call("f", {{}}, result=[1]))
os.chmod(folder, 0o755); os.chmod(folder + "/index.db", 0o644)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for target in (folder, folder + "/new"):
    try:
        fl.open_cache(target)
    except fl.ReadOnlyError as error:
        print(error)
with fl.open_cache(folder, read_only=True) as cache:
    print(cache.lookup(key))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    first, second, third = done.stdout.splitlines()
    assert "read_only=True" in first
    assert "may not be opened by this user" in second
    assert third == "[1]"
