"""Sentinels, redaction, optional imports, forks."""

from __future__ import annotations

import copy
import os
import pickle

import pytest

from fleche_like.errors import MissingExtra
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.optional import require
from fleche_like.support.redact import redact
from fleche_like.support.sentinel import MISSING


def test_the_sentinel_stays_itself_and_is_not_false():
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert copy.deepcopy(MISSING) is MISSING
    with pytest.raises(TypeError, match="is MISSING"):
        bool(MISSING)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:hunter2@host:5432/db",
        "postgresql://ann:hunter2%40@host/db",
        "mysql://:hunter2@host/db",
        "s3://bucket/key?AWS_SECRET_ACCESS_KEY=hunter2&x=1",
        "https://host/path?token=hunter2",
        "could not connect to postgresql://ann:hunter2@host/db: refused",
    ],
)
def test_no_secret_is_left(url):
    assert "hunter2" not in redact(url)
    assert "***" in redact(url)


@pytest.mark.parametrize("url", ["sqlite:////tmp/a@b/c.db", "file:///x", "s3://bucket/a?x=1", ""])
def test_what_holds_no_secret_stays(url):
    assert redact(url) == url


def test_a_missing_library_names_its_extra():
    assert require("json", "none").dumps([]) == "[]"
    with pytest.raises(MissingExtra, match=r"pip install 'fleche-like\[pandas\]'") as caught:
        require("no_such_library_at_all", "pandas")
    assert caught.value.extra == "pandas"


class Renewing:
    renewed = 0

    def _renew_after_fork(self) -> None:
        self.renewed += 1


def test_a_forked_child_renews_what_asked_for_it():
    instance = Renewing()
    renew_after_fork(instance)
    child = os.fork()
    if child == 0:
        os._exit(instance.renewed)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert instance.renewed == 0
