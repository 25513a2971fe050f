from __future__ import annotations

from importlib import import_module

import pytest

import fleche_like
from fleche_like import errors

PROMISED = {
    "fleche_like": """memoize open_cache set_cache use_cache current_cache Cache CacheStack
        CachePool digest Digest DIGEST_LENGTH register_digest Indigestible Call DigestedCall
        LazyCall QueryCall Ignored Required arg meta result File wrap_executor StorageManager""",
    "fleche_like.backends": """ByteBackend Storage AsyncStorage StorageStat LocalBackend
        MemoryBackend FsspecBackend DatabaseBackend TieredBackend MirroredBackend LocalStorage
        MemoryStorage FsspecStorage DatabaseStorage connect""",
    "fleche_like.codecs": "Codec register_codec PickleCodec SafeCodec",
    "fleche_like.storage": """SaveError AmbiguousDigestError Intent OperationContext KeyManagement
        StorageBackend ValueStorage ValueMixin CallStorage CallMixin SerializingMixin
        PerKeyLockMixin ReadWriteLockMixin InterProcessLockMixin
        BackendValueStorage BackendCallStorage""",
    "fleche_like.storage.manager": """StorageManager StorageType StorageError create_memory_storage
        create_filesystem_storage create_database_storage create_storage_manager""",
    "fleche_like.index": "SqlCallStorage upgrade downgrade current check",
}
PAIRS = [(module, name) for module, names in PROMISED.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_a_promised_name_is_there_and_exported(module: str, name: str) -> None:
    found = import_module(module)
    assert getattr(found, name) is not None
    assert name in found.__all__


@pytest.mark.parametrize("module", sorted(PROMISED))
def test_all_names_only_what_is_there(module: str) -> None:
    found = import_module(module)
    assert [name for name in found.__all__ if not hasattr(found, name)] == []
    assert len(set(found.__all__)) == len(found.__all__)


def test_names_that_are_loaded_later_are_listed_at_once() -> None:
    assert set(fleche_like.__all__) <= set(dir(fleche_like))


def test_every_error_is_exported_from_the_top() -> None:
    tree = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, (errors.FlecheError, errors.FlecheWarning))
    }
    assert tree <= set(fleche_like.__all__)
    assert all(getattr(fleche_like, name) is getattr(errors, name) for name in tree)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = fleche_like.no_such_name
