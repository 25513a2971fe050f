"""Values loaded many at a time, without holding more of them than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any, TypeVar

from fleche_like.hashing import Digest

T = TypeVar("T")

MAX_BATCH = 512
# Sizes are not known before loading, so time stands for them: small values reach MAX_BATCH within
# ten batches, while arrays of hundreds of megabytes stay at one or two at a time.
GROW_BELOW_S = 0.1
SHRINK_ABOVE_S = 0.4


def in_batches(
    items: Iterable[T],
    digest_of: Callable[[T], Digest | None],
    load: Callable[[Sequence[Digest]], dict[Digest, Any]],
) -> Iterator[tuple[T, dict[Digest, Any]]]:
    """Yield each item, in order, with a dict that holds its value if it could be loaded.

    Args:
        items: what to load values for; read no further than a batch ahead.
        digest_of: the value wanted for an item, or None for no value.
        load: loads distinct digests as one batch.
    """
    source, size = iter(items), 1
    while batch := list(islice(source, size)):
        wanted = dict.fromkeys(d for item in batch if (d := digest_of(item)) is not None)
        begin = monotonic()
        loaded = load(list(wanted)) if wanted else {}
        size = _next_size(size, monotonic() - begin)
        for item in batch:
            yield item, loaded


def _next_size(size: int, elapsed_s: float) -> int:
    if elapsed_s < GROW_BELOW_S:
        return min(2 * size, MAX_BATCH)
    return max(1, size // 2) if elapsed_s > SHRINK_ABOVE_S else size


def load_all(
    digests: Iterable[Digest], load: Callable[[Sequence[Digest]], dict[Digest, Any]]
) -> dict[Digest, Any]:
    """Load distinct values, a batch at a time; those that are not there are left out."""
    distinct = list(dict.fromkeys(digests))
    loaded: dict[Digest, Any] = {}
    for start in range(0, len(distinct), MAX_BATCH):
        loaded |= load(distinct[start : start + MAX_BATCH])
    return loaded
