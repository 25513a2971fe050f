"""The command line, ``fleche-like``: what a cache holds, for people and for programs.

::

    main.py        arguments, dispatch, and errors as exit codes
    verbs.py       the verbs; their modules are imported when they are used
    ls.py show.py query.py lineage.py stats.py reindex.py db.py config.py keygen.py
    transfer.py sync.py export.py import_.py rekey.py
                   one verb each: configure(parser), run(args)
    digests.py     a digest as people type it, found among calls and values
    done.py        what a verb did, in figures
    options.py     options that several verbs have
    caches.py      opening the cache that was named
    conditions.py  "alpha > 0.1 and solver == 'lu'" as an expression; nothing is evaluated
    calls.py       calls as JSON, and as rows of a table
    tables.py      aligned text that fits the terminal
    output.py      JSON, CSV, and text for the terminal at hand
    exits.py       exit codes

Importing this imports next to nothing, so that ``--help`` answers at once.
"""

from fleche_like.cli.main import main

__all__ = ["main"]
