"""Bringing along the folder of a ``joblib.Memory``.

What joblib writes (1.4 to 1.6): ``<module>/<function>/`` has ``func_code.py``, the source of
the function, and for each call a folder named after the hash of its arguments, with the pickled
result in ``output.pkl`` and in ``metadata.json`` the *texts* of the arguments. The values of the
arguments are not stored. So a call comes along if its arguments can be had otherwise: those whose
texts are Python literals, and those that the caller names. Either way they count only if joblib's
own hash of them is the name of the entry.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.errors import CacheNotFound
from fleche_like.maintenance.importing.entries import (
    Adopted,
    Arguments,
    Entry,
    SkippedEntry,
    Trust,
    adopt,
    as_seconds,
    items_as_arguments,
    plain,
    require_trust,
    spelt,
)
from fleche_like.memo import Memoized
from fleche_like.support.optional import require

_FIRST_LINE: Final = re.compile(r"# first line: \d+\n")
_NO_ARGUMENTS: Final = "its arguments are not stored: their texts are no literals"


def import_joblib(
    cache: Cache,
    folder: str | os.PathLike[str],
    functions: Iterable[Memoized[..., Any]],
    *,
    trust: Trust = None,
    arguments: Iterable[Sequence[Any] | Mapping[str, Any]] = (),
    ignore: Sequence[str] = (),
    changed_code: bool = False,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Adopted:
    """Store the calls that a ``joblib.Memory`` holds, so that memoized functions hit.

    joblib keeps no values of arguments, only their texts. Those that are Python literals come
    along, and those named by ``arguments``; all others are skipped and counted.

    Args:
        cache: where the calls go.
        folder: the ``location`` of the Memory; it is only read.
        functions: memoized functions whose calls are wanted, of the names that joblib knows.
        trust: ``"full"`` lets results be unpickled, which runs any code they hold.
        arguments: of calls that may be there: sequences by place, mappings by name. Each is tried
            with every function.
        ignore: the names that joblib was told to ignore.
        changed_code: take results too of a function whose source is not what joblib noted.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ConfigError: ``trust`` was not given, or something is no memoized function.
        CacheNotFound: joblib has written nothing there.
        MissingExtra: joblib is not installed.
        ReadOnlyError: the cache was opened read-only.
    """
    require_trust(trust, "a joblib folder")
    require("joblib", "joblib")
    root = _root(Path(folder))
    known = [*items_as_arguments(arguments)]
    entries = [
        read
        for function in functions
        for read in _Store(root, function, known, ignore, changed_code).entries()
    ]
    return adopt(cache, "joblib", entries, dry_run=dry_run, show_progress=show_progress)


def _root(folder: Path) -> Path:
    # A location given as text gets a folder of joblib's own inside, one given as a Path does not.
    for root in (folder / "joblib", folder):
        if next(root.rglob("output.pkl"), None) is not None:
            return root
    raise CacheNotFound(f"there is no cache of joblib in {folder}", url=str(folder))


class _Store:
    """What joblib holds of one function."""

    def __init__(
        self,
        root: Path,
        function: Memoized[..., Any],
        known: Sequence[Arguments],
        ignore: Sequence[str],
        changed_code: bool,
    ) -> None:
        from joblib.func_inspect import get_func_name

        self._function = function
        self._plain = plain(function)
        modules, name = get_func_name(self._plain)
        self._folder = root.joinpath(*modules, name)
        self._ignore = list(ignore)
        self._changed = not changed_code and not self._is_current()
        self._named = dict(self._hashed(known))

    def entries(self) -> Iterator[Callable[[], Entry]]:
        """Yield what reads one entry each."""
        if self._folder.is_dir():
            for place in sorted(self._folder.iterdir()):
                if (place / "output.pkl").is_file():
                    yield functools.partial(self._entry, place)

    def _entry(self, place: Path) -> Entry:
        if self._changed:
            raise SkippedEntry("the source of its function has changed")
        told = _metadata(place)
        arguments = self._named.get(place.name) or self._literal(place.name, told)
        return Entry(
            self._function,
            arguments,
            functools.partial(_load, place / "output.pkl"),
            as_seconds(told.get("time")),
            as_seconds(told.get("duration")),
        )

    def _is_current(self) -> bool:
        from joblib.func_inspect import get_func_code

        try:
            noted = (self._folder / "func_code.py").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return False
        return bool(_FIRST_LINE.sub("", noted, count=1) == get_func_code(self._plain)[0])

    # --- arguments -----------------------------------------------------------------------------

    def _hashed(self, known: Iterable[Arguments]) -> Iterator[tuple[str, Arguments]]:
        for arguments in known:
            found = self._hash(arguments)
            if found is not None:
                yield found, arguments

    def _hash(self, arguments: Arguments) -> str | None:
        import joblib
        from joblib.func_inspect import filter_args

        args, kwargs = arguments
        try:
            filtered = filter_args(self._plain, self._ignore, args, kwargs)
            return str(joblib.hash(filtered))
        except Exception:  # noqa: BLE001  arguments of another function, or that do not pickle
            return None

    def _literal(self, name: str, told: Mapping[str, Any]) -> Arguments:
        texts = told.get("input_args")
        try:
            values = {key: ast.literal_eval(text) for key, text in dict(texts or {}).items()}
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise SkippedEntry(_NO_ARGUMENTS) from None
        arguments = self._spelt(values)
        # A text may say too little: 1 is the text of other things than an int.
        if self._hash(arguments) != name:
            raise SkippedEntry(_NO_ARGUMENTS)
        return arguments

    def _spelt(self, values: dict[str, Any]) -> Arguments:
        for parameter in inspect.signature(self._plain).parameters.values():
            for kind, key in ((parameter.VAR_POSITIONAL, "*"), (parameter.VAR_KEYWORD, "**")):
                if parameter.kind is kind and key in values:
                    values[parameter.name] = values.pop(key)
            if parameter.name in self._ignore and parameter.default is parameter.empty:
                values[parameter.name] = None
        return spelt(self._plain, values)


def _metadata(place: Path) -> Mapping[str, Any]:
    try:
        told = json.loads((place / "metadata.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _load(file: Path) -> Any:
    import joblib

    return joblib.load(file)
