"""What a function takes from outside its arguments: globals and closure values, and their digests.

============================  ==================================  ===========================
captured value                enters the code digest as           watched by
============================  ==================================  ===========================
importable function, class,   its qualified name                  identity
module
other function (lambda,       its code, defaults and closure      identity
local function)
immutable value               its digest                          identity
small mutable value           its digest                          its digest, on every call
large mutable value           its digest at first use, assumed    identity
                              constant from then on
logger, lock, cache and what  its type                            identity
:func:`register_by_type` got
name that is not defined      nothing                             identity
============================  ==================================  ===========================

Names that the function itself writes to (:mod:`.outputs`) are no part of it.
"""

from __future__ import annotations

import dis
import inspect
import logging
import sys
import threading
import types
from dataclasses import dataclass
from typing import Any, Final

from fleche_like.cache import Cache, is_immutable
from fleche_like.calls.signatures import take_apart
from fleche_like.errors import LargeCaptureWarning
from fleche_like.hashing import (
    Digest,
    digest,
    encode,
    function_node,
    global_names,
    is_node,
    module_name,
    type_names,
    value_digest,
)
from fleche_like.memo.outputs import written_names
from fleche_like.memo.warning import warn
from fleche_like.support.sentinel import MISSING

LARGE_BYTES: Final = 16 * 1024
"""Above this a mutable capture is digested once; below, digesting it costs each call < 20 µs."""

_by_type: Final[list[type]] = [
    logging.Logger,
    logging.LoggerAdapter,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.local,
    Cache,
]


def register_by_type(kind: type) -> None:
    """Let captured instances of ``kind`` enter code digests by their type alone.

    For what a function uses but its result does not depend on: connections, pools, progress bars.
    """
    _by_type.append(kind)


@dataclass(frozen=True, slots=True)
class Capture:
    """One captured name and where it is looked up: in a cell, or else in the module.

    Args:
        part: what it is called in a manifest.
        name: the name.
        cell: the closure cell, if it is not a global.
        namespace: the globals of the function.
    """

    part: str
    name: str
    cell: types.CellType | None
    namespace: dict[str, Any]

    def read(self) -> Any:
        """Return what the name refers to now, or ``MISSING``.

        A builtin counts as missing: only a global that comes to hide it is of interest.
        """
        if self.cell is None:
            return self.namespace.get(self.name, MISSING)
        return read_cell(self.cell)


def read_cell(cell: types.CellType) -> Any:
    """Return what a closure cell holds, or ``MISSING`` if its variable is not bound yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def captures_of(function: types.FunctionType, where: str = "") -> list[Capture]:
    """Return the names that a function reads from its closure and its module, outputs left out.

    Args:
        function: any Python function.
        where: how its parts begin, if it is captured itself.
    """
    code, namespace = function.__code__, function.__globals__
    node = function_node(function)
    written = written_names(node) if node is not None else _rebound_names(code)
    cells = [*zip(code.co_freevars, function.__closure__ or (), strict=True)]
    closure = [
        Capture(f"{where}closure {n}", n, cell, namespace) for n, cell in cells if n not in written
    ]
    names = sorted(global_names(code) - written)
    return closure + [Capture(f"{where}global {name}", name, None, namespace) for name in names]


def called_by(value: Any) -> types.FunctionType | None:
    """Return the Python function that calling ``value`` calls in the end, if there is one.

    Followed are partials, bound methods, instances with ``__call__``, and what ``lru_cache`` and
    ``memoize`` make.
    """
    if isinstance(value, type) or not callable(value):
        return None
    function = take_apart(inspect.unwrap(value, stop=_is_plain)).function
    return function if isinstance(function, types.FunctionType) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, types.FunctionType)


def _rebound_names(code: types.CodeType) -> frozenset[str]:
    """Return the names that code rebinds: all that can be told for sure without source."""
    stores = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"}
    return frozenset(
        str(each.argval) for each in dis.get_instructions(code) if each.opname in stores
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A captured value as it was digested.

    Args:
        value: the object; kept alive, so that its identity cannot come to mean another one.
        digest: what it contributes; ``None`` contributes nothing.
        by: what the digest is of: ``"value"``, ``"name"``, ``"type"``, or ``"itself"``.
        watched: whether it can change in place and must be digested again on every call.
    """

    value: Any
    digest: Digest | None
    by: str = "value"
    watched: bool = False


def look_at(value: Any, path: str, owner: Any) -> Seen:
    """Digest a captured value by the rules of this module.

    Args:
        value: what the name refers to now; ``MISSING`` if to nothing.
        path: how an error calls it.
        owner: the memoized function itself, which may well refer to itself.

    Raises:
        Indigestible: it has no stable identity.
    """
    if value is MISSING:
        return Seen(value, None)
    if value is owner:
        return Seen(value, digest(None), "itself")
    # By type(): a proxy may claim any __class__, or raise when it is asked.
    if issubclass(type(value), tuple(_by_type)):
        return Seen(value, digest(type_names(type(value))), "type")
    name = importable_name(value)
    if name is not None:
        return Seen(value, digest(name), "name")
    return Seen(value, value_digest(value, path), watched=_is_watched(value, path))


def _is_watched(value: Any, path: str) -> bool:
    """Whether a value can change in place and is small enough to look at it on every call."""
    # What a function reads is looked at apart, capture by capture.
    if is_immutable(value) or _is_plain(value) or (callable(value) and is_node(value)):
        return False
    if _is_large(value):
        _report_large(path)
        return False
    return True


def importable_name(value: Any) -> tuple[str, str] | None:
    """Return module and qualified name of a module, or of a function or class that its module has.

    A lambda, a local function or a class made by a function has no such name.
    """
    if isinstance(value, types.ModuleType):
        return module_name(value), ""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str) and callable(value)):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module_name(value), name) if found is value else None


def _is_large(value: Any) -> bool:
    if is_node(value):
        size = getattr(value, "nbytes", LARGE_BYTES + 1)
        return not isinstance(size, int) or size > LARGE_BYTES
    return len(encode(value)) > LARGE_BYTES


def _report_large(path: str) -> None:
    warn(
        f"{path} is large: it was digested once and is assumed not to change in place; "
        "pass it as an argument to have every change noticed",
        LargeCaptureWarning,
    )
