"""What a fault does to an operation."""

from __future__ import annotations

import copy
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["failure", "no room", "lost", "conflict"]
"""An error in the words of whatever is struck: it broke; its disk is full; it went away; somebody
else was in the way, and another try may do."""


class Site(Protocol):
    """An operation that is about to be struck, or was just done.

    Attributes:
        name: of the operation: a method, or the first word of a statement.
        key: what it is about: a key, or the whole statement.
    """

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...

    def error(self, kind: Kind) -> Exception:
        """Return the error that the real place would raise; a lost one is lost from here on."""
        ...

    def do_part(self, share: float) -> bool:
        """Do this share of a write; ``False`` if the operation cannot be done in part."""
        ...


class Effect(Protocol):
    """What happens to an operation. Picklable."""

    def __call__(self, site: Site, /) -> bool:
        """Strike; whether the operation still has to be done.

        Raises:
            BaseException: what the caller of the operation is to see.
        """
        ...


@dataclass(frozen=True)
class Fails:
    """The operation raises.

    Args:
        error: which error, in the words of the place; or the very one to raise, an interrupt
            for example.
    """

    error: Kind | BaseException = "failure"

    def __call__(self, site: Site, /) -> bool:
        if isinstance(self.error, BaseException):
            raise copy.copy(self.error)
        raise site.error(self.error)


@dataclass(frozen=True)
class Torn:
    """Part of what is written arrives: a place without atomic writes, or a power cut.

    Operations that are no writes, and statements, which databases do whole or not at all, fail.

    Args:
        share: how much of the bytes, between 0 and 1.
        silent: say that all went well.
    """

    share: float = 0.5
    silent: bool = False

    def __call__(self, site: Site, /) -> bool:
        if site.do_part(self.share) and self.silent:
            return False
        raise site.error("failure")


@dataclass(frozen=True)
class Delayed:
    """The operation takes longer.

    Args:
        seconds: by so much.
    """

    seconds: float

    def __call__(self, _site: Site, /) -> bool:
        time.sleep(self.seconds)
        return True


@dataclass(frozen=True)
class Dies:
    """The process dies at once, as of a power cut or the out-of-memory killer: no cleaning up."""

    _signal: int = field(default=getattr(signal, "SIGKILL", signal.SIGTERM), repr=False)

    def __call__(self, _site: Site, /) -> bool:
        os.kill(os.getpid(), self._signal)
        raise SystemExit(self._signal)  # where a signal takes its time
