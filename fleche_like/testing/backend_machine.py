"""A state machine that does anything to a backend and compares it with a dict."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleche_like.backends import ByteBackend
from fleche_like.errors import InvalidKey, KeyNotFound

# Few names, so that keys collide, nest and share beginnings.
_names = st.sampled_from(["a", "b", "ab", "a.b", "a-b", "é"])
_keys = st.lists(_names, min_size=1, max_size=3).map("/".join)
_prefixes = st.lists(_names, max_size=2).map("/".join)
_data = st.one_of(st.binary(max_size=20), st.integers(0, 100_000).map(lambda n: b"\7" * n))


class BackendMachine(RuleBasedStateMachine):
    """Puts, deletes and lists at random; a dict of keys says what must come out.

    Args:
        backend: an empty backend; closed in the end.
    """

    def __init__(self, backend: ByteBackend) -> None:
        super().__init__()
        self.backend = backend
        self.model: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.backend.close()

    @rule(key=_keys, data=_data)
    def put(self, key: str, data: bytes) -> None:
        """Store; a place with folders may refuse what is a key and a container at once."""
        try:
            self.backend.put_bytes(key, data)
        except InvalidKey:
            assert any(_inside(key, other) or _inside(other, key) for other in self.model)
        else:
            self.model[key] = data

    @rule(key=_keys)
    def delete(self, key: str) -> None:
        """Remove one key, there or not."""
        self.backend.delete(key)
        self.model.pop(key, None)

    @rule(prefix=_prefixes)
    def delete_prefix(self, prefix: str) -> None:
        """Remove a container."""
        self.backend.delete_prefix(prefix)
        self.model = {key: data for key, data in self.model.items() if not _inside(key, prefix)}

    @rule(key=_keys)
    def get(self, key: str) -> None:
        """Read one key, there or not."""
        try:
            found: bytes | None = self.backend.get_bytes(key)
        except KeyNotFound:
            found = None
        assert found == self.model.get(key)
        assert self.backend.exists(key) == (key in self.model)

    @rule(prefix=_prefixes)
    def list_children(self, prefix: str) -> None:
        """List one level; a place with folders may show empty ones."""
        found = list(self.backend.list_prefix(prefix))
        assert found == sorted(set(found))
        expected = {_child(key, prefix) for key in self.model if _inside(key, prefix)}
        assert expected <= set(found)
        for extra in set(found) - expected:
            assert extra.endswith("/")
            assert list(self.backend.list_prefix(extra, recursive=True)) == []

    @invariant()
    def lists_every_key(self) -> None:
        """List everything."""
        assert list(self.backend.list_prefix("", recursive=True)) == sorted(self.model)


def _inside(key: str, prefix: str) -> bool:
    names, container = key.split("/"), prefix.split("/") if prefix else []
    return len(names) > len(container) and names[: len(container)] == container


def _child(key: str, prefix: str) -> str:
    names, depth = key.split("/"), len(prefix.split("/")) + 1 if prefix else 1
    return "/".join(names[:depth]) + ("/" if len(names) > depth else "")
