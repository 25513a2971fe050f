"""The verbs of the command line, by name; a verb's module is imported when it is used."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast


class VerbModule(Protocol):
    """What the module of a verb offers."""

    EXAMPLES: Sequence[str]

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit code."""
        ...


class Verb(NamedTuple):
    """A verb and what it is for."""

    module: str
    summary: str

    def load(self) -> VerbModule:
        """Import the verb's module."""
        return cast("VerbModule", import_module(f"fleche_like.cli.{self.module}"))


VERBS = {
    "ls": Verb("ls", "list calls, the newest first"),
    "show": Verb("show", "show one call or value, by its full or short digest"),
    "query": Verb("query", "find calls by arguments, results and metadata"),
    "lineage": Verb("lineage", "what a call or value came from, and what became of it"),
    "stats": Verb("stats", "what the cache holds, in figures"),
    "evict": Verb("evict", "remove calls, by their keys or by conditions"),
    "gc": Verb("gc", "remove the values that nothing uses, and what crashes left behind"),
    "verify": Verb("verify", "check that what is stored is what was stored, and mend it"),
    "transfer": Verb("transfer", "copy or move calls with their values to another cache"),
    "sync": Verb("sync", "copy to each of two caches the calls that only the other one has"),
    "export": Verb("export", "write calls with their values to one file"),
    "import": Verb("import_", "bring in the calls of a file, or of another package's cache"),
    "rekey": Verb("rekey", "keep calls hits after a rename, a new argument or a change of code"),
    "config": Verb("config", "which settings were found, and where"),
    "keygen": Verb("keygen", "make keys that sign what a cache holds"),
    "reindex": Verb("reindex", "rebuild the index from the records of calls"),
    "db": Verb("db", "the schema of the index: upgrade, downgrade, current, history, check, stamp"),
}
