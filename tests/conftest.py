"""Settings of all property tests."""

from __future__ import annotations

from hypothesis import settings

# A machine that is busy with other things is slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
