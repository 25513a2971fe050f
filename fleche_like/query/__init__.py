"""Lazy, chainable results of queries, and tables made of them.

A :class:`Query` asks a :class:`QuerySource`, which caches implement::

    query.py      Query: what is asked, narrowed step by step; nothing is read until it is needed
    source.py     the protocol it asks
    held.py       calls in memory as a source of their own, for what only Python can do
    narrowing.py  conditions and argument templates joined to what is asked already
    fields.py     names such as "-alpha" or "meta.runtime.walltime" as fields and orderings
    groups.py     calls in groups, and their figures
    lineage.py    calls and the values that tie them, as a graph
    windows.py    slices, limits and offsets
    batches.py    values loaded many at a time
    columns.py    calls as named columns
    frames.py     columns as pandas, Polars or Arrow tables
    html.py       columns for a notebook
    preview.py    any value as one short printable line
"""

from fleche_like.query.groups import GroupedCalls, Summary
from fleche_like.query.held import HeldCalls
from fleche_like.query.lineage import Lineage, lineage_as_json
from fleche_like.query.preview import preview, printable
from fleche_like.query.query import Query
from fleche_like.query.source import QuerySource

__all__ = [
    "GroupedCalls",
    "HeldCalls",
    "Lineage",
    "Query",
    "QuerySource",
    "Summary",
    "lineage_as_json",
    "preview",
    "printable",
]
