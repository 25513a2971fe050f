"""Every error is also the builtin one would catch, and survives pickling and copying."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from fleche_like import errors
from fleche_like.errors import FlecheError, FlecheWarning

ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, FlecheError) and kind.__module__ == errors.__name__
]
BUILTINS = (
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    OSError,
    ImportError,
    UserWarning,
)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_message_and_data_survive(kind, again):
    twin = again(kind("what went wrong", key="k", url="u"))
    assert type(twin) is kind
    assert str(twin) == "what went wrong"
    assert (twin.key, twin.url) == ("k", "u")


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_but_the_general_ones_is_a_builtin_too(kind):
    if kind not in {FlecheError, errors.SaveError}:
        assert issubclass(kind, BUILTINS)


def test_the_tree_in_the_docstring_is_whole():
    drawn = errors.__doc__ or ""
    warnings_ = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, FlecheWarning)
    ]
    for kind in [*ERRORS, *warnings_]:
        assert f" {kind.__name__}" in drawn, kind


def test_a_missing_key_can_be_caught_either_way():
    for builtin in (KeyError, FileNotFoundError):
        with pytest.raises(builtin, match="not there"):
            raise errors.KeyNotFound("not there", key="k", url="u")
