"""Tables with parts of containers, and other fields, in columns of their own."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.calls import Call, arg, meta, result
from fleche_like.hashing import Digest

MESH = {"n": 8, "kind": "tri"}
CONFIGURATIONS = [
    {"mesh": MESH, "tags": ["a", "b"]},
    OrderedDict(mesh=MESH, tags=["c"]),  # looked into by loading it
    {"mesh": None},
    7,
]


@pytest.fixture(params=["index", "no index", "held"])
def query(request):
    url = "memory://"
    with fl.open_cache(url) as cache:
        if request.param == "no index":
            from fleche_like.backends import MemoryBackend
            from fleche_like.storage import BackendCallStorage

            cache = fl.Cache(cache.values, BackendCallStorage(MemoryBackend()))
        for at, cfg in enumerate(CONFIGURATIONS):
            call = Call("f", {"at": at, "cfg": cfg}, result={"e": at / 2, "t": np.arange(at)})
            cache.save(Call(**{**call.__dict__, "metadata": {"host": "h"}}))
        found = cache.query().order_by("at")
        yield found.hold() if request.param == "held" else found


def test_parts_are_columns_by_name_or_field(query):
    chosen = ["at", "cfg['mesh']['n']", arg("cfg")["tags"][0], result()["e"], meta("host")]
    rows = query.table(arguments=chosen, metadata=False, library=None, short=False)
    assert [{k: v for k, v in row.items() if k != "key"} for row in rows] == [
        {"at": 0, "cfg['mesh']['n']": 8, "cfg['tags'][0]": "a", "result['e']": 0.0,
         "meta.host": "h"},
        {"at": 1, "cfg['mesh']['n']": 8, "cfg['tags'][0]": "c", "result['e']": 0.5,
         "meta.host": "h"},
        {"at": 2, "result['e']": 1.0, "meta.host": "h"},
        {"at": 3, "result['e']": 1.5, "meta.host": "h"},
    ]  # fmt: skip
    frame = query.table(arguments=result()["e"], metadata=False)
    assert str(frame["result['e']"].dtype) == "float64"


def test_a_part_that_is_no_scalar_is_shown_by_its_digest_or_loaded(query):
    chosen = ["cfg['mesh']", result()["t"]]
    digests = query.table(arguments=chosen, library=None)
    assert digests[0]["cfg['mesh']"] == digests[1]["cfg['mesh']"] == fl.digest(MESH)
    assert type(digests[3]["result['t']"]) is Digest
    assert digests[2]["cfg['mesh']"] is None
    assert "cfg['mesh']" not in digests[3]
    values = query.table(arguments=chosen, library=None, values=True)
    assert [row.get("cfg['mesh']") for row in values] == [MESH, MESH, None, None]
    assert [len(row["result['t']"]) for row in values] == [0, 1, 2, 3]


def test_the_names_of_columns_order_and_group_as_well(query):
    assert query.order_by("-result['e']").first().digested.scalars["at"] == 3
    rows = query.group_by("cfg['mesh']['n']").agg(n=fl.calls.count())
    assert list(rows) == [{"cfg['mesh']['n']": 8, "n": 2}, {"n": 2}]


def test_what_is_no_column_is_told(query):
    with pytest.raises(fl.errors.QueryError, match=r"result\(\)\['e'\]"):
        query.order_by("-result.e")
    with pytest.raises(fl.errors.QueryError, match="no column: int"):
        query.table(arguments=[1])
    for wrong in (lambda: ~result()["e"], lambda: result()["e"] & (arg("at") > 1)):
        with pytest.raises(fl.errors.QueryError, match=r"compare it, as in result\(\)\['e'\] == "):
            wrong()
    with pytest.raises(fl.errors.QueryError, match="indices from 0 to"):
        arg("cfg")[2**63]
