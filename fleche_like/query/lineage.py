"""A lineage: calls and the values that tie them, as a graph to look at."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fleche_like.calls import DigestedCall, Related
from fleche_like.calls.lineage import made_by, used_by
from fleche_like.hashing import Digest
from fleche_like.query.preview import preview, printable, shorten

MOST_LINES: Final = 200
"""Lines of a printed tree; nobody reads more."""

MOST_DEEP: Final = 40
WIDTH: Final = 100
SHORT: Final = 8


class Edge(NamedTuple):
    """A value that one call made and another used.

    Attributes:
        producer: key of the call that made it.
        consumer: key of the call that used it.
        value: its digest.
        part: which part of the producer's result it is, as ``['a'][0]``; empty for the whole.
        argument: as what the consumer used it, as ``data`` or ``parts[0]``.
    """

    producer: Digest
    consumer: Digest
    value: Digest
    part: str
    argument: str


class Lineage:
    """The calls that a value or call came from, and those that came of it. Immutable.

    Prints as a tree; a notebook shows the same.

    Args:
        related: the calls.
        value: digest of the value it began with; ``None`` if it began with a call.
        scalars: whether scalars make ties as well.
    """

    def __init__(
        self, related: Related, *, value: Digest | None = None, scalars: bool = False
    ) -> None:
        self.start = related.start
        self.value = value
        self.upstream: tuple[DigestedCall, ...] = tuple(related.up)
        self.downstream: tuple[DigestedCall, ...] = tuple(related.down)
        self.is_cut = related.cut
        first = () if self.start is None else (self.start,)
        every = (*first, *self.upstream, *self.downstream)
        self.calls: Mapping[Digest, DigestedCall] = {call.key: call for call in every}
        self._scalars = scalars
        self.edges: Sequence[Edge] = tuple(self._edges())
        self._made: Mapping[Digest, list[Edge]] = _by(self.edges, lambda edge: edge.producer)
        self._used: Mapping[Digest, list[Edge]] = _by(self.edges, lambda edge: edge.consumer)

    @property
    def producers(self) -> list[DigestedCall]:
        """The calls that made the value, or what the call used, first hand."""
        return self._nearest(self.upstream, made_by, self._used, "producer")

    @property
    def consumers(self) -> list[DigestedCall]:
        """The calls that used the value, or what the call made, first hand."""
        return self._nearest(self.downstream, used_by, self._made, "consumer")

    def _nearest(
        self,
        among: Sequence[DigestedCall],
        ties: Callable[..., Mapping[Digest, str]],
        edges: Mapping[Digest, list[Edge]],
        side: str,
    ) -> list[DigestedCall]:
        if self.start is None:
            return [call for call in among if self.value in ties(call, scalars=self._scalars)]
        keys = {getattr(edge, side) for edge in edges.get(self.start.key, ())}
        return [self.calls[key] for key in keys]

    def _edges(self) -> Iterator[Edge]:
        makers: dict[Digest, list[tuple[Digest, str]]] = defaultdict(list)
        for call in self.calls.values():
            for value, part in made_by(call, scalars=self._scalars).items():
                makers[value].append((call.key, part))
        for call in self.calls.values():
            for value, argument in used_by(call, scalars=self._scalars).items():
                for producer, part in makers.get(value, ()):
                    if producer != call.key:
                        yield Edge(producer, call.key, value, part, argument)

    def __len__(self) -> int:
        return len(self.calls)

    # --- as text -------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        up, down = len(self.upstream), len(self.downstream)
        return f"<Lineage of {self._title()}: {up} calls upstream, {down} downstream>"

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the tree: what came of it below, what it came from below that.

        A call that was shown already is shown again by its name alone, with an ellipsis; that
        also ends circles.
        """
        title = self._title()
        lines = [shorten(title, width)]
        for heading, first, tree in (
            ("came from", self.producers, _Tree(self.calls, self._used, "producer")),
            ("went into", self.consumers, _Tree(self.calls, self._made, "consumer")),
        ):
            if first:
                lines.append(heading)
                lines += [shorten(line, width) for line in tree.below(first, self.start)]
        if len(lines) == 1:
            hint = "" if self._scalars else "; scalars tie nothing unless they are asked for"
            lines.append(f"no call is tied to it{hint}")
        if self.is_cut:
            lines.append("… and more calls than were asked for")
        return lines

    def _title(self) -> str:
        return f"value {self.value}" if self.start is None else shown(self.start)

    def _repr_html_(self) -> str:
        return f'<pre class="fleche-like">{html.escape(str(self))}</pre>'

    # --- as graphs -----------------------------------------------------------------------------

    def to_mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart: calls, and an arrow for each value."""
        lines = ["flowchart TD"]
        names = {key: f"c{number}" for number, key in enumerate(self.calls)}
        for key, call in self.calls.items():
            lines.append(f'  {names[key]}["{_for_mermaid(shown(call))}"]')
        for edge in self.edges:
            label = _for_mermaid(_tie(edge))
            lines.append(f'  {names[edge.producer]} -->|"{label}"| {names[edge.consumer]}')
        if self.start is None:
            lines += self._value_for_mermaid(names)
        return "\n".join(lines)

    def _value_for_mermaid(self, names: Mapping[Digest, str]) -> Iterator[str]:
        yield f'  v(["{_for_mermaid(self._title())}"])'
        yield from (f"  {names[call.key]} --> v" for call in self.producers)
        yield from (f"  v --> {names[call.key]}" for call in self.consumers)

    def to_graphviz(self) -> str:
        """Return the graph in Graphviz' language, for ``dot``."""
        lines = ["digraph lineage {", "  node [shape=box];"]
        for key, call in self.calls.items():
            lines.append(f"  {_quoted(key)} [label={_quoted(shown(call))}];")
        for edge in self.edges:
            ends = f"{_quoted(edge.producer)} -> {_quoted(edge.consumer)}"
            lines.append(f"  {ends} [label={_quoted(_tie(edge))}];")
        if self.start is None:
            lines += self._value_for_graphviz()
        return "\n".join([*lines, "}"])

    def _value_for_graphviz(self) -> Iterator[str]:
        own = _quoted(f"value {self.value}")
        yield f"  {own} [shape=ellipse];"
        yield from (f"  {_quoted(call.key)} -> {own};" for call in self.producers)
        yield from (f"  {own} -> {_quoted(call.key)};" for call in self.consumers)


