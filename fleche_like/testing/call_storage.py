"""What every call storage must do: subclass :class:`CallStorageSuite` and give it a storage.

Needs ``pytest``.
"""

from __future__ import annotations

import abc
import pickle
import threading
from typing import Any

import pytest

from fleche_like.calls import Call, DigestedCall, QueryCall
from fleche_like.errors import AmbiguousDigestError, InvalidDigest, KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.storage.base import CallStorage

HOSTILE = [
    "",
    "a",
    "%%%%",
    "____",
    "3f9%",
    "3f9_",
    "'; --",
    '"3f9a',
    "3f/9a",
    "..",
    "z" * 32,
    "a" * 10_000,
]
"""Texts that are no short digests."""


def call_of(number: Any, **metadata: Any) -> DigestedCall:
    """Return a sealed call that differs from those of other numbers."""
    arguments = {"n": number, "items": [number]}
    return Call("train", arguments, "tests", 1, None, [number], dict(metadata)).digested()


class CallStorageSuite(abc.ABC):
    """Tests of one call storage.

    >>> class TestMine(CallStorageSuite):            # doctest: +SKIP
    ...     def make(self, tmp_path):
    ...         return MyCallStorage(tmp_path)
    """

    @abc.abstractmethod
    def make(self, tmp_path: Any) -> Any:
        """Return an empty storage; called once for each test."""

    @pytest.fixture
    def storage(self, tmp_path: Any) -> Any:
        """Give the storage under test."""
        storage = self.make(tmp_path)
        yield storage
        storage.close()

    def test_it_is_a_call_storage(self, storage: Any) -> None:
        assert isinstance(storage, CallStorage)

    def test_a_saved_call_is_loaded_equal(self, storage: Any) -> None:
        call = call_of(1, note="é\U0001f600", runtime={"walltime": 0.5})
        assert storage.save(call) == call.key
        assert storage.load(call.key) == storage.lookup(call.key) == call
        assert storage.load(call.key).scalars == call.scalars
        assert storage.contains(call.key)

    @pytest.mark.parametrize(
        "value",
        [None, False, 10**400, float("inf"), "\0", "\ud800", "x" * 70_000, ["\ud800"], ""],
    )
    def test_any_scalar_survives(self, storage: Any, value: Any) -> None:
        call = Call("f", {"x": value}, result=value, metadata={"m": {"x": value}}).digested()
        storage.save(call)
        assert storage.load(call.key) == call
        assert [found.key for found in storage.query(QueryCall(arguments={"x": value}))] == [
            call.key
        ] or value is None

    def test_a_result_of_none_is_a_result(self, storage: Any) -> None:
        with_none = Call("f", {"x": 1}, result=None).digested()
        without = Call("f", {"x": 2}).digested()
        storage.save(with_none)
        storage.save(without)
        assert storage.load(with_none.key).result is not None
        assert storage.load(without.key).result is None

    def test_saving_again_replaces(self, storage: Any) -> None:
        storage.save(call_of(1, attempt=1, first=True))
        storage.save(call_of(1, attempt=2))
        assert storage.load(call_of(1).key).metadata == {"attempt": 2}
        assert len(list(storage.list())) == 1
        assert list(storage.query(QueryCall(metadata={"attempt": 1}))) == []
        assert list(storage.query(QueryCall(metadata={"first": True}))) == []
        assert len(list(storage.query(QueryCall(metadata={"attempt": 2})))) == 1

    def test_eviction_leaves_nothing(self, storage: Any) -> None:
        key = storage.save(call_of(1))
        storage.evict(key)
        storage.evict(key)
        assert not storage.contains(key)
        assert list(storage.list()) == list(storage.query(QueryCall())) == []
        with pytest.raises(KeyNotFound):
            storage.load(key)

    def test_an_absent_prefix_is_a_key_error(self, storage: Any) -> None:
        storage.save(call_of(1))
        absent = "0000" if not call_of(1).key.startswith("0000") else "ffff"
        assert not storage.contains(absent)
        for act in (storage.load, storage.expand, storage.evict, storage.shrink):
            with pytest.raises(KeyError):
                act(absent)

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_what_is_no_digest_is_refused(self, storage: Any, text: str) -> None:
        storage.save(call_of(1))
        for act in (storage.load, storage.expand, storage.evict, storage.shrink, storage.contains):
            with pytest.raises(InvalidDigest):
                act(text)
        assert len(list(storage.list())) == 1

    def test_short_digests_name_calls(self, storage: Any) -> None:
        keys = sorted(storage.save(call_of(number)) for number in range(300))
        for key in keys[:: len(keys) // 20]:
            short = storage.shrink(key)
            assert storage.expand(short) == storage.expand(short.upper()) == key
            longest = max(_shared(key, other) for other in keys if other != key)
            assert len(short) == max(4, longest + 1)
        assert storage.shrink(*keys) == tuple(storage.shrink(key) for key in keys)

    def test_an_ambiguous_digest_is_refused_everywhere(self, storage: Any) -> None:
        first, second = _twins()
        storage.save(first)
        storage.save(second)
        short = first.key[:4]
        for act in (storage.load, storage.expand, storage.evict, storage.shrink, storage.contains):
            with pytest.raises(AmbiguousDigestError) as caught:
                act(short)
            assert set(caught.value.candidates) == {first.key, second.key}
        storage.evict(second.key)
        assert storage.expand(short) == first.key

    def test_shrinking_what_is_not_stored_is_a_key_error(self, storage: Any) -> None:
        with pytest.raises(KeyError):
            storage.shrink(call_of(1).key)

    def test_many_keys_are_shrunk_as_each_alone(self, storage: Any) -> None:
        keys = [storage.save(call_of(number)) for number in range(60)]
        first, second = _twins()
        keys += [storage.save(first), storage.save(second)]
        alone = tuple(storage.shrink(key) for key in keys)
        assert storage.shrink(*keys) == alone
        assert storage.shrink(*keys[::-1]) == alone[::-1]
        assert storage.shrink(*keys, *keys) == alone * 2
        for missing in (call_of(-1).key, "0" * 32, "f" * 32):
            with pytest.raises(KeyError):
                storage.shrink(*keys[:5], missing)

    def test_short_digests_of_neighbours_at_the_edges(self, storage: Any) -> None:
        keys = sorted(storage.save(call_of(number)) for number in range(30))
        for key in (keys[0], keys[-1]):
            assert storage.expand(storage.shrink(key)) == key
            assert storage.expand(key[:-1]) == key
            other = key[:-1] + ("0" if key[-1] != "0" else "1")
            assert not storage.contains(other)

    def test_templates_find_what_matches(self, storage: Any) -> None:
        for number in range(20):
            storage.save(call_of(number, even=number % 2 == 0))
        storage.save(Call("other", {"n": 3}).digested())

        def found(**template: Any) -> set[Digest]:
            return {call.key for call in storage.query(QueryCall(**template))}

        assert found(name="train", arguments={"n": 3}) == {call_of(3).key}
        assert found(arguments={"n": 3.0}) == found(arguments={"n": True}) == set()
        assert found(arguments={"items": [4]}) == {call_of(4).key}
        assert found(result=[5]) == {call_of(5).key}
        assert found(result=Digest(call_of(5).result or "")) == {call_of(5).key}
        assert found(arguments={"n": Digest(call_of(6).arguments["n"])}) == {call_of(6).key}
        assert len(found(metadata={"even": True})) == 10
        assert len(found(arguments={"n": None})) == 21
        assert found(name="nosuch") == found(arguments={"nosuch": None}) == set()

    def test_calls_may_be_evicted_while_they_are_iterated(self, storage: Any) -> None:
        for number in range(50):
            storage.save(call_of(number))
        for call in storage.query(QueryCall(name="train")):
            storage.evict(call.key)
        assert list(storage.list()) == []

    def test_threads_lose_nothing_and_see_whole_calls(self, storage: Any) -> None:
        failures: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                for number in range(12):
                    own = call_of(f"{worker}.{number}")
                    storage.save(own)
                    storage.save(call_of("common", writer=worker, step=number))
                    assert storage.load(own.key) == own
                    assert storage.expand(own.key[:12]) == own.key
                    found = list(storage.query(QueryCall(arguments={"n": f"{worker}.{number}"})))
                    assert [call.key for call in found] == [own.key]
                    if number % 5 == 4:
                        storage.evict(call_of("common").key)
            except BaseException as error:  # noqa: BLE001  shown below
                failures.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for failure in failures:
            raise failure
        keys = {call_of(f"{worker}.{number}").key for worker in range(4) for number in range(12)}
        assert keys <= set(storage.list()) <= keys | {call_of("common").key}

    def test_transform_moves_calls_to_their_new_keys(self, storage: Any) -> None:
        for number in range(5):
            storage.save(call_of(number))

        def renamed(call: DigestedCall) -> DigestedCall:
            return DigestedCall("moved", call.arguments, result=call.result, scalars=call.scalars)

        storage.transform(renamed)
        assert {call.name for call in storage.query(QueryCall())} == {"moved"}
        assert len(list(storage.list())) == 5

    def test_a_pickled_storage_still_works(self, storage: Any) -> None:
        twin = pickle.loads(pickle.dumps(storage))
        key = twin.save(call_of(1))
        assert twin.load(key) == call_of(1)
        twin.close()


def _shared(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def _twins() -> tuple[DigestedCall, DigestedCall]:
    """Return two calls whose keys agree in four characters: there must be some soon."""
    seen: dict[str, DigestedCall] = {}
    number = 0
    while True:
        call = call_of(number)
        if call.key[:4] in seen:
            return seen[call.key[:4]], call
        seen[call.key[:4]] = call
        number += 1
