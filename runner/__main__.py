"""`python -m runner`."""

from __future__ import annotations

import os
import sys

# As in bot/__main__.py: nothing is imported from the project that is measured.
_HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
if os.path.realpath(sys.path[0]) == os.path.realpath(".") != _HERE:
    del sys.path[0]

from runner.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
