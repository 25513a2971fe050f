"""The one sentinel for "there is no value here"; ``None`` is a value like any other."""

from __future__ import annotations

import enum
from typing import Final


class Missing(enum.Enum):
    """Type of :data:`MISSING`, so that checkers can narrow ``T | Missing``."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        # `if found:` would treat None, 0 and MISSING alike: exactly the bug this type prevents.
        raise TypeError("compare with `is MISSING`")


MISSING: Final = Missing.MISSING
