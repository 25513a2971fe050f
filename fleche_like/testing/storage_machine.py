"""A state machine that does anything to a path-level storage and compares it with a dict."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleche_like.backends import Storage
from fleche_like.errors import InvalidKey

_names = st.sampled_from(["a", "b", "ab", "é"])
_paths = st.lists(_names, min_size=1, max_size=2).map("/".join)
_data = st.binary(max_size=20)


class StorageMachine(RuleBasedStateMachine):
    """Writes, appends, removes, flushes at random; a dict of files says what must be read.

    Args:
        storage: an empty storage; closed in the end.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.storage = storage
        self.model: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.storage.close()

    @rule(path=_paths, data=_data)
    def write(self, path: str, data: bytes) -> None:
        """Write; a place with folders may refuse what is a file and a folder at once."""
        try:
            self.storage.write(path, data)
        except InvalidKey:
            assert self._is_in_the_way(path)
        else:
            self.model[path] = data

    @rule(path=_paths, data=_data)
    def append(self, path: str, data: bytes) -> None:
        """Append, to what is there or not."""
        try:
            self.storage.append(path, data)
        except InvalidKey:
            assert self._is_in_the_way(path)
        else:
            self.model[path] = self.model.get(path, b"") + data

    @rule(path=_paths)
    def remove(self, path: str) -> None:
        """Remove a file, there or not."""
        self.storage.remove(path)
        self.model.pop(path, None)

    @rule(path=_paths)
    def remove_dir(self, path: str) -> None:
        """Remove a folder if it is empty, which changes no file."""
        self.storage.remove_dir(path)

    @rule()
    def flush(self) -> None:
        """Bring home what is held back."""
        self.storage.flush()

    @rule(path=_paths, offset=st.integers(0, 30), length=st.none() | st.integers(0, 30))
    def read_range(self, path: str, offset: int, length: int | None) -> None:
        """Read a part of a file that is there."""
        if path in self.model:
            end = None if length is None else offset + length
            found = self.storage.read_range(path, offset, length)
            assert found == self.model[path][offset:end]

    @rule(path=_paths)
    def look(self, path: str) -> None:
        """Look at a file, there or not."""
        found = self.storage.stat(path)
        data = self.model.get(path)
        assert self.storage.exists(path) is (data is not None)
        assert (None if found is None else found.size) == (None if data is None else len(data))
        if data is not None:
            assert self.storage.read(path) == data

    @invariant()
    def lists_what_is_there(self) -> None:
        """List the root; a place with folders may show empty ones."""
        found = self.storage.list_dir("")
        assert found == sorted(set(found))
        assert {path.split("/")[0] for path in self.model} <= set(found)

    def _is_in_the_way(self, path: str) -> bool:
        return any(
            other.startswith(path + "/") or path.startswith(other + "/") for other in self.model
        )
