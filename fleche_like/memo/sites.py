"""Where a function looks things up: globals, closure cells, attributes of modules, imports."""

from __future__ import annotations

import builtins
import dis
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fleche_like.hashing import function_node
from fleche_like.hashing.code import per_code
from fleche_like.memo.outputs import Written, written_by
from fleche_like.memo.own import is_own_namespace
from fleche_like.memo.reads import Chain, Import, reads_of
from fleche_like.support.sentinel import MISSING

BUILTINS: Final = vars(builtins)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place where a value is looked up, and the value found there.

    Args:
        part: what it is called in a manifest.
        value: what was found; ``MISSING`` if nothing.
        name: the name that is looked up.
        namespace: the globals it is looked up in, if it is no cell.
        cell: the closure cell, if it is one.
        lenient: whether a value without identity may be passed over.
        installed: whether the namespace is that of Python or of an installed package.
        home: the globals of the function, where a builtin was found that they do not hide.
        owner: the class whose attribute it is.
        declared: whether it was said once and for all, so that nobody changes it.
    """

    part: str
    value: Any
    name: str = ""
    namespace: Mapping[str, Any] | None = None
    cell: types.CellType | None = None
    lenient: bool = False
    installed: bool = False
    home: Mapping[str, Any] | None = None
    owner: type | None = None
    declared: bool = False

    @property
    def place(self) -> tuple[int, str]:
        """What identifies the place itself, whatever is found there."""
        if self.cell is not None:
            return id(self.cell), ""
        return id(self.namespace if self.home is None else self.home), self.name


def _order(each: Import) -> tuple[str, int, str, str]:
    return each.module, each.level, each.name or "", each.loaded or ""


def read_cell(cell: types.CellType) -> Any:
    """Return what a closure cell holds, or ``MISSING`` if its variable is not bound yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


@per_code
def written_of(code: types.CodeType) -> Written:
    """Return what a code object writes to; without source only what it rebinds."""
    node = function_node(types.FunctionType(code, {}, closure=_cells_for(code)))
    if node is not None:
        return written_by(node)
    stores = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"}
    found = (each for each in dis.get_instructions(code) if each.opname in stores)
    return Written(rebound=frozenset(str(each.argval) for each in found))


def _cells_for(code: types.CodeType) -> tuple[types.CellType, ...]:
    return tuple(types.CellType() for _ in code.co_freevars)


