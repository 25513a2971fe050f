"""Where the checkout is; the tests of the wheel run in a copy of it without the package."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
