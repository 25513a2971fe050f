"""A byte backend that something goes wrong in."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fleche_like.backends import ByteBackend
from fleche_like.backends.base import Buffer, as_bytes
from fleche_like.errors import BackendUnavailable, WriteConflict
from fleche_like.testing.faults.effects import Kind
from fleche_like.testing.faults.plan import Faults
from fleche_like.testing.faults.wrapping import Faulty, Operation

_WRITES: Final = ("put_bytes", "put_parts", "append_bytes")


class _BackendOperation(Operation):
    """One call of a backend's method; a write may be done in part."""

    def __init__(self, backend: ByteBackend, name: str, args: tuple[Any, ...]) -> None:
        super().__init__(name, args[0] if args and isinstance(args[0], str) else "")
        self._backend = backend
        self._args = args

    def error(self, kind: Kind) -> Exception:
        url = self._backend.url
        if kind == "lost":
            message = f"{url} went away during {self.name} of {self.key!r}"
            return BackendUnavailable(message, key=self.key, url=url)
        if kind == "conflict":
            return WriteConflict(f"{self.key!r} was changed in {url}", key=self.key, url=url)
        return super().error(kind)

    def do_part(self, share: float) -> bool:
        if self.name not in _WRITES:
            return False
        data = _joined(self._args[1])
        begun = data[: int(len(data) * share)]
        method = "append_bytes" if self.name == "append_bytes" else "put_bytes"
        getattr(self._backend, method)(self.key, begun)
        return True


class FaultyBackend(Faulty):
    """A :class:`~fleche_like.backends.ByteBackend` that does what another one does, with faults.

    It has the abilities of that one and no others. Operations go by the names of methods; an
    operation on several keys has the key ``""``. A transaction is no operation: its statements
    are, see :func:`inject`.

    Args:
        backend: what it wraps; closed with it.
        faults: what goes wrong when.

    Thread-safe as what it wraps. Pickles as backend and plan.
    """

    _abilities = (
        "put_parts",
        "open_read",
        "map_bytes",
        "stat",
        "read_range",
        "get_many",
        "get_starts",
        "put_many",
        "append_bytes",
        "fingerprint",
        "replace",
        "remove_empty",
        "sweep",
    )
    _untouched = ("transaction",)

    def __init__(self, backend: ByteBackend, faults: Faults) -> None:
        super().__init__(backend, faults)
        self.backend = backend

    @property
    def url(self) -> str:
        return self.backend.url

    def put_bytes(self, key: str, data: Buffer) -> None:
        self._do("put_bytes", key, data)

    def get_bytes(self, key: str) -> bytes:
        return self._done("get_bytes", self.backend.get_bytes, key)

    def exists(self, key: str) -> bool:
        return self._done("exists", self.backend.exists, key)

    def delete(self, key: str) -> None:
        self._do("delete", key)

    def delete_prefix(self, prefix: str) -> None:
        self._do("delete_prefix", prefix)

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        list_prefix = functools.partial(self.backend.list_prefix, recursive=recursive)
        return self._done("list_prefix", list_prefix, prefix)

    def ensure_prefix(self, prefix: str) -> None:
        self._do("ensure_prefix", prefix)

    def close(self) -> None:
        self.backend.close()

    def _operation(self, name: str, args: tuple[Any, ...]) -> Operation:
        return _BackendOperation(self.backend, name, args)


def _joined(data: Buffer | Sequence[Buffer]) -> bytes:
    parts = data if isinstance(data, list | tuple) else (data,)
    return b"".join(map(as_bytes, parts))
