"""Exit codes, part of the interface: scripts rely on them."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What the command line ends with."""

    OK = 0
    NOTHING = 1
    """No such key, several keys begin so, or no call matches."""
    USAGE = 2
    """The command makes no sense: an unknown option, a malformed condition, no digest."""
    UNUSABLE = 3
    """The cache is not there, damaged, out of reach, or of another release."""
    FAILED = 4
    """A defect of this program; the traceback is on stderr."""
    DAMAGED = 5
    """There is damage, and some of it is left."""
    MENDED = 6
    """There was damage, and all of it was repaired or put aside."""
    INTERRUPTED = 130


HELP = (
    "exit codes: 0 done; 1 nothing found (or a short key is ambiguous); 2 wrong usage; "
    "3 the cache cannot be used; 4 a defect of this program; "
    "5 damage was found; 6 damage was found and mended; 130 interrupted"
)
