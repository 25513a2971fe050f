"""Values in parts: what is stored once, what callers see, and what damage does."""

from __future__ import annotations

import collections
import dataclasses
import pickle
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd
import pytest

from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.backends.abilities import stat
from fleche_like.codecs import Encoded, PickleCodec, dumps
from fleche_like.hashing import digest
from fleche_like.storage import BackendValueStorage, PerKeyLockMixin, containers, register_container
from fleche_like.storage.layout import path
from fleche_like.support.sentinel import MISSING

LEAST = 4096
BIG = np.arange(2000.0)
LARGE_LIST = [float(n) for n in range(1000)]


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Run:
    data: Any
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    data: Any


@attrs.define
class Attrs:
    data: Any


class Plain:
    def __init__(self, data: Any) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and same(self.data, other.data)

    __hash__ = None  # type: ignore[assignment]


@register_container
class Registered(Plain):
    pass


class Odd(Plain):
    """What a test says is odd about it."""


class WithDigest:
    """Has a digest of its own, and is large."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.text = str(number) * LEAST

    def __digest__(self) -> Any:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WithDigest) and other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal in type, order and content, however deep."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, pd.DataFrame):
        return bool(a.equals(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return same(a.data, b.data) if isinstance(a, Attrs) else bool(a == b)


def storage(**options: Any) -> BackendValueStorage:
    return BackendValueStorage(MemoryBackend(), destructure_bytes=LEAST, **options)


def stored_bytes(values: BackendValueStorage) -> int:
    sizes = [stat(values.backend, path(values.prefix, key)) for key in values.list()]
    return sum(size.size for size in sizes if size is not None)


CONTAINERS = {
    "list": lambda part: [part, 1],
    "tuple": lambda part: (part, 1),
    "dict": lambda part: {"a": part, "b": 1},
    "ordered": lambda part: collections.OrderedDict(b=1, a=part),
    "default": lambda part: collections.defaultdict(list, {"a": part}),
    "namedtuple": lambda part: Point(part, 1),
    "dataclass": lambda part: Run(part, "note"),
    "slots": lambda part: Frozen(part),
    "attrs": lambda part: Attrs(part),
    "registered": lambda part: Registered(part),
    "deep": lambda part: {"a": [1, (Run({"b": part}), 2)]},
}
PARTS = {
    "array": lambda: BIG.copy(),
    "objects": lambda: np.array([str(n) for n in range(2000)], dtype=object),
    "frame": lambda: pd.DataFrame({"x": BIG, "name": [f"n{n}" for n in range(len(BIG))]}),
    "digest": lambda: WithDigest(7),
    "list of numbers": lambda: list(LARGE_LIST),
    "dict of texts": lambda: {f"key{n}": "text" * 10 for n in range(500)},
    "list of lists": lambda: [[n, float(n), str(n)] for n in range(1000)],
    "bytes": lambda: b"bytes" * 2000,
    "text": lambda: "täxt" * 3000,
    "bytearray": lambda: bytearray(10_000),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_value_in_parts_comes_back_equal_and_shares_its_part(container, part):
    values = storage()
    value, other = CONTAINERS[container](PARTS[part]()), [PARTS[part](), "other"]
    key = values.save(value, digest(("some", "key")))
    assert same(values.load(key), value)
    assert len(values.references(key)) == 1
    again = values.save(other)
    assert values.references(again) == values.references(key)
    assert same(values.load(again), other)
    assert same(values.load(values.references(key)[0]), PARTS[part]())


def test_an_array_is_a_part_wherever_it_is():
    values = storage()
    key = values.save(Plain({"a": [BIG]}))
    assert values.references(key) == (digest(BIG),)
    assert values.load(key) == Plain({"a": [BIG]})


def test_a_hundred_values_with_one_array_take_its_bytes_once():
    values = storage()
    kinds = [list, Run, Point, dict]
    for number in range(25):
        for kind in kinds:
            values.save({"list": [BIG, number], "run": Run(BIG, str(number)), "kind": kind}, None)
            values.save([BIG, number])
    assert BIG.nbytes < stored_bytes(values) < BIG.nbytes + 50 * 800


def test_a_value_has_one_digest_however_it_is_stored():
    for value in ([BIG, LARGE_LIST], {"a": Run(BIG)}):
        keys = {
            BackendValueStorage(MemoryBackend(), destructure_bytes=least).save(value)
            for least in (None, 0, 1, LEAST, 1 << 20)
        }
        assert keys == {digest(value)}


@pytest.mark.parametrize("off", [None, 0])
def test_without_a_threshold_every_value_is_whole(off):
    values = BackendValueStorage(MemoryBackend(), destructure_bytes=off)
    key = values.save([BIG, BIG.copy()])
    assert (values.references(key), len([*values.list()])) == ((), 1)


def test_what_is_small_stays_in_its_whole():
    values = storage()
    key = values.save([np.arange(10), [1, 2], "text", Run(1)])
    assert (values.references(key), len([*values.list()])) == ((), 1)


def test_an_array_or_a_frame_by_itself_is_no_container():
    values = storage()
    for value in (BIG, pd.DataFrame({"x": BIG}), WithDigest(1), LARGE_LIST, "x" * LEAST):
        assert values.references(values.save(value)) == ()


def test_a_result_and_the_value_that_holds_it_share():
    values = storage()
    inner = values.save(BIG)
    outer = values.save({"model": BIG})
    assert values.references(outer) == (inner,)


def test_parts_have_parts_of_their_own():
    values = storage()
    inner = {"weights": BIG, "history": LARGE_LIST, "extra": [float(n) for n in range(2000)]}
    inner |= {f"k{n}": f"text {n}" for n in range(1000)}
    key = values.save([inner, "rest"])
    (part,) = values.references(key)
    assert part == digest(inner)
    assert set(values.references(part)) == {digest(BIG), digest(LARGE_LIST), digest(inner["extra"])}
    assert same(values.load(key), [inner, "rest"])
    assert {each.level for each in values.parts(key)} == {1, 2}


def test_many_values_with_parts_may_lie_side_by_side():
    values = storage()
    value = [[BIG, *LARGE_LIST] for _ in range(3)]
    value += [[BIG, *LARGE_LIST, number] for number in range(50)]
    for each in value[1:]:
        each[0] = BIG.copy()  # otherwise they would share it, and stay in one place
    key = values.save(value)
    assert len(values.references(key)) == 51
    assert same(values.load(key), value)


class TestSharing:
    """What is one object in a value is one object when it is loaded, and nothing else is."""

    def test_a_part_that_occurs_twice_is_one_object(self):
        values = storage()
        for part in (BIG, LARGE_LIST, WithDigest(3), Run(LARGE_LIST), bytearray(LEAST)):
            loaded = values.load(values.save([part, {"again": part}], digest("key")))
            values.evict(digest("key"))
            assert loaded[0] is loaded[1]["again"]

    def test_equal_parts_are_two_objects_in_one_place(self):
        values = storage()
        key = values.save([BIG, BIG.copy()])
        first, second = values.load(key)
        assert first is not second
        first[0] = 99
        assert second[0] == BIG[0]
        assert len(values.references(key)) == 1

    def test_loads_share_nothing(self):
        values = storage()
        key = values.save([BIG, LARGE_LIST])
        first = values.load(key)
        first[0][0], first[1][0] = 99, 99
        assert same(values.load(key), [BIG, LARGE_LIST])

    def test_what_a_part_shares_with_the_rest_stays_shared(self):
        values = storage()
        common = [1, 2]
        large = [common, *LARGE_LIST]
        loaded = values.load(values.save([large, common]))
        assert loaded[0][0] is loaded[1]
        assert same(loaded, [large, common])

    def test_what_two_parts_share_stays_shared(self):
        values = storage()
        common = {"a": 1}
        loaded = values.load(values.save([[common, *LARGE_LIST], [common, *LARGE_LIST[1:]]]))
        assert loaded[0][0] is loaded[1][0]

    def test_an_array_inside_a_part_and_outside_is_one_array(self):
        values = storage()
        large = [BIG, *LARGE_LIST]
        key = values.save({"large": large, "array": BIG})
        loaded = values.load(key)
        assert loaded["large"][0] is loaded["array"]
        assert digest(BIG) in values.references(key)

    def test_objects_in_an_array_are_shared_with_the_rest(self):
        values = storage()
        common = [1]
        array = np.empty(2000, dtype=object)
        array[:] = [common] + [None] * 1999
        loaded = values.load(values.save([array, common], digest("key")))
        assert loaded[0][0] is loaded[1]

    def test_what_nobody_can_change_does_not_keep_parts_in_their_whole(self):
        values = storage()
        names = pd.Index([f"n{number}" for number in range(len(BIG))])
        frame = pd.DataFrame({"x": BIG, "y": BIG}, index=names)
        parts = [BIG, BIG + 1, frame, frame * 2, frame["x"], frame["y"]]
        parts += [["name", *LARGE_LIST], ["name", *LARGE_LIST[1:]]]
        assert frame.index.array is parts[4].index.array
        assert set(values.references(values.save(parts))) == set(map(digest, parts))

    def test_a_parent_that_its_part_refers_to_is_itself(self):
        parent = Plain(None)
        parent.data = [parent, *LARGE_LIST]
        values = storage()
        loaded = values.load(values.save(parent, digest("parent")))
        assert loaded.data[0] is loaded

    @pytest.mark.parametrize("large", [False, True])
    def test_where_everything_holds_everything_a_value_is_stored_all_the_same(self, large):
        """There are more ways through it than can be gone: it is stored as a whole."""
        tree = {"nodes": [], "text": "x" * LEAST}
        for number in range(500 if large else 2):
            node = {"tree": tree, "number": number, "before": tree["nodes"]}
            tree["nodes"].append([node, tree, (node, {"nodes": tree["nodes"]})])
        loaded = (values := storage()).load(values.save(tree, digest("tree")))
        assert loaded["nodes"][1][0]["tree"] is loaded
        assert loaded["nodes"][1][2][1]["nodes"] is loaded["nodes"]

    def test_an_array_is_writable_whichever_equal_one_was_stored_first(self):
        values = storage()
        frozen = BIG.copy()
        frozen.setflags(write=False)
        values.save([frozen, "first"])
        loaded = values.load(values.save([BIG.copy(), "second"]))
        loaded[0][0] = 7

    @pytest.mark.parametrize("seed", range(30))
    def test_a_graph_of_objects_comes_back_as_pickle_would_bring_it(self, seed):
        values = storage()
        value = graph(np.random.default_rng(seed))
        key = values.save(value, digest(seed))
        expected = pickle.loads(pickle.dumps(value))
        assert shape(values.load(key)) == shape(expected)


def graph(random: np.random.Generator) -> list[Any]:
    """Return containers and arrays, large and small, any of which may be in several places."""
    objects: list[Any] = [np.arange(float(random.integers(1, 2000))) for _ in range(4)]
    for _ in range(12):
        chosen = [objects[n] for n in random.integers(0, len(objects), 3)]
        filling = [int(n) for n in random.integers(0, 1000, random.choice([1, 3000]))]
        made = [
            [*chosen, *filling],
            {"a": chosen[0], "b": tuple(chosen[1:]), "filling": filling},
            Run(chosen, "x" * len(filling)),
        ]
        objects.append(made[random.integers(3)])
    return objects[4:]


def shape(value: Any) -> list[Any]:
    """Return all that can be seen of a value, each object numbered at its first visit."""
    numbers: dict[int, int] = {}
    seen: list[Any] = []

    def visit(each: Any) -> None:
        if isinstance(each, (int, float, str)):
            seen.append(each)
            return
        mutable = not isinstance(each, tuple)
        if mutable and id(each) in numbers:
            seen.append(("again", numbers[id(each)]))
            return
        numbers.setdefault(id(each), len(numbers)) if mutable else None
        seen.append(type(each))
        if isinstance(each, np.ndarray):
            seen.append(each.tobytes())
        elif isinstance(each, Run):
            visit(each.data)
            seen.append(each.note)
        else:
            for member in each.values() if isinstance(each, dict) else each:
                visit(member)

    visit(value)
    return seen


def test_parts_are_written_before_what_refers_to_them():
    written = []

    class Watching(MemoryBackend):
        def put_parts(self, key, parts):
            written.append(key)
            super().put_parts(key, parts)

        def put_bytes(self, key, data):
            written.append(key)
            super().put_bytes(key, data)

    values = BackendValueStorage(Watching(), destructure_bytes=LEAST)
    key = values.save([BIG, [BIG + 1, *LARGE_LIST]])
    assert written[-1] == path(values.prefix, key)
    assert len(set(written)) == 4


def test_a_writer_that_stops_at_any_write_leaves_a_miss_or_the_value():
    class Stopping(MemoryBackend):
        left = 0

        def put_bytes(self, key, data):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            super().put_bytes(key, data)

    value = [BIG, [BIG + 1, *LARGE_LIST], {"again": LARGE_LIST}, "x" * LEAST]
    key = digest(value)
    for writes in range(6):
        backend = Stopping()
        values = BackendValueStorage(backend, destructure_bytes=LEAST)
        backend.left = writes
        if writes < 6 - 1:
            with pytest.raises(KeyboardInterrupt):
                values.save(value)
            assert values.lookup(key) is MISSING
        backend.left = 10
        values.save(value)
        assert same(values.load(key), value)


def test_references_read_only_the_beginning_of_a_value():
    read = []

    class Watching(MemoryBackend):
        def get_bytes(self, key):
            raise AssertionError("all of it")

        def read_range(self, key, offset, length=None):
            read.append(length)
            return MemoryBackend.get_bytes(self, key)[offset : offset + length]

    values = BackendValueStorage(Watching(), destructure_bytes=LEAST)
    arrays = [np.full(1000, float(n)) for n in range(600)]
    key = values.save(arrays)
    assert set(values.references(key)) == {digest(array) for array in arrays}
    assert sum(read) < 4096 + 600 * 16 + 100
    assert values.references(digest("nothing")) == ()


def test_parts_are_mapped_and_private(tmp_path):
    backend = LocalBackend(tmp_path)
    key = BackendValueStorage(backend, destructure_bytes=LEAST).save([BIG, 1])
    values = BackendValueStorage(backend, mmap=True)
    first = values.load(key)
    assert not first[0].flags.owndata
    first[0][0] = 99
    assert same(values.load(key), [BIG, 1])


def test_functions_that_only_cloudpickle_takes_may_be_beside_parts():
    values = storage()
    key = values.save([BIG, lambda: 3], digest("lambda"))
    assert values.references(key) == (digest(BIG),)
    array, function = values.load(key)
    assert same(array, BIG)
    assert function() == 3


def test_functions_may_be_beside_large_containers():
    values = storage()
    key = values.save([LARGE_LIST, lambda: 3, LARGE_LIST], digest("lambda"))
    assert values.references(key) == (digest(LARGE_LIST),)
    loaded = values.load(key)
    assert loaded[0] is loaded[2]
    assert loaded[1]() == 3


@pytest.mark.parametrize("raised", [RuntimeError("changed meanwhile"), TypeError("no members")])
def test_what_cannot_be_taken_apart_is_stored_as_a_whole(monkeypatch, raised):
    def members(_value):
        raise raised

    monkeypatch.setitem(containers._registered, Odd, members)
    monkeypatch.setattr(containers, "_resolved", {})
    values = storage()
    value = [Odd(1), list(LARGE_LIST)]
    key = values.save(value, digest("odd"))
    assert values.references(key) == ()
    assert values.load(key)[1] == LARGE_LIST


def test_locks_go_around_values_in_parts():
    class Locked(PerKeyLockMixin, BackendValueStorage):
        pass

    values = Locked(MemoryBackend(), destructure_bytes=LEAST)
    key = values.save([BIG, LARGE_LIST])
    assert same(values.load(key), [BIG, LARGE_LIST])
    assert len(values.references(key)) == 2


def test_another_codec_stores_values_as_a_whole():
    class Other(PickleCodec):
        pass

    class Foreign:
        name = "pickle"

        def encode(self, value):
            return Encoded(pickle.dumps(value))

        def decode(self, payload, buffers):
            return pickle.loads(payload)

    for codec, parts in ((Other(), 1), (Foreign(), 0)):
        values = BackendValueStorage(MemoryBackend(), codec, destructure_bytes=LEAST)
        assert len(values.references(values.save([BIG, 1]))) == parts


def test_what_was_stored_whole_by_an_earlier_release_is_read():
    values = storage()
    key = digest([BIG, 1])
    values.put_encoded(dumps([BIG, 1], key, PickleCodec()), key)
    assert same(values.load(key), [BIG, 1])
    assert values.references(key) == ()


def test_registering_says_what_can_be_a_part_of_its_own():
    class Unknown:
        def __init__(self, inner):
            self.inner = inner

    values = storage()
    value = [Unknown(list(LARGE_LIST))]
    assert values.references(values.save(value, digest(1))) == ()
    register_container(Unknown, lambda each: [each.inner])
    assert values.references(values.save(value, digest(2))) == (digest(LARGE_LIST),)


def test_the_parts_of_a_value_are_shown_with_sizes_and_uses():
    values = storage()
    keys = [values.save([BIG, n]) for n in range(3)]
    (part,) = values.parts(keys[0], uses=True)
    assert (part.digest, part.level, part.uses) == (digest(BIG), 1, 3)
    assert part.size_bytes is not None
    assert 0 <= part.size_bytes - BIG.nbytes < 1000
    assert values.parts(keys[0][:12])[0].uses is None
    values.evict(digest(BIG))
    assert values.parts(keys[0])[0].size_bytes is None
    with pytest.raises(KeyError):
        values.parts(digest("nothing"))