class Lookups:
    """The places where one function looks things up.

    Args:
        function: a Python function.
        where: how its closure's parts are called: ``""`` for the memoized function.
        space: how the names of a module's globals begin, by the module's globals.
    """

    def __init__(self, function: types.FunctionType, where: str, space: Spaces) -> None:
        self._function = function
        self._globals = function.__globals__
        self._where = where
        self._space = space
        names = function.__code__.co_freevars
        self._cells = dict(zip(names, function.__closure__ or (), strict=True))
        self._reads = reads_of(function.__code__)

    def sites(self) -> Iterator[Site]:
        """Yield the places in a stable order, each once; names it rebinds are left out."""
        rebound = written_of(self._function.__code__).rebound
        chains = self._reads.globals | {c for c in self._reads.cells if c[0] in self._cells}
        for name in sorted(self._cells.keys() - rebound - {c[0] for c in chains}):
            yield self._cell_site(name)
        for chain in sorted(chains):
            if chain[0] not in rebound:
                yield from self._along(self._first(chain[0]), chain[1:])
        yield from self._imported()

    def whole_modules(self) -> Iterator[str]:
        """Yield modules of the project that are handed on rather than asked for an attribute."""
        for chain in sorted(self._reads.globals | self._reads.cells):
            known = chain[0] in self._cells or chain[0] in self._globals
            if len(chain) == 1 and known:
                value = self._first(chain[0]).value
                if type(value) is types.ModuleType and is_own_namespace(vars(value)):
                    yield value.__name__

    def assigned(self) -> Iterator[tuple[Site, str]]:
        """Yield objects whose attributes the function assigns, with the attribute's name."""
        for chain in sorted(written_of(self._function.__code__).changed):
            if len(chain) > 1 and (chain[0] in self._cells or chain[0] in self._globals):
                sites = self._along(self._first(chain[0]), chain[1:])
                yield from zip(sites, chain[1:], strict=False)

    def changed(self) -> Iterator[Site]:
        """Yield the places whose value the function changes, attributes of modules included."""
        for chain in sorted(written_of(self._function.__code__).changed):
            if chain[0] in self._cells or chain[0] in self._globals:
                *_, last = self._along(self._first(chain[0]), chain[1:])
                yield last

    def _first(self, name: str) -> Site:
        if name in self._cells:
            return self._cell_site(name)
        return self._global_site(self._globals, name)

    def _cell_site(self, name: str) -> Site:
        cell = self._cells[name]
        return Site(f"closure {self._where}{name}", read_cell(cell), name, cell=cell)

    def _global_site(self, namespace: dict[str, Any], name: str) -> Site:
        value = namespace.get(name, MISSING)
        if value is MISSING and name in BUILTINS:
            value, part = BUILTINS[name], f"builtin {name}"
            return Site(part, value, name, BUILTINS, installed=True, home=namespace)
        part = f"global {self._space(namespace)}{name}"
        return Site(part, value, name, namespace)

    def _along(self, site: Site, attributes: Chain) -> Iterator[Site]:
        """Yield a site and, while it holds a module or function, the attribute taken of it."""
        yield site
        for name in attributes:
            holder = site.value
            if type(holder) is types.FunctionType and name in holder.__dict__:
                space = holder.__dict__
                site = Site(f"{site.part}.{name}", space[name], name, space)
            elif isinstance(holder, types.ModuleType):
                site = self._attribute_site(holder, name)
            else:
                return
            yield site

    def _attribute_site(self, module: types.ModuleType, name: str) -> Site:
        namespace = vars(module)
        own = is_own_namespace(namespace)
        value = namespace.get(name, MISSING)
        if value is MISSING and own:
            value = _lazily(module, name)
        part = f"global {self._space(namespace)}{name}"
        return Site(part, value, name, namespace, installed=not own)

    def _imported(self) -> Iterator[Site]:
        for each in sorted(self._reads.imports, key=_order):
            module = self._module(each)
            if module is None:
                continue
            name = module.__name__
            site = Site(f"import {name}", module, name, sys.modules)
            if each.name is not None:
                yield site
                site = self._attribute_site(module, each.name)
            yield from self._following(site, each.variable)

    def _following(self, site: Site, variable: str) -> Iterator[Site]:
        """Yield the site of an import and of what is taken of the variable that it binds."""
        yield site
        for chain in sorted(self._reads.locals | self._reads.cells):
            if chain[0] == variable:
                _, *rest = self._along(site, chain[1:])
                yield from rest

    def _module(self, imported: Import) -> types.ModuleType | None:
        package = self._globals.get("__package__") or ""
        name = imported.module
        if imported.loaded:
            _own_module(imported.loaded)
        if imported.level:
            parents = package.split(".")
            base = parents[: len(parents) - imported.level + 1]
            name = ".".join([*base, *filter(None, [name])])
        return _own_module(name)


def _own_module(name: str) -> types.ModuleType | None:
    """Return a module of the project, imported if the function's body has not done so yet.

    Of what is installed nothing is followed, so it is not imported either.
    """
    found = sys.modules.get(name)
    try:
        if found is None:
            spec = importlib.util.find_spec(name)
            if spec is None or not is_own_namespace(
                {"__name__": name, "__file__": spec.origin if spec.has_location else None,
                 "__spec__": spec}
            ):  # fmt: skip
                return None
            found = importlib.import_module(name)
    except Exception:  # noqa: BLE001  foreign code: the body will say what is wrong, if it runs
        return None
    return found if is_own_namespace(vars(found)) else None


def _lazily(module: types.ModuleType, name: str) -> Any:
    """Return an attribute that a module's own ``__getattr__``, or its import, provides."""
    try:
        return getattr(module, name, MISSING)
    except Exception:  # noqa: BLE001  as above
        return MISSING


class Spaces:
    """How the names of globals begin: not at all in the memoized function's own module."""

    def __init__(self, home: dict[str, Any] | None) -> None:
        self._known: dict[int, str] = {} if home is None else {id(home): ""}
        self._used = {""}
        self.kept: list[Any] = [home]

    def __call__(self, namespace: dict[str, Any]) -> str:
        known = self._known.get(id(namespace))
        if known is None:
            name = f"{namespace.get('__name__', '')}."
            known = unique(name, self._used)
            self._known[id(namespace)] = known
            self.kept.append(namespace)  # an id must not come to mean another one
        return known


def unique(name: str, used: set[str]) -> str:
    """Return a name, numbered if it is in use, and put it in use."""
    found, number = name, 1
    while found in used:
        number += 1
        found = f"{name}#{number}"
    used.add(found)
    return found


def distinct(sites: Iterable[Site]) -> Iterator[Site]:
    """Yield each place once."""
    seen: set[tuple[int, str]] = set()
    for site in sites:
        if site.owner is not None or (site.namespace is None and site.cell is None):
            yield site
        elif site.place not in seen:
            seen.add(site.place)
            yield site
