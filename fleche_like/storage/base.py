"""Objects by digest: the vocabulary that every storage shares.

A storage is put together from three kinds of parts::

    OperationContext          the hook that lock mixins wrap
    └── KeyManagement         list, contains, evict, expand, shrink by full or short digest
        ├── StorageBackend    put and get under a full digest: what a concrete storage implements
        ├── ValueStorage      save and load of values: what callers of values see
        │   └── ValueMixin    ValueStorage in terms of a StorageBackend
        └── CallStorage       save, load, query, transform of calls: what callers of calls see
            └── CallMixin     CallStorage in terms of a StorageBackend

Every public operation first resolves its key to a full digest and then enters
``_operation_context`` once, so that a short and a full spelling of one key take the same lock.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import heapq
import logging
import re
import reprlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, overload

from fleche_like.calls import DigestedCall, QueryCall
from fleche_like.errors import AmbiguousDigestError, InvalidDigest, KeyNotFound, SaveError
from fleche_like.hashing import DIGEST_LENGTH, Digest, value_digest

__all__ = [
    "MINIMUM_PREFIX_LENGTH",
    "AmbiguousDigestError",
    "CallMixin",
    "CallStorage",
    "Intent",
    "KeyManagement",
    "OperationContext",
    "SaveError",
    "StorageBackend",
    "ValueMixin",
    "ValueStorage",
    "check_key",
    "is_full",
]

logger = logging.getLogger(__name__)

MINIMUM_PREFIX_LENGTH: Final = 4
"""The shortest text that is taken for a short digest, as in git."""

_HEX = re.compile(rf"[0-9a-f]{{{MINIMUM_PREFIX_LENGTH},{DIGEST_LENGTH}}}")
_NO_CONTEXT: Final = contextlib.nullcontext()


class Intent(enum.StrEnum):
    """What an operation does to its key; lock mixins may share a lock among readers."""

    READ = "read"
    WRITE = "write"


def check_key(key: Digest | str) -> Digest:
    """Return ``key`` as a lowercase digest or prefix of one.

    Raises:
        InvalidDigest: (a KeyError) it is not 4 to 32 hex characters; it never becomes a pattern
            or a path.
    """
    # The length first: nobody gets us to fold or match megabytes.
    if len(key) <= DIGEST_LENGTH and _HEX.fullmatch(folded := key.lower()):
        return Digest(folded)
    raise InvalidDigest(
        f"{reprlib.repr(str(key))} is no digest: {MINIMUM_PREFIX_LENGTH} to {DIGEST_LENGTH} hex "
        "characters",
        key=str(key),
    )


def is_full(key: str) -> bool:
    """Whether a checked key is a whole digest and not a prefix of one."""
    return len(key) == DIGEST_LENGTH


def _longest_common_prefix_length(s1: str, s2: str) -> int:
    """Return how many leading characters two strings share.

    >>> _longest_common_prefix_length("3f9a11", "3f9b")
    3
    """
    pairs = zip(s1, s2, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(s1), len(s2)))


def _resolve_prefix(key: str, candidates: list[Digest]) -> Digest:
    """Return the one digest that a prefix stands for.

    Args:
        key: the prefix.
        candidates: the at most two lexicographically smallest stored digests that begin with it;
            finding just those is the caller's business.

    Raises:
        KeyNotFound: (a KeyError) there is no candidate.
        AmbiguousDigestError: there are two; the message shows both and the length that tells
            them apart.
    """
    if not candidates:
        raise KeyNotFound(f"nothing stored begins with {str(key)!r}", key=key)
    if len(candidates) == 1:
        return candidates[0]
    first, second = candidates
    length = _longest_common_prefix_length(first, second) + 1
    raise AmbiguousDigestError(
        f"{str(key)!r} is ambiguous: {first} and {second} both begin with it; "
        f"{length} characters tell them apart",
        key=key,
        candidates=(first, second),
        length=length,
    )


class OperationContext(abc.ABC):  # noqa: B024  the seed's base; its one hook has a default
    """The hook that is entered around every operation on a key.

    Storages and caches both inherit it, so that one lock mixin serves either.
    """

    def _operation_context(
        self,
        key: Digest | str,  # noqa: ARG002  for mixins
        *,
        intent: Intent = Intent.WRITE,  # noqa: ARG002  for mixins
    ) -> contextlib.AbstractContextManager[Any]:
        """Return the context of one operation; does nothing here.

        A mixin overrides it to hold a resource while the operation runs (a lock, a session, a
        file handle), and passes on through ``super()``, so that every mixin of the MRO gets to
        wrap the operation::

            @contextlib.contextmanager
            def _operation_context(self, key, *, intent=Intent.WRITE):
                with self._lock, super()._operation_context(key, intent=intent):
                    yield

        Args:
            key: the full key that is operated on.
            intent: what the operation does to it.
        """
        return _NO_CONTEXT

    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> contextlib.AbstractContextManager[Any]:
        """Enter the contexts of several keys in their one canonical order: ascending.

        Lock mixins number their locks in the same order, so that two such operations can never
        wait for each other in a circle.
        """
        if type(self)._operation_context is OperationContext._operation_context:
            return _NO_CONTEXT  # thousands of keys in a bulk save
        with contextlib.ExitStack() as entered:
            for key in sorted(set(keys)):
                entered.enter_context(self._operation_context(key, intent=intent))
            return entered.pop_all()


class KeyManagement(OperationContext):
    """Digests as keys: ``list``, ``contains``, ``evict``, ``expand`` and ``shrink``.

    A storage implements ``list``, ``_evict`` and ``_contains``. It may override
    ``_prefix_candidates`` and ``_sorted_around``, whose defaults read all of ``list()``, with
    something that its place can do better.
    """

    @abc.abstractmethod
    def list(self) -> Iterable[Digest]:
        """Yield every stored digest."""

    @abc.abstractmethod
    def _evict(self, key: Digest) -> None:
        """Remove a full key; silent if it is absent."""

    @abc.abstractmethod
    def _contains(self, key: Digest) -> bool:
        """Return whether a full key is stored."""

    def _prefix_candidates(self, prefix: str) -> Iterable[Digest]:
        """Return the at most two smallest stored digests that begin with ``prefix``."""
        return heapq.nsmallest(2, (key for key in self.list() if key.startswith(prefix)))

    def _sorted_around(
        self,
        keys: Sequence[Digest],  # noqa: ARG002  for storages that can read just their neighbours
    ) -> Sequence[str]:
        """Return stored digests in ascending order, at least each key's two neighbours."""
        return sorted(self.list())

    def evict(self, key: Digest | str) -> None:
        """Remove the entry of a key.

        Silent if a full key is absent.

        Raises:
            KeyError: nothing begins with a short key, or it is no digest.
            AmbiguousDigestError: several entries begin with a short key.
        """
        full = self._normalize_key(key)
        with self._operation_context(full, intent=Intent.WRITE):
            self._evict(full)

    def contains(self, key: Digest | str) -> bool:
        """Return whether a full or short key is stored.

        Raises:
            KeyError: the key is no digest.
            AmbiguousDigestError: several entries begin with a short key.
        """
        try:
            full = self._normalize_key(key)
        except KeyNotFound:
            return False
        with self._operation_context(full, intent=Intent.READ):
            return self._contains(full)

    def expand(self, key: Digest | str) -> Digest:
        """Return the full digest that a short one stands for; a full one as it is.

        Raises:
            KeyError: nothing begins with the short key, or it is no digest.
            AmbiguousDigestError: several entries begin with it.
        """
        full = self._normalize_key(key)
        with self._operation_context(full, intent=Intent.READ):
            return full

    @overload
    def shrink(self, key: Digest | str, /) -> Digest: ...
    @overload
    def shrink(
        self, key: Digest | str, second: Digest | str, /, *keys: Digest | str
    ) -> tuple[Digest, ...]: ...

    def shrink(self, /, *keys: Digest | str) -> Digest | tuple[Digest, ...]:
        """Return the shortest prefix (at least 4 characters) that names each key alone.

        Args:
            *keys: stored keys, full or short. Several are answered in one batch.

        Returns:
            One digest for one key, else a tuple in the order of the keys.

        Raises:
            KeyError: a key is not stored, or is no digest.
            AmbiguousDigestError: several entries begin with a short key.
        """
        if not keys:
            raise TypeError("shrink() takes at least one key")
        full = [self._normalize_key(key) for key in keys]
        with self._operation_contexts(full, intent=Intent.READ):
            around = self._sorted_around(full)
            short = tuple(self._shrink_one(key, around) for key in full)
        return short[0] if len(keys) == 1 else short

    def _shrink_one(self, key: Digest | str, sorted_all: Sequence[str]) -> Digest:
        """Return the shortest prefix of ``key`` that no other entry of ``sorted_all`` shares.

        Only the key's two neighbours in the order can share its longest prefix, so that
        ``sorted_all`` may hold just those and the key.
        """
        position = bisect_left(sorted_all, key)
        if position == len(sorted_all) or sorted_all[position] != key:
            raise KeyNotFound(f"{key} is not stored", key=key)
        before, after = max(position - 1, 0), position + 1
        neighbours = (*sorted_all[before:position], *sorted_all[after : after + 1])
        shared = (_longest_common_prefix_length(key, other) for other in neighbours)
        return Digest(key[: max(MINIMUM_PREFIX_LENGTH, 1 + max(shared, default=0))])

    def _normalize_key(self, key: Digest | str) -> Digest:
        """Return a full key as a Digest, and the full key that a short one stands for."""
        checked = check_key(key)
        if is_full(checked):
            return checked
        return _resolve_prefix(checked, [*islice(self._prefix_candidates(checked), 2)])


