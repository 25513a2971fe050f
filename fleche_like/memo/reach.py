"""Which functions and classes a memoized function reaches, and through which places.

From a function one comes to what its globals, its closure, attributes of modules, imports in its
body and defaults refer to; from a class to its bases, members and metaclass; from any value to what
it holds: the items of containers, the attributes and the class of an instance, what a partial, a
bound method or a decorator wraps. Only the project's own code (:mod:`.own`) is entered.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from fleche_like.calls.signatures import take_apart
from fleche_like.hashing import function_node
from fleche_like.memo import dynamic
from fleche_like.memo.contents import (
    MOST_ITEMS,
    MOST_VALUES,
    cell_values,
    is_dependency,
    items_of,
    wrapped_by,
)
from fleche_like.memo.fields import fields_of
from fleche_like.memo.members import attributes_of_members, data_of, methods_of, references_of
from fleche_like.memo.own import importable_name, is_own_class, is_own_namespace, label_of
from fleche_like.memo.reads import reads_of
from fleche_like.memo.sites import (
    Lookups,
    Site,
    Spaces,
    attributes_named,
    distinct,
    is_own_module,
    named_in,
    unique,
    written_of,
)
from fleche_like.memo.told import looked_up, named_by, told_by
from fleche_like.memo.types_only import is_by_type
from fleche_like.memo.words import words_of
from fleche_like.support.sentinel import MISSING

BODY: Final = "body"
_ITSELF: Final = "itself"

_OF_DECLARATIONS: Final = ("__init_subclass__", "__set_name__")
_OF_METACLASSES: Final = ("__new__", "__init__")


class Reach:
    """All that is reached from one function, as it is found now.

    Args:
        root: the callable that is memoized.
        owner: the memoized function, for code that refers to itself.
        deep: whether functions and classes that go by a name are entered.
        given: further functions and classes to start from: those among the arguments.

    Attributes: ``labels`` (by identity), ``functions`` and ``classes`` (by label), ``sites``,
    ``outputs`` (places whose values are written), ``attributes`` (every attribute mentioned),
    ``notes`` (what could not be followed).
    """

    def __init__(
        self, root: Callable[..., Any], owner: object, *, deep: bool, given: Iterable[Any] = ()
    ) -> None:
        self.root = root if isinstance(root, types.FunctionType) else None
        self.callable = root
        self.owner = owner
        self.deep = deep
        self.labels: dict[int, str] = {id(owner): _ITSELF}
        self.functions: dict[str, types.FunctionType] = {}
        self.classes: dict[str, type] = {}
        self.sites: list[Site] = []
        self.outputs: set[tuple[int, str]] = set()
        self.attributes: set[str] = set()
        self.words: set[str] = set()
        self._globals: set[str] = set()
        self.subclasses: dict[str, tuple[type, list[type]]] = {}
        self.modules: dict[int, types.ModuleType] = {}
        self._written_in: list[tuple[type | None, AbstractSet[str]]] = []
        self._assigned_to: list[tuple[type | None, AbstractSet[str]]] = []
        self._methods: dict[int, type] = {}
        self._lookups: list[tuple[types.FunctionType, Lookups]] = []
        self.notes: set[str] = set()
        self.keys = _Labels(self._home())
        self._seen: dict[int, Any] = {}
        self._waiting: list[Any] = []
        self._walk([*given])

    def _home(self) -> dict[str, Any] | None:
        target = called_by(self.callable)
        return None if target is None else target.__globals__

    def _walk(self, given: list[Any]) -> None:
        if self.root is not None:
            self._enter_function(self.root, _ITSELF)
            self._enter_class_of(self.root)
        else:
            self._force(self.callable)
            self._add([Site("callable", self.callable)])
        self._waiting += given
        self._drain()
        while self._follow_names():
            pass
        self._note_writes()
        self.sites = [*distinct(self.sites)]

    def _force(self, value: Any) -> None:
        """Enter what a callable calls, whatever name it goes by: it is what is memoized."""
        if isinstance(value, type) and is_own_class(value):
            self._enter_class(value)
        target = called_by(value)
        if target is not None and is_own_namespace(target.__globals__):
            self._enter_function(target, self.keys(target))

    def _follow_names(self) -> bool:
        """Follow what is reached by being named anywhere; return whether there was more.

        A module that is handed on is asked for its attributes somewhere else; which object
        ``__subclasses__()`` is asked of cannot be seen.
        """
        before = len(self._seen), len(self.labels)
        names = self.attributes | self.words
        for module in [*self.modules.values()]:
            self._add(named_in(module, names, self.keys.spaces))
        for label, function in [*self.functions.items()]:
            self._add_told(function, label)
            if label != _ITSELF:
                self._add(attributes_named(function, label, names))
        for label, cls in [*self.classes.items()]:
            self._add_told(cls, label)
        if "__subclasses__" in names:
            for label, cls in [*self.classes.items()]:
                self._enter_subclasses(label, cls)
        self._drain()
        return before != (len(self._seen), len(self.labels))

    @property
    def asks_for_attributes(self) -> bool:
        """Whether attributes are asked for that may not be there."""
        return not self._globals.isdisjoint(("getattr", "hasattr", "vars"))

    def _add_told(self, value: Any, label: str) -> None:
        for site in told_by(value, label, self.attributes | self._globals):
            self._add([site])
            self._waiting += named_by(site, value)

    def _enter_subclasses(self, label: str, cls: type) -> None:
        found: list[type] = type.__subclasses__(cls)
        self.subclasses[label] = cls, found
        self._waiting += found[::-1]

    def _drain(self) -> None:
        while self._waiting:
            self._visit(self._waiting.pop())

    def _visit(self, value: Any) -> None:
        if value is MISSING or id(value) in self._seen or id(value) in self.labels:
            return
        if len(self._seen) > MOST_VALUES:
            self.notes.add(f"more than {MOST_VALUES} values: some were not looked into")
            return
        self._seen[id(value)] = value
        if is_by_type(value):
            return
        # By type(): a proxy may claim any __class__, or raise when it is asked.
        if type(value) is types.FunctionType:
            self._visit_function(value)
        elif issubclass(type(value), type):
            self._visit_class(value)
        elif is_dependency(value):
            self._waiting.append(value.__dependency__()[1])
        else:
            try:
                self._visit_value(value)
            except Exception:  # noqa: BLE001  foreign code; digesting it will say what is wrong
                self.notes.add(f"a {type(value).__name__} raises when it is looked into")

    def _visit_function(self, function: types.FunctionType) -> None:
        if not is_own_namespace(function.__globals__):
            # A decorator of an installed package: what it wraps is in its closure.
            self._waiting += [*cell_values(function)][::-1]
            self._waiting.append(function.__dict__.get("__wrapped__"))
        elif self.deep or importable_name(function) is None:
            self._enter_function(function, self.keys(function))

    def _visit_class(self, cls: type) -> None:
        if self.deep and is_own_class(cls):
            self._enter_class(cls)

    def _visit_value(self, value: Any) -> None:
        wrapped = wrapped_by(value)
        if wrapped is not None and not is_own_class(type(value)):
            self._waiting.append(wrapped)
            return
        if isinstance(value, types.BuiltinFunctionType):
            self._note_compiled(value)
        if is_own_module(value):
            self.modules[id(value)] = value
        if not isinstance(value, types.ModuleType):
            self._waiting.append(type(value))
        inside = [*items_of(value)]
        if len(inside) > MOST_ITEMS:
            self.notes.add(f"a {type(value).__name__} of {len(value)} items: not all looked into")
        self._waiting += inside[::-1]

    def _note_compiled(self, value: Any) -> None:
        found = importable_name(value)
        module = inspect.getmodule(value)
        if found and module is not None and is_own_namespace(vars(module)):
            self.notes.add(f"{'.'.join(found)} is compiled: it counts by its name")

    # Functions

    def _enter_function(self, function: types.FunctionType, label: str) -> None:
        self.labels[id(function)] = label
        self.functions[label] = function
        home = label == _ITSELF
        lookups = Lookups(function, "" if home else f"{label}.", self.keys.spaces)
        # Of a module that is only asked for an attribute that attribute counts, not the module.
        self._add(lookups.sites(), modules=False)
        self._add(lookups.by_text(), modules=False)
        self._lookups.append((function, lookups))
        if not home:
            self._add(_defaults_of(function, label))
        reads = reads_of(function.__code__)
        self.attributes |= reads.attributes
        self._globals |= {chain[0] for chain in reads.globals}
        self.words |= words_of(function.__code__)
        name = function.__qualname__ if home else label
        self.notes |= dynamic.notes(function, name, function_node(function))
        for module in lookups.handed_on():
            self._waiting.append(module)
            whole = f"{name}: of the module {module.__name__} as a whole"
            self.notes.add(f"{whole} only what is named is followed")

    def _add(self, sites: Iterable[Site], *, modules: bool = True) -> None:
        found = [*sites]
        self.sites += found
        values = (site.value for site in reversed(found))
        self._waiting += [each for each in values if modules or not is_own_module(each)]

    def _note_writes(self) -> None:
        for function, lookups in self._live():
            self.outputs |= {site.place for site in lookups.changed()}
            written = written_of(function.__code__)
            cls = self._methods.get(id(function))
            self._written_in.append((cls, written.inside))
            self._assigned_to.append((cls, written.of_classes))
            # ``Model.count += 1`` writes an attribute of a class, not the class.
            found = ((site.value, {name}) for site, name in lookups.assigned())
            self._assigned_to += [each for each in found if _is_class(each[0])]

    def is_written_inside(self, owner: type, name: str) -> bool:
        """Whether the content of a class's attribute is changed by a function, or by a method.

        The method is one of that class, or of one that either of them derives from.
        """
        return _is_among(self._written_in, owner, name)

    def is_assigned_to(self, owner: type, name: str) -> bool:
        """Whether a class's attribute is assigned, as :meth:`is_written_inside`."""
        return _is_among(self._assigned_to, owner, name)

    def _live(self) -> list[tuple[types.FunctionType, Lookups]]:
        """Return the functions that may be called: of methods those whose name is mentioned.

        What other methods write is no output: somebody else calls them, to change an input.
        """
        waiting, live = [*self._lookups], []
        mentioned: set[str] = set()
        while found := [each for each in waiting if self._may_be_called(each[0], mentioned)]:
            waiting = [each for each in waiting if each not in found]
            live += found
            mentioned |= {n for each, _ in found for n in reads_of(each.__code__).attributes}
        return live

    def _may_be_called(self, function: types.FunctionType, mentioned: set[str]) -> bool:
        name = function.__name__
        if _declares_classes(name, self._methods.get(id(function))):
            return False
        return id(function) not in self._methods or name in mentioned or name.startswith("__")

    # Classes

    def _enter_class(self, cls: type) -> None:
        label = self.keys(cls)
        self.labels[id(cls)] = label
        self.classes[label] = cls
        self._waiting += references_of(cls)[::-1]
        self._methods |= {id(each): cls for each in methods_of(cls)}
        space = vars(cls)
        for name, value in data_of(cls).items():
            where = space if space.get(name, MISSING) is value else None
            part = f"attribute {label}.{name}"
            self._add([Site(part, value, name, where, lenient=True, owner=cls)])
        for name, (held, attribute) in attributes_of_members(cls).items():
            part = f"attribute {label}.{name}"
            self._add([Site(part, held[attribute], attribute, held, lenient=True)])
        for name, value in fields_of(cls).items():
            self._add([Site(f"field {label}.{name}", value, lenient=True, declared=True)])

    def _enter_class_of(self, function: types.FunctionType) -> None:
        """The class that a memoized method belongs to, where its name leads to it."""
        if not self.deep:
            return
        cls = class_of(function, self.owner)
        if cls is not None:
            self._waiting.append(cls)
        self._waiting += _annotated_classes(function)


