"""Whether a file could have been put where it is by somebody who is not trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def planted_by(path: Path) -> str | None:
    """Return why a file or folder that was come upon is not to be trusted; ``None`` if it may be.

    It is not where anybody may have made or changed it: it can be written by all, or lies in a
    folder that can (``/tmp``, say) and belongs neither to this user nor to root. Somebody else's
    file in a folder of a group is trusted: that is how teams share. POSIX only.
    """
    if os.name != "posix":
        return None
    found, around = path.stat(), path.parent.stat()
    if found.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    if around.st_mode & stat.S_IWOTH and found.st_uid not in {os.geteuid(), 0}:
        return f"it belongs to somebody else, and everybody may write to {path.parent}"
    return None
