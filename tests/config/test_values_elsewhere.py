"""A cache whose index is on a database server and whose values are in an object store."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

import fleche_like as fl
from fleche_like.backends import SupportsStat, connect
from fleche_like.index import upgrade
from tests.servers import S3, needs_postgresql, needs_s3, postgresql_url, s3_bucket

calls: list[float] = []


def simulate(alpha: float, steps: int = 3) -> dict[str, object]:
    calls.append(alpha)
    return {"alpha": alpha, "path": [alpha * step for step in range(steps)], "blob": b"x" * 200_000}


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-access")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", S3)
    calls.clear()
    return f"s3://{s3_bucket()}/{uuid.uuid4().hex}"


def use(index: str, values: str) -> None:
    """The main job: compute, hit, ask; then the same from a cache that is opened anew."""
    with fl.open_cache(index, values=values) as cache:
        memoized = fl.memoize(cache=cache)(simulate)
        first = memoized(0.25)
        assert memoized(0.25) == first
        assert memoized(0.5)["alpha"] == 0.5
        assert calls == [0.25, 0.5]
    with fl.open_cache(index, values=values) as cache:
        memoized = fl.memoize(cache=cache)(simulate)
        assert memoized(0.25) == first
        assert calls == [0.25, 0.5]
        found = cache.query(name=memoized.call(0.25).name).where(fl.arg("alpha") > 0.3)
        assert [call.result["alpha"] for call in found] == [0.5]
    backend = connect(values)
    assert isinstance(backend, SupportsStat)
    stats = [backend.stat(key) for key in backend.list_prefix("values", recursive=True)]
    assert sum(stat.size for stat in stats if stat is not None) > 400_000
    backend.close()


@needs_s3
def test_index_in_a_file_and_values_on_s3(tmp_path: Path, values: str) -> None:
    use(f"sqlite:///{tmp_path}/index.db", values)


@needs_s3
@needs_postgresql
def test_index_on_postgresql_and_values_on_s3(values: str) -> None:
    url = postgresql_url()
    upgrade(url)
    use(url, values)


@needs_s3
def test_a_server_that_refuses_costs_the_caching_not_the_answer(
    tmp_path: Path, values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with fl.open_cache(f"sqlite:///{tmp_path}/index.db", values="s3://nowhere/at-all") as cache:
        memoized = fl.memoize(cache=cache)(simulate)
        with pytest.warns(fl.NotCachedWarning):
            assert memoized(0.25)["alpha"] == 0.25
