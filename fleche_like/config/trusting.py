"""Whom a cache believes: its keys and codecs, from options and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from fleche_like.codecs import SAFE, SafeCodec, Signer, Trust, signer_of
from fleche_like.config.environment import KEYS_FILE_VARIABLE, KEYS_VARIABLE, TRUST_VARIABLE
from fleche_like.errors import ConfigError

Keys: TypeAlias = (
    str
    | os.PathLike[str]
    | Mapping[str, str | os.PathLike[str]]
    | Sequence[str]
    | Signer
    | Literal[False]
    | None
)
"""A key file, ``{"file": path}`` or ``{"env": name}``, keys as text, what signs; False for none."""


class Doubts(NamedTuple):
    """What a cache does not take for granted.

    Attributes:
        signer: signs, and verifies; ``None`` to believe everybody.
        trust: what may be decoded.
    """

    signer: Signer | None
    trust: Trust

    def of_values(self) -> dict[str, Any]:
        """Return the options of a storage of values."""
        if self.trust == "safe":
            return {"signer": self.signer, "codec": SafeCodec(), "trusted": SAFE}
        return {"signer": self.signer}


def doubts_of(keys: Keys, trust: Trust | None, *, in_memory: bool = False) -> Doubts:
    """Return what options say, and the environment where they say nothing.

    Args:
        keys: as :func:`~fleche_like.config.open_cache` takes them.
        trust: the same.
        in_memory: nobody else can write to the cache, so that the environment's keys are not for
            it.

    Raises:
        ConfigError: there are no such keys, or no such trust.
    """
    if keys is None and not in_memory:
        keys = _keys_of_environment()
    chosen = trust or os.environ.get(TRUST_VARIABLE) or "pickle"
    if chosen == "safe":
        return Doubts(signer_of(keys), "safe")
    if chosen == "pickle":
        return Doubts(signer_of(keys), "pickle")
    source = "open_cache" if trust else TRUST_VARIABLE
    raise ConfigError(f"trust is 'pickle' or 'safe', not {chosen!r}", source=source)


def _keys_of_environment() -> Keys:
    if os.environ.get(KEYS_VARIABLE):
        return {"env": KEYS_VARIABLE}
    file = os.environ.get(KEYS_FILE_VARIABLE)
    return {"file": file} if file else None