class StorageBackend(KeyManagement):
    """The primitive that a concrete storage implements: objects under full digests."""

    @abc.abstractmethod
    def put(self, value: Any, key: Digest) -> Digest:
        """Store ``value`` under ``key``, replacing what was there, and return the key."""

    @abc.abstractmethod
    def get(self, key: Digest) -> Any:
        """Return what is stored under ``key``.

        Raises:
            KeyError: nothing is.
        """

    def _contains(self, key: Digest) -> bool:
        try:
            self.get(key)
        except KeyError:
            return False
        return True


class ValueStorage(KeyManagement):
    """Values by their digest."""

    @abc.abstractmethod
    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value.

        Args:
            value: any object.
            key: its digest, if the caller has it already.

        Returns:
            The value's digest.

        Raises:
            SaveError: the value could not be turned into something storable.
            Indigestible: no key was given and the value has no digest.
        """

    @abc.abstractmethod
    def load(self, key: Digest | str) -> Any:
        """Return the value of a full or short digest.

        Raises:
            KeyError: it is not stored.
            AmbiguousDigestError: several values begin with a short digest.
        """


class ValueMixin(ValueStorage, StorageBackend):
    """A value storage in terms of ``put`` and ``get``."""

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under its digest: see :meth:`ValueStorage.save`."""
        full = value_digest(value) if key is None else require_full(key)
        with self._operation_context(full, intent=Intent.WRITE):
            return self.put(value, full)

    def load(self, key: Digest | str) -> Any:
        """Return a value: see :meth:`ValueStorage.load`."""
        full = self._normalize_key(key)
        with self._operation_context(full, intent=Intent.READ):
            return self.get(full)


