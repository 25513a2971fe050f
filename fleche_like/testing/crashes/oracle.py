"""What must hold after writers were killed, asked by a process that comes fresh.

Right results are computed anew, what must be there is known from journals, and bytes are looked
for by :meth:`Place.broken`: none of the package's own checks has a say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import fleche_like as fl
from fleche_like.testing.crashes import work
from fleche_like.testing.crashes.places import Place
from fleche_like.testing.crashes.writer import ERRORS, Entry, Journal


class Findings(NamedTuple):
    """What was found, each in words.

    Attributes:
        calls: how many calls are stored.
        broken: records without a result, unsound files, rows that do not follow from records.
        wrong: values that are not what their functions give.
        lost: calls that were stored, as their writers were told, and are gone.
        stuck: what the next run could not do.
    """

    calls: int = 0
    broken: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def inspect(place: Place, journals: Path) -> Findings:
    """Look at a cache whose writers are dead, and let the next run do what they were at.

    Args:
        place: of the cache.
        journals: the folder with the journals of all who ever wrote there.
    """
    broken = tuple(place.broken())
    entries = {path.name: [*Journal.read(path)] for path in journals.iterdir() if _is_journal(path)}
    with place.open() as cache, fl.use_cache(cache):
        seen, dangling, wrong = _stored(cache)
        lost = tuple(f"{name}({n})" for name, n in _promised(entries) if (name, n) not in seen)
        unindexed = tuple(_unindexed(cache, len(seen)))
        stuck = tuple(_next_run(entries))
    return Findings(len(seen), broken + dangling + unindexed, wrong, lost, stuck)


def _is_journal(path: Path) -> bool:
    return path.name != ERRORS


def _stored(
    cache: fl.Cache,
) -> tuple[set[tuple[str, int]], tuple[str, ...], tuple[str, ...]]:
    """Return what is stored, what has no result, and what has a wrong one."""
    seen: set[tuple[str, int]] = set()
    dangling: list[str] = []
    wrong: list[str] = []
    for call in cache.query():
        n = call.arguments["n"]
        seen.add((call.name, n))
        try:
            right = work.is_expected(call.result, call.name, n) and _has_its_key(call)
        except Exception as error:  # noqa: BLE001  whatever it is, the result is not there
            dangling.append(f"call {call.key} {call.name}({n}): {error!r}")
        else:
            if not right:
                wrong.append(f"call {call.key} {call.name}({n}): {call.result!r}"[:500])
    return seen, tuple(dangling), tuple(wrong)


def _has_its_key(call: fl.LazyCall) -> bool:
    name, n = call.name, call.arguments["n"]
    key: fl.Digest = work.FUNCTIONS[name].key(*work.arguments(name, n))
    return call.key == key


def _promised(entries: dict[str, list[Entry]]) -> Iterator[tuple[str, int]]:
    """Yield the calls that must be there: stored, and their eviction not even begun."""
    for journal in entries.values():
        stored: dict[tuple[str, int], bool] = {}
        for entry in journal:
            stored[entry.name, entry.n] = entry.what == "stored"
        yield from (call for call, there in stored.items() if there)


def _unindexed(cache: fl.Cache, stored: int) -> Iterator[str]:
    """Compare what lists, counts and conditions give: the rows with the records."""
    ways = {
        "keys": sum(1 for _ in cache.calls.list()),
        "count": cache.query().count(),
        "condition": cache.query().where(fl.arg("n") >= 0).count(),
        "names": sum(cache.query(name=name).count() for name in work.FUNCTIONS),
    }
    for way, found in ways.items():
        if found != stored:
            yield f"{way}: {found} calls, of {stored} that are stored"


def _next_run(entries: dict[str, list[Entry]]) -> Iterator[str]:
    """Ask for what each writer was at when it died, and see it stored."""
    for journal in entries.values():
        for _, name, n in [entry for entry in journal if entry.name][-1:]:
            result = work.ask(name, n)
            if not work.is_expected(result, name, n):
                yield f"{name}({n}) gave {result!r}"[:500]
            function = work.FUNCTIONS[name]
            if not function.contains(*work.arguments(name, n)):
                yield f"{name}({n}) was not stored"
