"""Input files as arguments: what counts is what they hold."""

from __future__ import annotations

import os
import re
import stat
import threading
import time
import types
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, get_args

from xxhash import xxh3_128

from fleche_like.calls.annotations import names_in_scope
from fleche_like.errors import Indigestible

RACY_NS: Final = 2_000_000_000
"""A file that was changed less than this before it was read may have been changed again since
without a trace in its times, whose resolution is up to 2 s (FAT)."""

_CHUNK_BYTES: Final = 1024 * 1024
_MOST_KNOWN: Final = 16_384
_ATTEMPTS: Final = 3
_DOTTED_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")

Signature = tuple[int, int, int, int, int]
"""Device, inode, size, time of modification and of change, both in ns."""


class Seen(NamedTuple):
    """A file as it was read.

    Args:
        path: absolute.
        signature: its status at that time.
        content: hexadecimal XXH3-128 of its bytes.
        read_at_ns: when reading began, in ns since 1970.
    """

    path: str
    signature: Signature
    content: str
    read_at_ns: int

    def is_current(self) -> bool:
        """Return whether the file looks as it did; false if it is gone."""
        try:
            return _signature(os.stat(self.path)) == self.signature
        except OSError:
            return False

    def is_settled(self) -> bool:
        """Whether a later change would show in the signature: git's rule for racy entries."""
        return max(self.signature[3:]) + RACY_NS < self.read_at_ns


class File(os.PathLike[str]):
    """A file as an argument: it counts by its content, neither by its path nor by its times.

    Wherever a path is taken, ``open(file)`` included, it stands for its path. It can be nested in
    containers. A parameter can also say that its paths are such files: ``data: Annotated[str,
    File]``, ``parts: list[Annotated[Path, File]]`` or just ``data: File``; the body gets what
    was passed.

    The content is read at the first use in a process, and again when size, times or inode have
    changed or the file was so new that they may not tell. A call during which its file changes is
    not stored.

    Args:
        path: of a regular file, which need not exist yet; made absolute now.

    Raises:
        TypeError: this is no path.

    >>> import tempfile, pathlib, fleche_like as fl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, two = pathlib.Path(folder, "one"), pathlib.Path(folder, "two")
    ...     _ = one.write_text("the same"), two.write_text("the same")
    ...     fl.digest(fl.File(one)) == fl.digest(fl.File(two))
    True
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fsdecode(path))

    def __fspath__(self) -> str:
        return self.path

    def __digest__(self) -> str:
        try:
            seen = _read(self.path)
        except OSError as error:
            reason = f"{self.path} cannot be read: {error.strerror or error}"
            raise Indigestible(reason, path=self.path, kind="File") from error
        _notes.take(seen)
        return seen.content

    def __eq__(self, other: object) -> bool:
        return self.path == other.path if isinstance(other, File) else NotImplemented

    def __hash__(self) -> int:
        return hash((File, self.path))

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def __reduce__(self) -> tuple[type[File], tuple[str]]:
        return File, (self.path,)


class _Notes(threading.local):
    """The files that are digested in this thread, for who wants to know."""

    seen: list[Seen] | None = None

    def take(self, seen: Seen) -> None:
        if self.seen is not None:
            self.seen.append(seen)


_notes: Final = _Notes()


def noting(step: Callable[..., Any], *args: Any) -> tuple[Any, list[Seen]]:
    """Return what a step returns, and which files were digested in it."""
    before, _notes.seen = _notes.seen, []
    try:
        return step(*args), _notes.seen
    finally:
        _notes.seen = before


# Reading

_known: Final[dict[str, Seen]] = {}


def _read(path: str) -> Seen:
    known = _known.get(path)
    if known is not None and known.is_settled() and known.is_current():
        return known
    seen = _read_anew(path)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[path] = seen
    return seen


def _read_anew(path: str) -> Seen:
    for _ in range(_ATTEMPTS):
        read_at_ns = time.time_ns()
        with _opened(path) as descriptor:
            before = _signature(os.fstat(descriptor))
            content = _content(descriptor)
            if _signature(os.fstat(descriptor)) == before:
                return Seen(path, before, content, read_at_ns)
    raise Indigestible(f"{path} changes while it is read", path=path, kind="File")


@contextmanager
def _opened(path: str) -> Generator[int]:
    # Not blocking: opening a pipe would wait for who writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{path} is a folder; pass the files in it")
        if not stat.S_ISREG(mode):
            raise Indigestible(f"{path} is no regular file", path=path, kind="File")
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> str:
    state = xxh3_128()
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()


def _signature(status: os.stat_result) -> Signature:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


# Parameters that take files


def file_parameters(function: Callable[..., Any]) -> frozenset[str]:
    """Return the parameters of a function whose annotations mention :class:`File`.

    Annotations that are text are evaluated; of one that cannot be, each name in it is.
    """
    if not isinstance(function, types.FunctionType):
        return frozenset()
    try:
        annotations = dict(function.__annotations__)
    except NameError:  # Python 3.14 evaluates them only now
        return frozenset()
    texts = [each for each in annotations.values() if isinstance(each, str)]
    scope = names_in_scope(function) if texts else {}
    return frozenset(n for n, each in annotations.items() if n != "return" and _takes(each, scope))


def as_files(value: Any) -> Any:
    """Return a value with each path in it, and in its lists, tuples and dicts, as a :class:`File`.

    >>> as_files(["/a", None, {"b": File("/b")}])
    [File('/a'), None, {'b': File('/b')}]
    """
    if isinstance(value, str | os.PathLike):
        return value if isinstance(value, File) else File(value)
    if type(value) in {list, tuple}:
        return type(value)(map(as_files, value))
    if type(value) is dict:
        return {name: as_files(each) for name, each in value.items()}
    return value


def _takes(annotation: Any, scope: Mapping[str, Any]) -> bool:
    if not isinstance(annotation, str):
        return _mentions(annotation)
    return any(_evaluated(name, scope) is File for name in _DOTTED_NAME.findall(annotation))


def _mentions(annotation: Any) -> bool:
    # The arguments of Annotated are the type and then the marks.
    return annotation is File or any(map(_mentions, get_args(annotation)))


def _evaluated(name: str, scope: Mapping[str, Any]) -> Any:
    first, *rest = name.split(".")
    found = scope.get(first)
    with suppress(Exception):  # whatever a module or a class says to being asked
        for part in rest:
            found = getattr(found, part, None)
    return found
