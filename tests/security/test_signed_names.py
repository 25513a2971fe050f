"""Results by name: who lacks the keys cannot point a name to another result."""

from __future__ import annotations

import pytest

from fleche_like.backends import MemoryBackend
from fleche_like.codecs import Signer, generate_key, key_of
from fleche_like.errors import KeyNotFound
from fleche_like.storage.layout import path
from fleche_like.storage.manager import ResultStorage, StorageManager
from fleche_like.storage.names import NAMES, name_digest

OURS = Signer([key_of(generate_key())])


@pytest.mark.parametrize("signer", [None, Signer([key_of(generate_key())])])
def test_a_name_that_somebody_else_wrote_is_none_until_it_is_written_again(signer):
    backend = MemoryBackend()
    with StorageManager(ResultStorage(backend, signer=OURS), use_cache=False) as manager:
        manager.save_result("a", [1])
        manager.save_result("b", [2])
        ResultStorage(backend, signer=signer).save_result("a", [2])
        with pytest.raises(KeyNotFound):
            manager.load_result("a")
        assert manager.list_results() == ["b"]
        manager.save_result("a", [3])
        assert manager.load_result("a") == [3]


@pytest.mark.parametrize(("name", "other"), [("a", "b"), ("b", "a")])
def test_the_record_of_one_name_is_none_of_another(name, other):
    backend = MemoryBackend()
    storage = ResultStorage(backend, signer=OURS)
    storage.save_result("a", [1])
    storage.save_result("b", [2])
    data = backend.get_bytes(path(NAMES, name_digest(other)))
    backend.put_bytes(path(NAMES, name_digest(name)), data)
    with pytest.raises(KeyNotFound):
        storage.load_result(name)


def test_a_value_of_somebody_else_is_gone():
    backend = MemoryBackend()
    storage = ResultStorage(backend, signer=OURS)
    saved = storage.save_result("a", [1])
    ResultStorage(backend).values.put_encoded(
        ResultStorage(backend).values.encode("forged", saved.digest), saved.digest
    )
    with pytest.raises(KeyNotFound):
        storage.load_result("a")
    storage.save_result("a", [1])
    assert storage.load_result("a") == [1]
