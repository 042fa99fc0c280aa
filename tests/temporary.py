"""What is left in a temporary folder."""

from __future__ import annotations

import re
from pathlib import Path

# `tempfile` writes this to a file of such a name, and removes it, to see whether a folder can be
# written. A process that is killed in that instant leaves it, as any program in Python does.
_TRIED_WITH = b"blat"
_NAME = re.compile(r"[a-z0-9_]{8}")


def left_in(folder: Path) -> list[str]:
    """Names of all that programs left there, but for what Python itself tried the folder with."""
    return [path.name for path in folder.iterdir() if not _is_a_trial(path)]


def _is_a_trial(path: Path) -> bool:
    if _NAME.fullmatch(path.name) is None or path.is_symlink() or not path.is_file():
        return False
    return path.read_bytes() in (b"", _TRIED_WITH)