class _Labels:
    """What functions and classes are called; two that would share a name are numbered."""

    def __init__(self, home: dict[str, Any] | None) -> None:
        self.spaces = Spaces(home)
        self._home = str((home or {}).get("__name__", ""))
        self._used = {_ITSELF}

    def __call__(self, value: Any) -> str:
        return unique(label_of(value, self._home), self._used)


def _is_among(
    written: Iterable[tuple[type | None, AbstractSet[str]]], owner: type, name: str
) -> bool:
    return any(
        name in names and (cls is None or issubclass(cls, owner) or issubclass(owner, cls))
        for cls, names in written
    )


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def _declares_classes(method: str, cls: type | None) -> bool:
    """Whether a method runs where a class is declared: what it registers is only read later."""
    if cls is None:
        return False
    return method in _OF_DECLARATIONS or (issubclass(cls, type) and method in _OF_METACLASSES)


def _defaults_of(function: types.FunctionType, label: str) -> Iterator[Site]:
    defaults = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        yield Site(f"default {label}.{name}", value)
    for name, value in (function.__kwdefaults__ or {}).items():
        yield Site(f"default {label}.{name}", value)


def class_of(function: types.FunctionType, owner: object) -> type | None:
    """Return the class that holds a method under its qualified name, if there is one."""
    *path, name = function.__qualname__.split(".")
    found: Any = function.__globals__.get(path[0]) if path else None
    for part in path[1:]:
        found = vars(found).get(part) if isinstance(found, type) else None
    if not isinstance(found, type):
        return None
    held = vars(found).get(name)
    held = getattr(held, "__func__", held)
    return found if held is owner or held is function else None


def _annotated_classes(function: types.FunctionType) -> list[Any]:
    """Return classes that parameters are annotated with, so that those count in every call."""
    found = []
    for annotation in _annotations(function).values():
        value = annotation
        if isinstance(annotation, str):
            value = looked_up(annotation, function.__globals__)
        found += [value, *getattr(value, "__args__", ())]
    return [each for each in found if isinstance(each, type)]


def _annotations(function: types.FunctionType) -> dict[str, Any]:
    try:
        return {n: v for n, v in function.__annotations__.items() if n != "return"}
    except Exception:  # noqa: BLE001  evaluated late from 3.14 on: a name may not be there
        return {}


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
