from __future__ import annotations

import pytest

from fleche_like.storage.manager import create_storage_manager


@pytest.fixture
def two(tmp_path):
    with create_storage_manager(
        "filesystem", {"base_path": tmp_path / "a"}, "filesystem", {"base_path": tmp_path / "b"}
    ) as manager:
        yield manager
