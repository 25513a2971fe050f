"""What every cache must do: subclass :class:`CacheSuite` and give it a cache.

Needs ``pytest`` and NumPy.
"""

from __future__ import annotations

import abc
import pickle
import threading
from typing import Any, ClassVar

import numpy as np
import pytest

from fleche_like.cache import Cache
from fleche_like.cache.contract import CacheContract
from fleche_like.calls import Call, DigestedCall, QueryCall, arg, result
from fleche_like.errors import AmbiguousDigestError
from fleche_like.hashing import Digest, digest
from fleche_like.memo import memoize, use_cache
from fleche_like.storage import Intent
from fleche_like.support.sentinel import MISSING

RESULTS: tuple[Any, ...] = (None, 0, False, "", [], [1, {"a": (2,)}], "text", 2.5)


def call_of(number: Any, value: Any = MISSING, **metadata: Any) -> Call:
    """Return a call that differs from those of other numbers."""
    return Call("suite", {"n": number, "items": [number]}, "m", result=value, metadata=metadata)


def work(n: int) -> list[int]:
    """Return something computed; memoized by tests."""
    return [n, n * n]


class CacheSuite(abc.ABC):
    """Tests of one cache that can be written to.

    >>> class TestMine(CacheSuite):            # doctest: +SKIP
    ...     def make(self, tmp_path):
    ...         return CacheStack(open_cache(tmp_path / "near"), open_cache(tmp_path / "far"))
    """

    #: A copy made by pickling finds what this one has stored.
    outlives_process: ClassVar[bool] = True
    #: What was stored is answered; not so by a cache that has everything computed anew.
    answers: ClassVar[bool] = True
    #: It remembers what went into a code digest.
    explains: ClassVar[bool] = True

    @abc.abstractmethod
    def make(self, tmp_path: Any) -> Cache:
        """Return an empty cache; called once for each test."""

    @pytest.fixture
    def cache(self, tmp_path: Any) -> Any:
        """Give the cache under test."""
        with self.make(tmp_path) as made:
            yield made

    def test_it_keeps_the_contract(self, cache: Cache) -> None:
        assert isinstance(cache, CacheContract)
        assert isinstance(cache, Cache)
        assert isinstance(repr(cache), str)

    def test_a_saved_result_is_found_every_way(self, cache: Cache) -> None:
        for number, value in enumerate(RESULTS):
            key = cache.save(call_of(number, value))
            assert cache.contains(key)
            assert cache.contains(key[:10])
            assert cache.load(key).result == cache.load(key[:10]).result == value
            assert dict(cache.load(key).arguments) == {"n": number, "items": [number]}
            for _ in range(4):
                found = [cache.lookup(key), cache.lookup_mapped(key, mmap=True)]
                found += cache.lookup_many([key, call_of(-1).key]).values()
                assert found == ([value] * 3 if self.answers else [MISSING, MISSING])

    def test_a_miss_is_no_value(self, cache: Cache) -> None:
        key = call_of(1).key
        assert cache.lookup(key) is cache.recall(key) is MISSING
        assert cache.lookup_mapped(key, mmap=True) is MISSING
        assert cache.lookup_many([key]) == {}
        assert not cache.contains(key)
        with pytest.raises(KeyError):
            cache.load(key)

    def test_a_hit_is_the_callers_own(self, cache: Cache) -> None:
        key = cache.save(call_of(1, [1, [2]]))
        if not self.answers:
            return
        for _ in range(4):
            found = cache.lookup(key)
            assert found == [1, [2]]
            found[1].append(3)

    def test_large_arrays_come_back(self, cache: Cache) -> None:
        array = np.arange(100_000)
        key = cache.save(call_of(1, array))
        np.testing.assert_array_equal(cache.load_value(digest(array)), array)
        np.testing.assert_array_equal(cache.load(key).result, array)
        if self.answers:
            np.testing.assert_array_equal(cache.lookup(key), array)
            np.testing.assert_array_equal(cache.lookup_mapped(key, mmap=True), array)

    def test_saving_again_replaces_for_every_reader(self, cache: Cache) -> None:
        key = cache.save(call_of(1, "old", attempt=1))
        for _ in range(3):
            cache.lookup(key)
        cache.save(call_of(1, "new", attempt=2))
        assert cache.lookup(key) == ("new" if self.answers else MISSING)
        assert cache.load(key).result == "new"
        assert [each.metadata["attempt"] for each in cache.query()] == [2]

    def test_a_call_of_another_cache_is_adopted_as_it_is(self, cache: Cache) -> None:
        call = call_of(1, [1], origin="elsewhere").digested()
        cache.adopt(call, [1])
        assert cache.load(call.key).digested == call

    def test_evicting_leaves_nothing(self, cache: Cache) -> None:
        key = cache.save(call_of(1, [1]))
        for _ in range(3):
            cache.lookup(key)
        cache.evict(key[:12])
        cache.evict(key)
        assert cache.lookup(key) is cache.recall(key) is MISSING
        assert not cache.contains(key)
        assert [*cache.query()] == [*cache.calls.list()] == []
        with pytest.raises(KeyError):
            cache.evict(key[:12])

    def test_short_keys_name_calls(self, cache: Cache) -> None:
        keys = sorted(cache.save(call_of(number, number)) for number in range(60))
        for key in keys[::12]:
            short = cache.shrink(key)
            assert cache.expand(short) == key
            longest = max(_shared(key, other) for other in keys if other != key)
            assert len(short) == max(4, longest + 1)
        assert list(cache.shrink_keys(keys)) == [cache.shrink(key) for key in keys]
        assert cache.shrink_keys([]) == []

    def test_an_ambiguous_key_is_refused(self, cache: Cache) -> None:
        first, second = _twins()
        for call in (first, second):
            cache.save(
                Call("suite", {"n": call.scalars["n"], "items": [call.scalars["n"]]}, "m", result=0)
            )
        for act in (cache.expand, cache.load, cache.evict, cache.shrink):
            with pytest.raises(AmbiguousDigestError):
                act(first.key[:4])

    def test_queries_select_order_limit_and_count(self, cache: Cache) -> None:
        for number in range(20):
            cache.save(call_of(number, number % 3, even=number % 2 == 0))
        cache.save(Call("other", {"n": 1}, result=0))
        query = cache.query(name="suite")
        assert query.count() == len([*query]) == 20
        assert query.where(arg("n") >= 15).count() == 5
        ordered = query.where(result() == 0).order_by("-n")
        assert [call.arguments["n"] for call in ordered] == [18, 15, 12, 9, 6, 3, 0]
        assert [call.arguments["n"] for call in ordered.offset(1).limit(2)] == [15, 12]
        assert cache.query(QueryCall(metadata={"even": True})).count() == 10
        assert cache.query(arguments={"items": [4]}).one().arguments["n"] == 4
        assert len(query.table()) == 20

    def test_lineage_follows_values(self, cache: Cache) -> None:
        made = np.arange(5.0)
        first = cache.save(Call("make", {"n": 5}, result=made))
        second = cache.save(Call("use", {"x": made}, result=made * 2))
        assert [call.key for call in cache.lineage(made * 2).producers] == [second]
        assert len(cache.lineage(made * 2)) == 2
        assert [call.key for call in cache.lineage(first).consumers] == [second]

    def test_many_values_come_at_once(self, cache: Cache) -> None:
        values: list[Any] = [[n] for n in range(30)] + [np.arange(20_000)]
        for number, value in enumerate(values):
            cache.save(call_of(number, value))
        found = cache.load_values([*map(digest, values), digest("absent"), digest([0])])
        assert found.keys() == {*map(digest, values)}
        np.testing.assert_equal([found[digest(value)] for value in values], values)

    def test_memoized_functions_use_it(self, cache: Cache) -> None:
        memoized = memoize(work)
        with use_cache(cache):
            assert [memoized(3) for _ in range(3)] == [[3, 9]] * 3
            assert memoized.contains(3)
            assert memoized.query().count() == 1
            assert memoized.stats().hits == (2 if self.answers else 0)
            assert cache.codes("work", work.__module__) == [memoized.query().one().code]
            if self.explains:
                assert cache.manifest(cache.codes("work", work.__module__)[0])
            assert cache.figures("work", work.__module__)[0] >= 1
            assert list(memoized.map([1, 2, 1])) == [[1, 1], [2, 4], [1, 1]]
            memoized.evict(3)
            assert not memoized.contains(3)
        assert cache.stats().calls == 2

    def test_bound_to_a_function_it_works_in_threads(self, cache: Cache) -> None:
        memoized = memoize(cache=cache)(work)
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(memoized(4))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [[4, 16]] * 6
        assert cache.stats().calls == 1

    def test_a_check_and_a_write_are_one_in_its_context(self, cache: Cache) -> None:
        key = call_of(1).key
        with cache._operation_context(key, intent=Intent.WRITE):
            assert not cache.contains(key)
            assert cache.lookup(key) is MISSING
            cache.save(call_of(1, "x"))
            assert cache.contains(key)
        with cache._operation_context(key, intent=Intent.READ):
            assert cache.load(key).result == "x"

    def test_counts_are_kept(self, cache: Cache) -> None:
        key = cache.save(call_of(1, [1]))
        cache.lookup(key)
        cache.lookup(call_of(2).key)
        stats = cache.stats()
        assert (stats.calls, stats.stored) == (1, 1)
        assert (stats.hits, stats.misses) == ((1, 1) if self.answers else (0, 2))

    def test_a_pickled_cache_works(self, cache: Cache) -> None:
        key = cache.save(call_of(1, [1]))
        with pickle.loads(pickle.dumps(cache)) as twin:
            assert twin.contains(key) == self.outlives_process
            assert twin.save(call_of(2, 2)) == call_of(2).key


def _shared(one: str, other: str) -> int:
    return next(at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)


def _twins() -> tuple[DigestedCall, DigestedCall]:
    """Return two calls whose keys agree in four characters: there must be some soon."""
    seen: dict[Digest, DigestedCall] = {}
    number = 0
    while True:
        call = call_of(number).digested()
        twin = seen.setdefault(Digest(call.key[:4]), call)
        if twin is not call:
            return twin, call
        number += 1
