"""Writes docs/configuration.md and docs/commands.md from the settings and the command lines.

python docs/make_reference.py           write them
python docs/make_reference.py --check   exit with 1 when they are not up to date
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))  # the packages are run from the repository, not installed

from docs.reference.commands import command_reference
from docs.reference.configuration import configuration


def pages() -> dict[Path, str]:
    """The generated pages, by where they belong."""
    docs = TOP / "docs"
    return {
        docs / "configuration.md": configuration(),
        docs / "commands.md": command_reference(),
    }


def main(arguments: list[str]) -> int:
    """Write the pages or check them; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    stale = [
        (path, text)
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        name = path.relative_to(TOP)
        if check:
            print(f"{name} is not up to date: run `make docs`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
