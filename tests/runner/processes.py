"""Finds processes of a candidate by the seed in their environment."""

from __future__ import annotations

import contextlib
from pathlib import Path


def survivors(seed: int) -> list[str]:
    """Command lines of processes on this machine that were started with this seed."""
    mark = f"SEED={seed}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
    return found
