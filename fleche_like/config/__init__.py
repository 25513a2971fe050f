"""Opening caches from a folder, a URL or a name, and where the default one lives.

::

    opening.py      open_cache
    default.py      the cache that is used where none was set
    named.py        caches that fleche-like.toml names, and stacks and pools of them
    trusting.py     keys and trust, from options and the environment
    executors.py    an executor by the configuration
    settings.py     all settings with their origins
    files.py environment.py schema.py problems.py
                    where files are; variables; which keys there are; what is wrong, and where
"""

from __future__ import annotations

from fleche_like.config.default import default_folder, default_target, open_default_cache
from fleche_like.config.executors import open_executor
from fleche_like.config.opening import index_of, open_cache
from fleche_like.config.settings import Settings, load_settings

__all__ = [
    "Settings",
    "default_folder",
    "default_target",
    "index_of",
    "load_settings",
    "open_cache",
    "open_default_cache",
    "open_executor",
]
