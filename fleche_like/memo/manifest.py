"""The manifest of what a function reaches: part name → digest, and the guards that go with it."""

from __future__ import annotations

import sys
from typing import Any, Final

from fleche_like.cache import Manifest
from fleche_like.errors import Indigestible, LargeCaptureWarning
from fleche_like.hashing import (
    Digest,
    digest,
    encode,
    function_code_digest,
    type_names,
    value_digest,
)
from fleche_like.hashing.bulk import is_plain
from fleche_like.hashing.tags import CONTAINERS, SCALARS
from fleche_like.memo.describe import Described, Describer, is_steady, refusal, watcher
from fleche_like.memo.guards import Guards
from fleche_like.memo.members import code_of, declaration_of, factories_of, generated_of
from fleche_like.memo.packages import package_digests
from fleche_like.memo.patched import is_patched
from fleche_like.memo.reach import BODY, Reach
from fleche_like.memo.sites import BUILTINS, Site, unique
from fleche_like.memo.sources import is_optimized, source_of
from fleche_like.memo.types_only import is_by_type
from fleche_like.memo.warning import warn
from fleche_like.support.sentinel import MISSING

_KEPT_BYTES: Final = 1024
_ITSELF: Final = "itself"


class ManifestMaker:
    """Makes the manifest of what was reached.

    Args:
        reach: what was reached.
        packages: installed packages that count, by their version.

    Attributes: ``parts``, ``guards``, ``notes``, ``values`` (small ones, by digest).

    Raises:
        Indigestible: something that counts has no stable identity.
    """

    def __init__(self, reach: Reach, packages: tuple[str, ...]) -> None:
        self._reach = reach
        self._describer = Describer(reach.labels, reach.is_written_inside)
        self.guards = Guards()
        self.notes = set(reach.notes)
        self.values: dict[Digest, Any] = {}
        self.parts = {**self._functions(), **self._classes(), **self._subclasses(), **self._sites()}
        for module in reach.modules.values():
            self.guards.size(vars(module))
        self.parts |= package_digests(packages)
        if sys.flags.optimize and any(map(is_optimized, reach.functions.values())):
            self.parts["optimized"] = digest(True)

    def manifest(self) -> Manifest:
        """Return the manifest."""
        parts = {part: self.parts[part] for part in sorted(self.parts, key=_place)}
        functions = {_part_of(name): each for name, each in self._reach.functions.items()}

        def sources() -> dict[str, str]:
            found = ((part, source_of(each)) for part, each in functions.items())
            return {part: text for part, text in found if text is not None}

        return Manifest(parts, sources, self.values)

    def _functions(self) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        for label, function in self._reach.functions.items():
            found[_part_of(label)] = function_code_digest(function)
            is_root = label == _ITSELF
            self.guards.function(function, defaults=not is_root)
            if not is_root:
                self.guards.keywords(function.__kwdefaults__)
                if self._reach.asks_for_attributes:
                    self.guards.size(function.__dict__)
        return found

    def _classes(self) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        for label, cls in self._reach.classes.items():
            code = code_of(cls)
            form = self._described(
                (
                    [*cls.__bases__],
                    type(cls),
                    code,
                    factories_of(cls),
                    declaration_of(cls),
                ),
                f"class {label}",
            )
            found[f"class {label}"] = digest((type_names(cls)[1], form))
            self.guards.cls(cls, [*code, *generated_of(cls)])
            if "_abc_impl" in vars(cls):
                self.guards.registrations()
        return found

    def _subclasses(self) -> dict[str, Digest]:
        """Return the parts of classes whose subclasses are asked for, in the order of those."""
        found: dict[str, Digest] = {}
        for label, (cls, below) in self._reach.subclasses.items():
            if below:
                found[f"subclasses of {label}"] = self._described((below,), f"below {label}")
            self.guards.subclasses(cls, below)
        return found

    def _described(self, parts: tuple[Any, ...], path: str) -> Any:
        described = self._describer.describe(list(parts))
        self._watch(path, described)
        return self._digest_of(described.form, path)

    def _sites(self) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        used: set[str] = set()
        for site in self._reach.sites:
            self._guard(site)
            if self._counts(site):
                part = self._part(site)
                if part is not None:
                    # An attribute of a function may be called like a global of another module.
                    found[unique(part[0], used)] = part[1]
        return found

    def _guard(self, site: Site) -> None:
        if self._is_output(site):
            return
        if site.namespace is BUILTINS and site.home is not None:
            self.guards.builtin(site.home, site)
        else:
            self.guards.site(site)

    def _counts(self, site: Site) -> bool:
        if site.value is MISSING or self._is_output(site):
            return False
        label = self._reach.labels.get(id(site.value))
        if site.installed:  # only what of ours was put in there
            return label is not None or is_patched(site)
        return label is None or site.part != f"global {label}"

    def _is_output(self, site: Site) -> bool:
        reach = self._reach
        if site.owner is not None:  # an attribute of a class
            written = not is_steady(site.value) and reach.is_written_inside(site.owner, site.name)
            return written or reach.is_assigned_to(site.owner, site.name)
        return site.place in reach.outputs and id(site.value) not in reach.labels

    def _part(self, site: Site) -> tuple[str, Digest] | None:
        try:
            described = self._look(site)
            known = self._digest_of(described.form, self._path(site))
            if not site.declared:
                self._watch(self._path(site), described)
        except Indigestible as problem:
            if not site.lenient or site.name in self._reach.attributes:
                raise
            self.notes.add(f"{site.part} does not count: {problem}")
            return None
        self._keep(described.form, known)
        return f"{site.part} by {_by(site.value, described.form)}", known

    def _look(self, site: Site) -> Described:
        try:
            return self._describer.describe(site.value)
        except Indigestible:
            raise
        except Exception as error:
            raise refusal(self._path(site), error) from error

    def _digest_of(self, form: Any, path: str) -> Digest:
        try:
            return value_digest(form, path)
        except Exception as error:
            raise refusal(path, error) from error

    def _watch(self, path: str, described: Described) -> None:
        for cell, value in described.cells:
            self.guards.cell(cell, value)
        for container, items in described.shapes:
            self.guards.container(container, items)
        for wrapper, settings in described.settings:
            self.guards.settings(wrapper, settings)
        for leaf in described.leaves:
            watched = watcher(leaf)
            if watched is None:
                self._report_large(path)
            else:
                self.guards.watch(*watched)

    def _report_large(self, path: str) -> None:
        self.notes.add(f"{path} is large: digested once, assumed not to change in place")
        warn(
            f"{path} is large: it was digested once and is assumed not to change in place; "
            "pass it as an argument to have every change noticed",
            LargeCaptureWarning,
        )

    def _keep(self, form: Any, known: Digest) -> None:
        plain = type(form) in SCALARS or (type(form) in CONTAINERS and is_plain(form))
        if plain and len(encode(form)) <= _KEPT_BYTES:
            self.values[known] = form

    def _path(self, site: Site) -> str:
        function = self._reach.callable
        return f"{getattr(function, '__qualname__', type(function).__name__)}: {site.part}"


def _part_of(label: str) -> str:
    return BODY if label == _ITSELF else f"function {label}"


def _place(part: str) -> tuple[bool, str]:
    """The body comes first, the rest by name."""
    return part != BODY, part


def _by(value: Any, form: Any) -> str:
    if is_by_type(value):
        return "type"
    if form is value or type(form) is not tuple:
        return "value"
    return {_ITSELF: _ITSELF, "named": "name"}.get(form[1], "code")
