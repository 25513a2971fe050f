from __future__ import annotations

import re
import tomllib
from importlib import import_module

import pytest

import fleche_like
from tests.project.paths import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
LAYERS: list[str] = next(rule["layers"] for rule in CONTRACTS if rule["type"] == "layers")
FLOORS = [name for layer in LAYERS for name in re.findall(r"\w+", layer) if "(" not in layer]


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_says_what_it_is(floor: str) -> None:
    assert import_module(f"fleche_like.{floor}").__doc__


def test_the_package_draws_its_floors_in_order() -> None:
    """The map in the docstring is what a newcomer reads first; the linter enforces the same one."""
    text = fleche_like.__doc__ or ""
    places = [re.search(rf"\b{floor}\b", text) for floor in FLOORS]
    assert all(places), [floor for floor, place in zip(FLOORS, places, strict=True) if not place]
