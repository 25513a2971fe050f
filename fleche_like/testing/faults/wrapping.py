"""What all that is wrapped in faults has in common."""

from __future__ import annotations

import abc
import errno
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fleche_like.testing.faults.effects import Kind, Site
from fleche_like.testing.faults.plan import Faults

T = TypeVar("T")


class Operation:
    """One call of a method, done as a whole or not at all.

    Args:
        name: of the method.
        key: what it is about; empty if that is not one key.
    """

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.key = key

    def error(self, kind: Kind) -> Exception:
        """Return the error of a kind, as the wrapped object would raise it."""
        number = errno.ENOSPC if kind == "no room" else errno.EIO
        return OSError(number, os.strerror(number), self.key)

    def do_part(self, _share: float) -> bool:
        """Do a share of the operation, where that is possible; return whether it was done."""
        return False


class Faulty(abc.ABC):
    """Does what another object does, with faults; has the abilities of that one and no others.

    A subclass says how a call becomes an :class:`Operation`, and forwards the methods that every
    object of its kind has.

    Args:
        wrapped: does it.
        faults: what goes wrong when.
    """

    _abilities: ClassVar[tuple[str, ...]] = ()
    """Methods that not every object of the kind has."""

    _untouched: ClassVar[tuple[str, ...]] = ()
    """Attributes that are passed through: what is no operation by itself."""

    def __init__(self, wrapped: Any, faults: Faults) -> None:
        self._wrapped = wrapped
        self.faults = faults
        # Attributes of the instance, so that protocols see just what is there.
        for name in self._abilities:
            if hasattr(wrapped, name):
                setattr(self, name, functools.partial(self._do, name))
        for name in self._untouched:
            if hasattr(wrapped, name):
                setattr(self, name, getattr(wrapped, name))

    if TYPE_CHECKING:  # the abilities

        def __getattr__(self, name: str) -> Any: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._wrapped, self.faults)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._wrapped!r})"

    @abc.abstractmethod
    def _operation(self, name: str, args: tuple[Any, ...]) -> Site:
        """Return the site of a call of a method."""

    def _do(self, name: str, *args: Any, **options: Any) -> Any:
        return self._done(name, functools.partial(getattr(self._wrapped, name), **options), *args)

    def _done(self, name: str, method: Callable[..., T], *args: Any) -> T:
        site = self._operation(name, args)
        return self.faults.run(site, lambda: method(*args))  # type: ignore[return-value]
