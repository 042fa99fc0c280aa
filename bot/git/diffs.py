"""How changes are asked for: everything that configuration could alter is said out loud."""

from __future__ import annotations

import os

_SAME = ("-r", "--no-renames", "--full-index", "--ignore-submodules=none", f"-O{os.devnull}")

RAW_OPTIONS = ("-z", "--raw", *_SAME)
"""For `git diff-tree OPTIONS BASE HEAD`: the changed entries and nothing else."""

DIFF_OPTIONS = (
    *("-p", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", *_SAME),
    *("--src-prefix=a/", "--dst-prefix=b/", "--no-relative", "-U3", "--inter-hunk-context=0"),
    *("--diff-algorithm=myers", "--indent-heuristic", "--submodule=short"),
)
"""For `git diff-tree OPTIONS BASE HEAD`: the whole difference as text."""
