"""``python -m fleche_like``: the command line."""

import sys

from fleche_like.cli import main

if __name__ == "__main__":
    sys.exit(main())
