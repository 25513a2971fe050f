"""What was called: calls, templates, expressions, and the binding of arguments."""

from __future__ import annotations

from fleche_like.calls.aggregates import (
    Grouping,
    Groups,
    SupportsAggregation,
    aggregate_from,
    grouped,
)
from fleche_like.calls.annotations import Ignored, Required
from fleche_like.calls.binder import Binder
from fleche_like.calls.call import RESULT, Call, DigestedCall, PreparedCall, digest_arguments
from fleche_like.calls.expressions import (
    Aggregate,
    And,
    Comparison,
    Expression,
    Field,
    Membership,
    Not,
    Or,
    Ordering,
    Prefix,
    arg,
    count,
    meta,
    result,
)
from fleche_like.calls.key import KeyMaker, Version, call_key, checked_version, key_maker
from fleche_like.calls.lazy import LazyArguments, LazyCall, Loader
from fleche_like.calls.lineage import LineageQuery, Related, SupportsLineage, related_in
from fleche_like.calls.metadata import flatten, freeze
from fleche_like.calls.operands import Comparator, Constant, Operand
from fleche_like.calls.parts import Part, Parts, Path, all_parts, item_of, part_at
from fleche_like.calls.scalars import Scalar, instant_us, is_scalar, scalar_view
from fleche_like.calls.selection import Selection, SupportsSelection, select_from
from fleche_like.calls.template import QueryCall

__all__ = [
    "RESULT",
    "Aggregate",
    "And",
    "Binder",
    "Call",
    "Comparator",
    "Comparison",
    "Constant",
    "DigestedCall",
    "Expression",
    "Field",
    "Grouping",
    "Groups",
    "Ignored",
    "KeyMaker",
    "LazyArguments",
    "LazyCall",
    "LineageQuery",
    "Loader",
    "Membership",
    "Not",
    "Operand",
    "Or",
    "Ordering",
    "Part",
    "Parts",
    "Path",
    "Prefix",
    "PreparedCall",
    "QueryCall",
    "Related",
    "Required",
    "Scalar",
    "Selection",
    "SupportsAggregation",
    "SupportsLineage",
    "SupportsSelection",
    "Version",
    "aggregate_from",
    "all_parts",
    "arg",
    "call_key",
    "checked_version",
    "count",
    "digest_arguments",
    "flatten",
    "freeze",
    "grouped",
    "instant_us",
    "is_scalar",
    "item_of",
    "key_maker",
    "meta",
    "part_at",
    "related_in",
    "result",
    "scalar_view",
    "select_from",
]
