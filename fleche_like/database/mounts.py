"""Whether a folder lies on a network file system, where SQLite's shared memory cannot work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

NETWORK: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.beegfs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb3",
        "smbfs",
        "virtiofs",
    }
)

_OCTAL = re.compile(r"\\([0-7]{3})")


def is_network(path: Path, table: Path = Path("/proc/self/mounts")) -> bool:
    """Whether ``path`` lies on a network file system.

    Args:
        path: absolute; need not exist.
        table: the kernel's list of mounts (fstab(5) format). Where there is none, as on macOS
            and Windows, every place counts as local.
    """
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    place = path.resolve()
    mounts = (line.split(" ") for line in lines)
    top, top_kind = -1, ""
    for point, kind in ((Path(_unescaped(fields[1])), fields[2]) for fields in mounts):
        # Not `>`: of equally deep mounts the last one lies on top.
        if len(point.parts) >= top and place.is_relative_to(point):
            top, top_kind = len(point.parts), kind
    return top_kind in NETWORK


def _unescaped(point: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), point)
