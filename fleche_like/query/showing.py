"""What a query asks, as one line of text."""

from __future__ import annotations

from collections.abc import Iterator

from fleche_like.calls import Ordering, QueryCall, Selection
from fleche_like.query.held import HeldCalls
from fleche_like.query.preview import preview
from fleche_like.query.source import QuerySource


def describe(selection: Selection, source: QuerySource) -> str:
    """Return what is asked; counts are shown only where they are known already."""
    parts = [*_held(source), *_template(selection.template)]
    parts += [f"where {condition!r}" for condition in selection.conditions]
    if selection.order:
        parts.append("order by " + ", ".join(map(_order, selection.order)))
    if selection.limit is not None:
        parts.append(f"limit {selection.limit}")
    if selection.offset:
        parts.append(f"offset {selection.offset}")
    return " ".join(parts) or "all calls"


def _held(source: QuerySource) -> Iterator[str]:
    if isinstance(source, HeldCalls):
        count = source.held_count
        yield "held calls" if count is None else f"of {count} held calls"


def _template(template: QueryCall) -> Iterator[str]:
    for field in ("name", "module", "version", "code", "result"):
        value = getattr(template, field)
        if value is not None:
            yield f"{field}={preview(value)}"
    for name, value in (template.arguments or {}).items():
        yield f"arg({name!r})={'any' if value is None else preview(value)}"
    for name, value in (template.metadata or {}).items():
        yield f"meta({name!r})={'any' if value is None else preview(value)}"


def _order(order: Ordering) -> str:
    return f"{order.field!r} descending" if order.descending else repr(order.field)
