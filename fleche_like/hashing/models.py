"""pydantic models and scikit-learn estimators: class and state, without what is merely cached."""

from __future__ import annotations

from typing import Any

from fleche_like.hashing.branch import Branch, Handler, group, named
from fleche_like.hashing.instances import attributes_of
from fleche_like.hashing.library import Library
from fleche_like.hashing.names import object_head, type_names


def _model(value: Any) -> Branch:
    """Fields, extra and private ones, and which of them were given explicitly."""
    state = value.__getstate__()
    parts = (
        "pydantic",
        attributes_of(value, state["__dict__"]),
        state["__pydantic_extra__"],
        state["__pydantic_fields_set__"],
        state["__pydantic_private__"],
    )
    return Branch(object_head(type(value)), (group(parts, named("", "", "", "", "")),))


def _estimator(value: Any) -> Branch:
    """Parameters and what was fitted; not the version of the library that pickles carry."""
    state = value.__getstate__()
    if type(state) is dict:
        state = {name: part for name, part in state.items() if name != "_sklearn_version"}
    parts = ("state", (), None, attributes_of(value, state))
    return Branch(object_head(type(value)), (group(parts),))


class _Named(Library):
    """Bases by name, for either library may be absent."""

    def find(self, base: type) -> Handler | None:
        names = type_names(base)
        if names == ("pydantic.main", "BaseModel"):
            return _model
        return _estimator if names == ("sklearn.base", "BaseEstimator") else None


LIBRARY = _Named("pydantic", ())
