"""Which outside names a function writes to: those are its outputs, not its inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

_COMMANDS: Final = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "move_to_end",
        "remove",
        "reverse",
        "rotate",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
        "write",
        "writelines",
    }
)
_TAKERS: Final = frozenset({"pop", "popitem", "popleft", "setdefault"})

MUTATORS: Final = _COMMANDS | _TAKERS
"""Methods of the standard containers, streams and their look-alikes that change them."""


Chain: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a function writes to outside itself.

    Args:
        rebound: names that it binds to something else.
        changed: names whose object it changes, with the attributes on the way to what changes.
        of_classes: attributes that it assigns to its class: ``cls.x = …``, ``type(self).x = …``.
        inside: attributes whose content it changes, ``self.items.append(…)``, but for those of
            its own variables other than the first parameter.
    """

    rebound: frozenset[str] = frozenset()
    changed: frozenset[Chain] = frozenset()
    of_classes: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()


def written_by(function: ast.AST) -> Written:
    r"""Return the outside names that a function assigns to, or whose object it changes.

    Counted are: names declared ``global`` or ``nonlocal``, assignment and deletion of items or
    attributes at any depth, and calls of a method in :data:`MUTATORS`. Those that return nothing
    count only as statements: elsewhere ``table.add(x)`` gives a new table. What a nested function
    does counts too, but not what it does to variables of its own.

    Args:
        function: the syntax tree of a function or lambda.

    >>> code = "def f(x):\n  log.append(x)\n  seen['a'].b = x\n  return table.add(x)"
    >>> sorted(written_by(ast.parse(code).body[0]).changed)
    [('log',), ('seen',)]
    """
    nodes = [*ast.walk(function)]
    passed_by = _own_variables(function) - {each.arg for each in [*_arguments(function)][:1]}
    return Written(
        frozenset(_rebound_in(function)),
        frozenset(_changed_in(function)),
        frozenset(name for node in nodes for name in _of_classes(node)),
        frozenset(
            chain[-1]
            for node in nodes
            for chain in _emptied_by(node)
            if len(chain) > 1 and chain[0] not in passed_by
        ),
    )


def _rebound_in(function: ast.AST) -> Iterator[str]:
    bound, declared = _bound_in(function)
    # ``global K`` alone binds nothing: K may be read as before.
    yield from bound & declared
    for node in _nodes_of(function):
        if node is not function and isinstance(node, _SCOPES):
            yield from (name for name in _rebound_in(node) if name not in bound - declared)


def _changed_in(function: ast.AST) -> Iterator[Chain]:
    own = _own_variables(function)
    for node in _nodes_of(function):
        if node is not function and isinstance(node, _SCOPES):
            yield from (chain for chain in _changed_in(node) if chain[0] not in own)
        else:
            yield from (chain for chain in _changed_by(node) if chain[0] not in own)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)


def _nodes_of(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of one scope; nested scopes as a whole, what they do not own apart."""
    waiting = [*_inside(scope)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _SCOPES):
            waiting.extend(_outside(node))
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _inside(scope: ast.AST) -> Iterator[ast.AST]:
    if isinstance(scope, ast.Lambda):
        yield scope.body
    elif isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from scope.body
    else:
        yield from ast.iter_child_nodes(scope)


def _outside(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs in the surrounding scope: decorators, defaults, bases."""
    yield from getattr(scope, "decorator_list", ())
    if isinstance(scope, _FUNCTIONS):
        yield from scope.args.defaults
        yield from (default for default in scope.args.kw_defaults if default is not None)
    if isinstance(scope, ast.ClassDef):
        yield from scope.bases


def _own_variables(scope: ast.AST) -> set[str]:
    """Return the names that are local to a scope."""
    bound, declared = _bound_in(scope)
    return bound - declared


def _bound_in(scope: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names that a scope binds, and those it declares to be from outside."""
    found = {arg.arg for arg in _arguments(scope)}
    declared: set[str] = set()
    for node in _nodes_of(scope):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found.update((each.asname or each.name).partition(".")[0] for each in aliases)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                declared.update(names)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                found.update(_bound_through(node))
    return found, declared


def _bound_through(comprehension: ast.AST) -> Iterator[str]:
    """Yield what ``:=`` in a comprehension binds in the scope around it."""
    for node in ast.walk(comprehension):
        if isinstance(node, ast.NamedExpr):
            yield node.target.id


def _arguments(scope: ast.AST) -> Iterator[ast.arg]:
    if isinstance(scope, _FUNCTIONS):
        args = scope.args
        yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
        yield from (each for each in (args.vararg, args.kwarg) if each is not None)


def _changed_by(node: ast.AST) -> Iterator[Chain]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        yield from _chain_of(node)
    yield from _emptied_by(node)


def _emptied_by(node: ast.AST) -> Iterator[Chain]:
    """Yield what a node changes the content of."""
    match node:
        case ast.Subscript(value=target, ctx=ast.Store() | ast.Del()):
            yield from _chain_of(target)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr=method))):
            if method in MUTATORS:
                yield from _chain_of(target)
        case ast.Call(func=ast.Attribute(value=target, attr=method)) if method in _TAKERS:
            yield from _chain_of(target)
        case ast.AugAssign(target=ast.Attribute() as target):
            yield from _chain_of(target)


def _chain_of(node: ast.AST) -> Iterator[Chain]:
    """Yield the name at the bottom of ``name.attribute[item]…``, and the attributes up to an item.

    Of what has no name at the bottom, an empty name stands there.
    """
    attributes: list[str] = []
    while isinstance(node, ast.Subscript | ast.Attribute):
        attributes = [node.attr, *attributes] if isinstance(node, ast.Attribute) else []
        node = node.value
    yield (node.id if isinstance(node, ast.Name) else "", *attributes)


def _of_classes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(
            value=ast.Name(id="cls")
            | ast.Attribute(attr="__class__")
            | ast.Call(func=ast.Name(id="type")),
            attr=name,
            ctx=ast.Store() | ast.Del(),
        ):
            yield name
