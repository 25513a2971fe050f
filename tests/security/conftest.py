from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.places import LAYOUTS, Bomb, Place


@pytest.fixture(params=LAYOUTS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "cache"
    folder.mkdir()
    return Place(request.param, folder)


@pytest.fixture(autouse=True)
def nothing_goes_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KEYS", "KEYS_FILE", "TRUST", "CACHE", "CONFIG"):
        monkeypatch.delenv(f"FLECHE_LIKE_{name}", raising=False)
    Bomb.fired.clear()
    yield
    assert Bomb.fired == []
