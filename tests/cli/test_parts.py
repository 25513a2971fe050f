from __future__ import annotations

import json

import numpy as np

from fleche_like.calls import Call
from fleche_like.config import open_cache
from fleche_like.hashing import digest


def test_show_lists_the_parts_of_a_value(look, folder):
    array = np.arange(100_000.0)
    with open_cache("results") as cache:
        key = cache.save(Call("f", {}, result=[array, 1]))
        result = cache.load(key).digested.result
    assert result is not None
    done = look("show", result)
    assert done.code == 0
    assert "stored in parts" in done.out
    line = next(line for line in done.out.splitlines() if line.startswith(digest(array)))
    assert line.split()[1] == "1"
    (part,) = json.loads(look("show", result, "--json").out)["parts"]
    assert part["digest"] == digest(array)
    assert part["size_bytes"] > array.nbytes
    assert json.loads(look("show", digest(array), "--json").out)["parts"] == []
