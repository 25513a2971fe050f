"""Keeping caches in order: what takes long, can be interrupted at any moment, and run again.

::

    gc.py          what nothing uses, removed: roots.py marks, sweeping.py and leftovers.py remove
    verify.py      what is stored, checked: contents.py reads, repair.py mends, findings.py tells
    evicting.py    calls, evicted together with their values
    reindex.py     the index, rebuilt from the records of calls
    transfer.py    calls from one cache to another; sync.py: in both directions
    archives/      a selection as one file, and back
    rekey.py       calls under another name, with another argument, for other code
    importing/     the folders of fleche, joblib and diskcache
"""

from __future__ import annotations

from fleche_like.maintenance.archives import Exported, Imported, export, import_
from fleche_like.maintenance.changes import AcceptCode, AddArgument, Change, Rename
from fleche_like.maintenance.evicting import Evicted, evict
from fleche_like.maintenance.findings import Finding, Verified
from fleche_like.maintenance.gc import Collected, gc
from fleche_like.maintenance.importing import (
    Adopted,
    import_diskcache,
    import_fleche,
    import_joblib,
)
from fleche_like.maintenance.moving import Transferred
from fleche_like.maintenance.reindex import Reindexed, reindex
from fleche_like.maintenance.rekey import Rekeyed, rekey, undo_rekey
from fleche_like.maintenance.sync import Synced, sync
from fleche_like.maintenance.transfer import transfer
from fleche_like.maintenance.verify import verify

__all__ = [
    "AcceptCode",
    "AddArgument",
    "Adopted",
    "Change",
    "Collected",
    "Evicted",
    "Exported",
    "Finding",
    "Imported",
    "Reindexed",
    "Rekeyed",
    "Rename",
    "Synced",
    "Transferred",
    "Verified",
    "evict",
    "export",
    "gc",
    "import_",
    "import_diskcache",
    "import_fleche",
    "import_joblib",
    "reindex",
    "rekey",
    "sync",
    "transfer",
    "undo_rekey",
    "verify",
]