class _Tree:
    """The lines of a tree in one direction, without recursion, which has its limits."""

    def __init__(
        self, calls: Mapping[Digest, DigestedCall], edges: Mapping[Digest, list[Edge]], side: str
    ) -> None:
        self._calls = calls
        self._edges = edges
        self._side = side

    def below(self, first: Sequence[DigestedCall], start: DigestedCall | None) -> Iterator[str]:
        """Yield the lines of ``first`` and what is beyond; ``start`` has them by ties."""
        if start is None:
            seen: set[Digest] = set()
            pending = [(call.key, "", "", call is first[-1]) for call in reversed(first)]
        else:
            seen, pending = {start.key}, self._children(start.key, "")
        for number in range(MOST_LINES + 1):
            if not pending:
                return
            if number == MOST_LINES:
                break
            key, tie, indent, is_last = pending.pop()
            again = key in seen
            seen.add(key)
            branch = "└─ " if is_last else "├─ "
            call = self._calls[key]
            name = f"{printable(call.name)} {key[:SHORT]} …" if again else shown(call)
            yield f"{indent}{branch}{name}{f'  ({tie})' if tie else ''}"
            if not again:
                pending += self._children(key, indent + ("   " if is_last else "│  "))
        yield "…"

    def _children(self, key: Digest, indent: str) -> list[tuple[Digest, str, str, bool]]:
        if len(indent) > 3 * MOST_DEEP:
            indent = indent[: 3 * MOST_DEEP]
        ties: dict[Digest, str] = {}
        for edge in self._edges.get(key, ()):
            ties.setdefault(getattr(edge, self._side), _tie(edge))
        last = next(reversed(ties), None)
        return [(other, tie, indent, other == last) for other, tie in reversed(ties.items())]


def shown(call: DigestedCall) -> str:
    """Return a call as one line: its short key, its name and its scalar arguments."""
    cells = [
        f"{printable(name)}={preview(call.scalars[name], 20) if name in call.scalars else '…'}"
        for name in call.arguments
    ]
    return f"{printable(call.name)}({shorten(', '.join(cells), 60)}) {call.key[:SHORT]}"


def _tie(edge: Edge) -> str:
    part = f"{printable(edge.part)} " if edge.part else ""
    return f"{part}as {printable(edge.argument)}"


def _by(edges: Sequence[Edge], end: Callable[[Edge], Digest]) -> dict[Digest, list[Edge]]:
    found: dict[Digest, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[end(edge)].append(edge)
    return found


def _for_mermaid(text: str) -> str:
    # Mermaid reads HTML entities, with a # for the ampersand; nothing else may end the text.
    codes = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "`": "#96;", "&": "#amp;"}
    return "".join(codes.get(character, character) for character in text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def lineage_as_json(lineage: Lineage) -> dict[str, Any]:
    """Return a lineage as programs read it."""
    return {
        "start": None if lineage.start is None else str(lineage.start.key),
        "value": None if lineage.value is None else str(lineage.value),
        "upstream": [str(call.key) for call in lineage.upstream],
        "downstream": [str(call.key) for call in lineage.downstream],
        "cut": lineage.is_cut,
        "edges": [
            {name: str(end) for name, end in edge._asdict().items()} for edge in lineage.edges
        ],
    }