def require_full(key: Digest | str) -> Digest:
    """Return ``key`` checked, refusing a short one: what is new cannot be abbreviated."""
    checked = check_key(key)
    if not is_full(checked):
        raise InvalidDigest(f"{key!r} is short; saving takes a whole digest", key=key)
    return checked


class CallStorage(KeyManagement):
    """Calls by their key."""

    @abc.abstractmethod
    def save(self, call: DigestedCall) -> Digest:
        """Store a call under its key, replacing an earlier record, and return the key.

        Raises:
            SaveError: the call could not be turned into something storable.
        """

    @abc.abstractmethod
    def load(self, key: Digest | str) -> DigestedCall:
        """Return the call of a full or short key.

        Raises:
            KeyError: it is not stored.
            AmbiguousDigestError: several calls begin with a short key.
        """

    @abc.abstractmethod
    def query(self, template: QueryCall) -> Iterable[DigestedCall]:
        """Yield every stored call that matches a template; ``None`` is its wildcard."""

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every stored call by what ``func`` makes of it.

        A new record is written before the old one is evicted, and a call whose new key is the
        place of one not yet transformed waits until that one has moved on: whenever this is
        interrupted, each call is there under its old or its new key. (In a circle of keys that
        trade places, one call is in memory alone while the circle turns.)

        Args:
            func: from an old call to the new one; ``None`` keeps them and recomputes their keys.
        """
        pending = dict.fromkeys(self.list())
        while pending:
            key = next(iter(pending))
            self._settle(self._chain(key, pending, func or _unchanged))

    def _chain(
        self,
        key: Digest,
        pending: dict[Digest, None],
        func: Callable[[DigestedCall], DigestedCall],
    ) -> Sequence[tuple[Digest, DigestedCall]]:
        """Return (old key, new call) of ``key`` and of all that must move on before it."""
        chain = []
        while key in pending:
            del pending[key]
            with contextlib.suppress(KeyNotFound):  # evicted by someone else meanwhile
                chain.append((key, func(self.load(key))))
                key = chain[-1][1].key
        return chain

    def _settle(self, chain: Sequence[tuple[Digest, DigestedCall]]) -> None:
        """Write the new calls, the last first, and evict the one place left empty."""
        targets = {self.save(call) for _, call in reversed(chain)}
        for key, _ in chain[:1]:
            if key not in targets:
                self.evict(key)


def _unchanged(call: DigestedCall) -> DigestedCall:
    return call


class CallMixin(CallStorage, StorageBackend):
    """A call storage in terms of ``put`` and ``get``; the key is the call's own."""

    def save(self, call: DigestedCall) -> Digest:
        """Store a call under its key: see :meth:`CallStorage.save`."""
        key = call.key
        with self._operation_context(key, intent=Intent.WRITE):
            return self.put(call, key)

    def load(self, key: Digest | str) -> DigestedCall:
        """Return a call: see :meth:`CallStorage.load`."""
        full = self._normalize_key(key)
        with self._operation_context(full, intent=Intent.READ):
            found: DigestedCall = self.get(full)
            return found

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Yield every stored call that matches the template.

        A call matches when the given arguments, result and metadata are exactly its own. Values
        may be given as they are or as :class:`Digest`.

        Args:
            template: what to look for; ``None`` is the wildcard.
        """
        for key in self.list():
            with contextlib.suppress(KeyNotFound):  # evicted while we were looking
                call = self.load(key)
                if template.matches(call):
                    yield call
