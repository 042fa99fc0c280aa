"""`python -m runner`."""

from __future__ import annotations

import os
import sys

# As in bot/__main__.py: nothing is imported from the project that is measured.
_HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
if os.path.realpath(sys.path[0]) == os.path.realpath(".") != _HERE:
    del sys.path[0]


def _run() -> int:
    try:
        from runner.cli import main
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "runner":
            raise  # a defect of ours
        print(
            f"error: {sys.executable} lacks the package {missing.name!r}, which the runner needs. "
            "Run `make install` once, then use .venv/bin/python -m runner (or activate .venv).",
            file=sys.stderr,
        )
        return 1
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_run())
