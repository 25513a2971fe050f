"""A storage manager does what two dicts and a clock would do, whatever is asked of it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fleche_like.storage.manager import StorageManager, create_storage_manager

NAMES = st.sampled_from(["a", "b", "", "a/b", "../a", "ä\ud800", "a" * 5000, "A"])
VALUES = st.one_of(
    st.none(),
    st.integers(0, 3),
    st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=2),
    st.integers(1, 3).map(lambda n: {"part": [float(n)] * 4000, "n": 1}),
    st.integers(1, 3).map(lambda n: [np.full(1000, float(n)), n]),
)
SIDES = ("primary", "secondary")


class Entry(NamedTuple):
    """What a place says of a name: since when, and the value if it was not deleted."""

    since: int
    live: bool
    value: Any = None


class Machine(RuleBasedStateMachine):
    types: tuple[str, str] = ("memory", "filesystem")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="results-"))
        clock = itertools.count(1)
        ticks = mock.Mock(side_effect=lambda: 1000 * next(clock))
        self.patch = mock.patch("fleche_like.storage.names._now", ticks)
        self.patch.start()
        configs = [self.config(kind, name) for kind, name in zip(self.types, SIDES, strict=True)]
        self.manager = create_storage_manager(
            self.types[0], configs[0], self.types[1], configs[1], cache_size_mb=0.05
        )
        self.now = 0
        self.model: dict[str, dict[str, Entry]] = {side: {} for side in SIDES}

    def config(self, kind: str, name: str) -> dict[str, Any]:
        extra = {"destructure_bytes": 4096}
        if kind == "filesystem":
            return {"base_path": str(self.folder / name), **extra}
        if kind == "database":
            return {"connection_string": f"sqlite:///{self.folder / name}.db", **extra}
        return extra

    def teardown(self) -> None:
        if hasattr(self, "manager"):
            self.manager.close()
            self.patch.stop()
            shutil.rmtree(self.folder)

    def storage(self, side: str) -> Any:
        return getattr(self.manager, side)

    def live(self, side: str, name: str) -> bool:
        entry = self.model[side].get(name)
        return entry is not None and entry.live

    def write(self, sides: Any, name: str, *, live: bool = True, value: Any = None) -> None:
        self.now += 1
        for side in sides:
            self.model[side][name] = Entry(self.now, live, value)

    def holding(self, name: str, sides: Any = SIDES) -> list[str]:
        return [side for side in sides if self.live(side, name)]

    @rule(name=NAMES, value=VALUES, replicate=st.booleans())
    def save(self, name: str, value: Any, replicate: bool) -> None:
        self.manager.save_result(name, value, {"of": name}, replicate=replicate)
        self.write(SIDES if replicate else SIDES[:1], name, value=value)

    @rule(name=NAMES, value=VALUES, side=st.sampled_from(SIDES))
    def save_on_one_side(self, name: str, value: Any, side: str) -> None:
        self.storage(side).save_result(name, value)
        self.write([side], name, value=value)

    @rule(name=NAMES, use_cache=st.booleans())
    def load(self, name: str, use_cache: bool) -> None:
        holders = self.holding(name)
        if not holders:
            with pytest.raises(KeyError):
                self.manager.load_result(name, use_cache)
            return
        entry = self.model[holders[0]][name]
        loaded = self.manager.load_result(name, use_cache)
        np.testing.assert_equal(loaded, entry.value)
        assert type(loaded) is type(entry.value)
        self.model["primary"].setdefault(name, entry)  # read-repair, but for what was deleted
        spoil(loaded)

    @rule(name=NAMES, from_all=st.booleans())
    def delete(self, name: str, from_all: bool) -> None:
        holders = self.holding(name, SIDES if from_all else SIDES[:1])
        if not holders:
            with pytest.raises(KeyError):
                self.manager.delete_result(name, from_all)
            return
        self.manager.delete_result(name, from_all)
        self.write(holders, name, live=False)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        holders = self.holding(old)
        if not holders:
            with pytest.raises(KeyError):
                self.manager.rename_result(old, new)
        elif self.holding(new):
            with pytest.raises(ValueError, match="already"):
                self.manager.rename_result(old, new)
        else:
            self.manager.rename_result(old, new)
            self.now += 1
            for side in holders:
                entry = self.model[side][old]
                self.model[side][new] = Entry(self.now, True, entry.value)
                self.model[side][old] = Entry(self.now, False)

    @rule(name=NAMES, there=st.permutations(SIDES))
    def migrate(self, name: str, there: list[str]) -> None:
        source, target = there
        if not self.live(source, name):
            with pytest.raises(KeyError):
                self.manager.migrate_result(name, source, target)
            return
        self.manager.migrate_result(name, source, target)
        self.model[target][name] = self.model[source][name]

    @rule(there=st.permutations(SIDES))
    def sync_one_way(self, there: list[str]) -> None:
        source, target = there
        counts = self.manager.sync_backends(f"{source}_to_{target}")
        before = dict(self.model[target])
        live = {name: each for name, each in self.model[source].items() if each.live}
        self.model[target] |= live
        changed = sum(before.get(name) != entry for name, entry in live.items())
        assert (counts["copied"], counts["deleted"], counts["errors"]) == (changed, 0, 0)
        assert counts["skipped"] == len(live) - changed

    @rule()
    def sync_both_ways(self) -> None:
        self.manager.sync_backends("bidirectional")
        first, second = (self.model[side] for side in SIDES)
        for name in {*first, *second}:
            found = [side[name] for side in (first, second) if name in side]
            newer = max(found, key=lambda entry: entry.since)
            if any(entry.live for entry in found):
                first[name] = second[name] = newer
        again = self.manager.sync_backends("bidirectional")
        assert (again["copied"], again["deleted"], again["errors"]) == (0, 0, 0)

    @rule()
    def forget_what_is_in_memory(self) -> None:
        self.manager.clear_cache()
        assert self.manager.list_results(from_backend="cache") == []

    @rule(from_all=st.booleans())
    def clear(self, from_all: bool) -> None:
        self.manager.clear_all_results(from_all)
        for side in SIDES if from_all else SIDES[:1]:
            for name in [name for name in self.model[side] if self.live(side, name)]:
                self.write([side], name, live=False)

    @rule()
    def open_again(self) -> None:
        if "memory" not in self.types:
            description = self.manager.to_dict()
            self.manager.close()
            self.manager = StorageManager.from_dict(description)

    @invariant()
    def each_place_has_the_names_that_it_should_have(self) -> None:
        if not hasattr(self, "manager"):
            return
        for side in SIDES:
            expected = sorted(name for name in self.model[side] if self.live(side, name))
            assert self.manager.list_results(from_backend=side) == expected
            beginning = [name for name in expected if name.startswith("a")]
            assert self.manager.list_results("a", side) == beginning
        for name in ("a", "", "a/b"):
            holders = self.holding(name)
            assert self.manager.exists_result(name) == self.live("primary", name)
            assert self.manager.exists_result(name, check_all=True) == bool(holders)
            kinds = dict(zip(SIDES, self.types, strict=True))
            assert self.manager.get_result_storage_type(name) == (
                kinds[holders[0]] if holders else None
            )


def spoil(value: Any) -> None:
    """Change a loaded value in place: nobody else may see it."""
    if isinstance(value, dict):
        value["spoilt"] = True
    elif isinstance(value, list):
        value[0][:] = -1


class DatabaseMachine(Machine):
    types = ("database", "filesystem")


LIMITS = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestMemoryAndFiles = Machine.TestCase
TestMemoryAndFiles.settings = LIMITS
TestDatabaseAndFiles = DatabaseMachine.TestCase
TestDatabaseAndFiles.settings = LIMITS
