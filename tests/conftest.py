"""Settings of all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# A machine that is busy with other things is slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Runs in the background of a shell ignore interrupts, and so would the processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
