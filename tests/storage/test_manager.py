"""Storage managers: names, sharing, memory, fallback, description, many processes."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche_like
from fleche_like.backends import DatabaseBackend, LocalBackend, MemoryBackend, MirroredBackend
from fleche_like.errors import BackendUnavailable, EncodeError, KeyNotFound, NameTaken
from fleche_like.hashing import digest
from fleche_like.storage.layout import path
from fleche_like.storage.manager import (
    ResultStorage,
    StorageError,
    StorageManager,
    StorageType,
    create_database_storage,
    create_filesystem_storage,
    create_memory_storage,
    create_remote_storage,
    create_storage_manager,
)
from tests import servers

BIG = np.arange(500_000.0)
ODD = [
    "",
    "/",
    "..",
    "../../etc/passwd",
    "a//b",
    "C:\\x",
    "\0",
    "ä\u0301",
    "Ä",
    "\ud800",
    "%",
    "x" * 10**6,
]


class Unstable:
    """Has no digest, and pickles."""

    def __init__(self) -> None:
        self.lock_like: Any = object

    def __getstate__(self) -> dict[str, Any]:
        return {"me": 1}

    def __digest__(self) -> Any:
        raise TypeError("no digest today")


@pytest.fixture(params=["memory", "filesystem", "database"])
def storage(request, tmp_path):
    made = {
        "memory": create_memory_storage,
        "filesystem": lambda: create_filesystem_storage(tmp_path / "results"),
        "database": lambda: create_database_storage(f"sqlite:///{tmp_path}/results.db"),
    }[request.param]()
    yield made
    made.close()


def test_the_manager_is_exported_from_the_top():
    assert fleche_like.StorageManager is StorageManager
    assert fleche_like.StorageError is StorageError


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:12]))
def test_a_name_may_be_any_text(storage, name):
    storage.save_result(name, 1)
    storage.save_result(name + "'", 2)
    assert storage.load_result(name) == 1
    assert storage.list_results() == sorted([name, name + "'"])
    storage.rename_result(name, name + "!")
    assert storage.load_result(name + "!") == 1
    assert not storage.exists_result(name)
    storage.delete_result(name + "!")
    with pytest.raises(KeyError):
        storage.load_result(name + "!")


@pytest.mark.parametrize("name", [None, 3, b"bytes"])
def test_a_name_that_is_no_text_is_refused(storage, name):
    with pytest.raises(TypeError):
        storage.save_result(name, 1)


@pytest.mark.parametrize("value", [None, False, 0, [], {"a": BIG}, lambda: 3])
def test_a_result_may_be_anything(storage, value):
    storage.save_result("name", value)
    loaded = storage.load_result("name")
    if callable(value):
        assert loaded() == 3
    else:
        np.testing.assert_equal(loaded, value)


def test_a_result_without_a_digest_is_stored_all_the_same(storage):
    ring: list[Any] = [1]
    ring.append(ring)
    storage.save_result("ring", ring)
    storage.save_result("unstable", Unstable())
    loaded = storage.load_result("ring")
    assert loaded[1] is loaded
    assert isinstance(storage.load_result("unstable"), Unstable)


def test_what_cannot_be_pickled_changes_nothing(storage):
    storage.save_result("name", 1)
    for arguments in ((threading.Lock(), None), (1, {"lock": threading.Lock()})):
        with pytest.raises(EncodeError):
            storage.save_result("name", *arguments)
    assert storage.load_result("name") == 1


def test_a_missing_name_is_a_key_error(storage):
    manager = StorageManager(storage)
    for place in (storage, manager):
        for ask in (place.load_result, place.delete_result, place.load_metadata):
            with pytest.raises(KeyError):
                ask("missing")
        with pytest.raises(KeyError):
            place.rename_result("missing", "other")
    assert manager.get_result_storage_type("missing") is None


def test_metadata_comes_back_with_its_result(storage):
    manager = StorageManager(storage)
    manager.save_result("a", 1, {"when": 2, "array": BIG[:3]})
    manager.save_result("b", 1)
    assert list(manager.load_metadata("a") or {}) == ["when", "array"]
    assert manager.load_metadata("b") is None


def test_equal_results_are_stored_once_and_renaming_moves_none(tmp_path):
    storage = create_filesystem_storage(tmp_path)
    for number in range(20):
        storage.save_result(f"run {number}", BIG.copy())
    file = tmp_path / path("values/", digest(BIG))
    before = file.stat()
    storage.rename_result("run 0", "first")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    size = sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
    assert BIG.nbytes < size < BIG.nbytes + 20 * 1024


def test_renaming_onto_a_name_in_either_storage_is_refused(two):
    two.save_result("a", 1)
    two.primary.save_result("b", 2)
    two.secondary.save_result("c", 3)
    for taken in ("a", "b", "c"):
        with pytest.raises(NameTaken) as caught:
            two.rename_result("a", taken)
        assert isinstance(caught.value, (ValueError, FileExistsError))
    assert two.load_result("a") == 1
    two.delete_result("b")
    two.rename_result("a", "b")
    assert two.list_results() == ["b"]
    assert two.list_results(from_backend="secondary") == ["b", "c"]


def test_many_threads_rename_onto_one_name_and_lose_nothing(storage, monkeypatch):
    names = [f"run {number}" for number in range(8)]
    for name in names:
        storage.save_result(name, name)
    refused = []
    barrier = threading.Barrier(8)
    put = storage.backend.put_bytes

    def put_slowly(key: str, data: bytes) -> None:
        time.sleep(0.005)  # for the others to look in between
        put(key, data)

    monkeypatch.setattr(storage.backend, "put_bytes", put_slowly)

    def rename(name: str) -> None:
        barrier.wait()
        try:
            storage.rename_result(name, "best")
        except NameTaken:
            refused.append(name)

    threads = [threading.Thread(target=rename, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert storage.list_results() == sorted(["best", *refused])
    assert {storage.load_result(name) for name in storage.list_results()} == set(names)


class TestMemory:
    """One bounded memory tier of bytes."""

    def test_a_load_shares_nothing_with_another(self, storage):
        manager = StorageManager(storage)
        saved = {"a": [1]}
        manager.save_result("name", saved)
        saved["a"].append(2)
        first = manager.load_result("name")
        first["a"].append(3)
        assert manager.load_result("name") == {"a": [1]}

    def test_it_holds_what_was_saved_and_loaded_up_to_its_bound(self, tmp_path):
        manager = StorageManager(create_filesystem_storage(tmp_path), cache_size_mb=1.0)
        for number in range(20):
            manager.save_result(f"{number:02}", np.full(12_500, float(number)))
        cached = manager.list_results(from_backend="cache")
        assert "19" in cached
        assert len(cached) == 10
        assert manager.get_storage_info()["cache"]["bytes"] <= 2**20
        manager.clear_cache()
        assert manager.get_storage_info()["cache"]["bytes"] == 0
        manager.load_result("03")
        assert manager.list_results(from_backend="cache") == ["03"]

    def test_bytes_come_from_memory_and_only_if_wanted(self, tmp_path):
        manager = StorageManager(create_filesystem_storage(tmp_path))
        manager.save_result("name", [1])
        (tmp_path / path("values/", digest([1]))).unlink()
        assert manager.load_result("name") == [1]
        with pytest.raises(KeyError):
            manager.load_result("name", use_cache=False)

    @pytest.mark.parametrize("options", [{"use_cache": False}, {"cache_size_mb": 0}])
    def test_it_can_be_off(self, tmp_path, options):
        manager = StorageManager(create_filesystem_storage(tmp_path), **options)
        manager.save_result("name", 1)
        manager.load_result("name")
        assert manager.list_results(from_backend="cache") == []
        with pytest.raises(KeyError):
            manager.migrate_result("name", "cache", "primary")

    def test_what_another_process_saves_is_seen_at_once(self, tmp_path):
        mine, other = (StorageManager(create_filesystem_storage(tmp_path)) for _ in range(2))
        mine.save_result("name", 1)
        mine.load_result("name")
        other.save_result("name", 2)
        assert mine.load_result("name") == 2
        other.delete_result("name")
        with pytest.raises(KeyError):
            mine.load_result("name")

    def test_results_move_into_it_and_out_of_it(self, two):
        two.save_result("name", [1], replicate=False)
        two.clear_cache()
        two.migrate_result("name", "primary", "cache")
        assert two.list_results(from_backend="cache") == ["name"]
        two.migrate_result("name", "cache", "secondary")
        assert two.list_results(from_backend="secondary") == ["name"]


class Failing(MemoryBackend):
    """Memory that can be switched off."""

    down = False

    def _check(self) -> None:
        if self.down:
            raise BackendUnavailable("down", key="", url=self.url)

    def get_bytes(self, key):
        self._check()
        return super().get_bytes(key)

    def put_bytes(self, key, data):
        self._check()
        super().put_bytes(key, data)

    def exists(self, key):
        self._check()
        return super().exists(key)


class TestFallback:
    """The secondary gives what the primary cannot."""

    def test_a_primary_that_is_down_is_answered_for(self):
        primary = Failing()
        manager = StorageManager(primary, Failing(), use_cache=False)
        manager.save_result("name", [1])
        primary.down = True
        assert manager.load_result("name") == [1]
        with pytest.raises(BackendUnavailable):
            manager.load_result("missing")
        with pytest.raises(BackendUnavailable):
            manager.save_result("other", 1)

    def test_a_secondary_that_is_down_leaves_the_result_in_the_primary(self):
        secondary = Failing()
        manager = StorageManager(Failing(), secondary, use_cache=False)
        secondary.down = True
        manager.primary.save_result("there", 0)
        assert manager.load_result("there") == 0
        with pytest.raises(BackendUnavailable):
            manager.save_result("name", 1)
        secondary.down = False
        assert manager.sync_backends("bidirectional")["primary_to_secondary"] == 2

    @pytest.mark.parametrize("harm", ["damage", "loss", "part"])
    def test_lost_and_damaged_bytes_are_repaired(self, tmp_path, harm):
        manager = StorageManager(
            create_filesystem_storage(tmp_path / "a"),
            create_filesystem_storage(tmp_path / "b"),
            use_cache=False,
        )
        value = [BIG, "text"]
        manager.save_result("name", value)
        key = digest(BIG) if harm == "part" else digest(value)
        file = tmp_path / "a" / path("values/", key)
        if harm == "damage":
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)
        else:
            file.unlink()
        np.testing.assert_equal(manager.load_result("name"), value)
        np.testing.assert_equal(manager.primary.load_result("name"), value)

    def test_an_older_copy_does_not_stand_in_for_a_lost_result(self, two):
        two.save_result("name", "old")
        two.save_result("name", "new", replicate=False)
        two.clear_cache()
        two.primary.values.evict(digest("new"))
        with pytest.raises(KeyError):
            two.load_result("name")

    def test_what_was_deleted_in_the_primary_alone_is_not_put_back(self, two):
        two.save_result("name", 1)
        two.delete_result("name", from_all=False)
        assert two.load_result("name") == 1
        assert two.list_results() == []

    def test_mirrored_backends_serve_as_one_place(self, tmp_path):
        halves = [LocalBackend(tmp_path / name) for name in "ab"]
        manager = StorageManager(MirroredBackend(*halves), use_cache=False)
        manager.save_result("name", [1])
        for file in (tmp_path / "a").rglob("*"):
            if file.is_file():
                file.unlink()
        assert manager.load_result("name") == [1]
        with pytest.raises(StorageError):
            manager.to_dict()


class TestDescription:
    """``to_dict`` and ``from_dict``."""

    def test_a_manager_is_made_again_from_its_description(self, tmp_path):
        with create_storage_manager(
            "filesystem",
            {"base_path": tmp_path / "a", "durability": "power", "destructure_bytes": 1000},
            "database",
            {"connection_string": f"sqlite:///{tmp_path}/b.db"},
            use_cache=False,
            cache_size_mb=None,
        ) as manager:
            manager.save_result("name", [1])
            description = manager.to_dict()
        again = StorageManager.from_dict(json.loads(json.dumps(description)))
        assert again.to_dict() == description
        assert isinstance(again.primary.backend, LocalBackend)
        assert again.primary.backend.durability == "power"
        assert again.secondary is not None
        assert again.primary.values.destructure_bytes == 1000
        assert again.load_result("name") == again.secondary.load_result("name") == [1]
        again.close()

    def test_raw_backends_are_described_too(self, tmp_path):
        for backend in (
            LocalBackend(tmp_path / "a"),
            MemoryBackend(),
            DatabaseBackend(f"sqlite:///{tmp_path}/b.db"),
        ):
            manager = StorageManager(backend)
            manager.save_result("name", 1)
            with StorageManager.from_dict(manager.to_dict()) as again:
                assert again.exists_result("name") is not isinstance(backend, MemoryBackend)
            manager.close()

    def test_secrets_stay_where_they_are(self, tmp_path):
        url = f"sqlite:///{tmp_path}/b.db?password=hunter2&timeout=5"
        manager = StorageManager(ResultStorage(MemoryBackend()))
        with pytest.raises(StorageError):
            manager.to_dict()
        with pytest.raises(StorageError) as caught:
            create_database_storage(url)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "data", [{}, {"primary": None}, {"primary": {"type": "tape"}}, {"primary": {"config": {}}}]
    )
    def test_what_describes_nothing_is_refused(self, data):
        with pytest.raises(StorageError):
            StorageManager.from_dict(data)


class TestFactories:
    def test_each_says_what_it_made(self, storage):
        assert StorageManager(storage).get_storage_info()["primary"]["type"] == storage.storage_type
        storage.save_result("name", 1)
        assert StorageManager(storage).get_result_storage_type("name") is storage.storage_type
        assert isinstance(storage.storage_type, StorageType)

    @pytest.mark.parametrize("url", ["oracle://host/x", "nosuch://x", "no url"])
    def test_a_database_without_a_driver_is_a_storage_error(self, url):
        with pytest.raises(StorageError):
            create_database_storage(url)
        with pytest.raises(StorageError):
            create_storage_manager("database", {"connection_string": url})

    @pytest.mark.parametrize(
        ("kind", "config"),
        [("tape", None), ("filesystem", None), ("memory", {"colour": "red"}), ("remote", None)],
    )
    def test_a_kind_or_config_that_is_none_is_a_storage_error(self, kind, config):
        with pytest.raises(StorageError):
            create_storage_manager(kind, config)

    def test_what_is_no_place_is_refused(self):
        with pytest.raises(StorageError):
            StorageManager("results")  # type: ignore[arg-type]


@pytest.mark.parametrize("storage", ["filesystem", "database"], indirect=True)
def test_managers_and_storages_travel_to_other_processes(storage):
    manager = StorageManager(storage)
    manager.save_result("name", 1)
    again = pickle.loads(pickle.dumps(manager))
    assert again.load_result("name") == 1
    again.close()


def _save_often(kind: str, place: str, number: int) -> None:
    with create_storage_manager(kind, _config(kind, place)) as manager:
        for turn in range(15):
            manager.save_result("shared", [number] * 1000)
            assert len(set(manager.load_result("shared"))) == 1
            manager.save_result(f"{number}-{turn}", turn)
        manager.save_result(f"mine {number}", number)
        try:
            manager.rename_result(f"mine {number}", "best")
        except NameTaken:
            assert manager.load_result(f"mine {number}") == number


def _config(kind: str, place: str) -> dict[str, str]:
    if kind == "filesystem":
        return {"base_path": place}
    return {"connection_string": f"sqlite:///{place}.db"}


@pytest.mark.parametrize("kind", ["filesystem", "database"])
def test_many_processes_save_and_rename_under_one_name(tmp_path, kind):
    place = str(tmp_path / "results")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_save_often, args=(kind, place, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 3
    with create_storage_manager(kind, _config(kind, place)) as manager:
        names = manager.list_results()
        kept = [name for name in names if name.startswith("mine")]
        assert len(kept) == 2
        found = {manager.load_result(name) for name in ["best", *kept]}
        assert found == set(range(3))
        assert len(names) == 3 * 15 + 2 + 2
        assert len(set(manager.load_result("shared"))) == 1


@servers.needs_s3
def test_results_on_s3_are_found_again_from_a_description(monkeypatch):
    options = servers.s3_options()
    storage = create_remote_storage(f"s3://{servers.s3_bucket()}/results", **options)
    with StorageManager(storage) as manager:
        manager.save_result("ä/b", [BIG, 1])
        manager.rename_result("ä/b", "new")
        with pytest.raises(NameTaken):
            manager.rename_result("new", "new")
        assert storage.storage_type is StorageType.REMOTE
        text = json.dumps(manager.to_dict())
    assert "test-secret" not in text
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret"])
    with StorageManager.from_dict(json.loads(text)) as again:
        assert again.list_results() == ["new"]
        np.testing.assert_equal(again.load_result("new"), [BIG, 1])


@servers.needs_s3
def test_of_two_who_rename_on_s3_one_is_refused(monkeypatch):
    where = f"s3://{servers.s3_bucket()}/renames"
    storage, other = (create_remote_storage(where, **servers.s3_options()) for _ in range(2))
    storage.save_result("a", 1)
    storage.save_result("b", 2)
    original = type(storage.names)._replace

    def overtaken(self: Any, old: Any, new: Any) -> bool:
        monkeypatch.undo()
        other.rename_result("b", "best")
        return original(self, old, new)

    monkeypatch.setattr(type(storage.names), "_replace", overtaken)
    with pytest.raises(NameTaken):
        storage.rename_result("a", "best")
    assert (storage.load_result("best"), storage.load_result("a")) == (2, 1)
    storage.close()
    other.close()


@servers.needs_postgresql
def test_a_password_is_left_to_the_environment():
    url = servers.postgresql_url()
    with_password = url.replace("postgres@", "postgres:hunter2@").replace(
        "//postgres:@", "//postgres:hunter2@"
    )
    with StorageManager(create_database_storage(with_password)) as manager:
        manager.save_result("name", 1)
        manager.rename_result("name", "new")
        text = json.dumps(manager.to_dict()) + repr(manager)
        assert "hunter2" not in text
        with StorageManager.from_dict(manager.to_dict()) as again:
            assert again.load_result("new") == 1


def test_a_folder_has_names_values_and_a_file_of_locks(tmp_path: Path):
    storage = create_filesystem_storage(tmp_path)
    storage.save_result("name", 1)
    assert {each.name for each in tmp_path.iterdir()} == {"names", "values", "locks-names"}
    with pytest.raises(KeyNotFound, match="missing"):
        storage.load_result("missing")
