"""A selection of calls as one file, and back.

::

    layout.py    the format: what lies where
    frames.py    frames read from a file that is checked as a whole
    writing.py   export
    reading.py   import_
"""

from __future__ import annotations

from fleche_like.maintenance.archives.reading import Imported, import_
from fleche_like.maintenance.archives.writing import Exported, export

__all__ = ["Exported", "Imported", "export", "import_"]
