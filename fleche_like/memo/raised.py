"""Exceptions as results: what ``@memoize(exceptions=...)`` stores of a call that raised."""

from __future__ import annotations

import pickle
from typing import Any

from fleche_like.errors import EncodeError, SaveError
from fleche_like.hashing import digest


class Raised:
    """Marks a stored result as what the body raised.

    A hit raises the exception, unpickled for itself alone; a query shows it as the result. Two are
    equal if type, arguments and attributes of their exceptions are.

    Args:
        exception: what was raised.

    >>> Raised(ValueError("too small"))
    Raised(ValueError('too small'))
    >>> Raised(ValueError("a")) == Raised(ValueError("a")), Raised(ValueError("a")).kind
    (True, 'ValueError')
    """

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    @property
    def kind(self) -> str:
        """The name of the exception's class."""
        return type(self.exception).__qualname__

    def __digest__(self) -> Any:
        error = self.exception
        return (type(error), error.args, vars(error))

    def __eq__(self, other: object) -> bool:
        return digest(self) == digest(other) if isinstance(other, Raised) else NotImplemented

    def __hash__(self) -> int:
        return hash(digest(self))

    def __repr__(self) -> str:
        return f"Raised({self.exception!r})"


def raised(error: BaseException) -> Raised:
    """Return what to store of an exception.

    Raises:
        SaveError: it would not come back as it is: many classes with an ``__init__`` of their own
            cannot be unpickled.
        Indigestible: it holds something without a stable identity.
    """
    mark = Raised(error)
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception as problem:
        raise EncodeError(
            f"{error!r} cannot be pickled and unpickled: {problem}", kind=mark.kind
        ) from problem
    if type(copy) is not type(error) or Raised(copy) != mark:
        raise SaveError(f"{error!r} is another one when it is unpickled")
    return mark
