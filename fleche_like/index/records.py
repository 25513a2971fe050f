"""Records of calls as SQL finds them: opening what a statement gave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from fleche_like.calls import DigestedCall
from fleche_like.codecs import Signer
from fleche_like.errors import DamagedEnvelope, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.storage.records import open_record

logger = logging.getLogger(__name__)

Records: TypeAlias = Callable[[Sequence[Digest]], Iterator[tuple[Digest, bytes | None]]]
"""Gives the records of keys, each with its key, ``None`` where there is none."""


def opened(
    pairs: Iterable[tuple[str, bytes | None]], signer: Signer | None = None
) -> Iterator[DigestedCall]:
    """Yield the calls of keys and records; passes over what is gone, damaged or not trusted."""
    for key, data in pairs:
        if data is None:
            continue  # evicted since
        try:
            yield open_record(data, Digest(key), signer)
        except (DamagedEnvelope, UntrustedEnvelope) as problem:
            logger.warning("call %s was passed over: %s", key, problem.reason)
