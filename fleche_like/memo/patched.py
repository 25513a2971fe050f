"""Attributes of Python and of installed packages that somebody replaced while the process runs.

As installed they count by name. What they are as installed cannot be looked up, so it is what was
found when the first function asked.
"""

from __future__ import annotations

from typing import Any, Final

from fleche_like.cache import is_immutable
from fleche_like.memo.sites import Site

_MOCKS: Final = "unittest.mock"
_found: Final[dict[tuple[int, str], tuple[Any, Any]]] = {}
"""What was found first, by namespace and name; the namespace is held so that its id stays its."""


def is_patched(site: Site) -> bool:
    """Whether a place in an installed module holds other code, or another constant, than at first.

    A mock always is one. Streams and other objects come and go, and do not count.
    """
    value = site.value
    if type(value).__module__ == _MOCKS:
        return True
    _, first = _found.setdefault(site.place, (site.namespace, value))
    return first is not value and (callable(value) or is_immutable(value))
