"""Processes of sandboxes whose runner is gone, found by the label on their command line."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path

from runner.sandbox.label import is_orphan

_OPTION = "--unsetenv"  # of bubblewrap; without a variable of this name it does nothing


def marked(label: str) -> tuple[str, str]:
    """Arguments of bubblewrap by which all of its processes can be found."""
    return _OPTION, label


def reap() -> int:
    """Kill sandboxes whose runner is gone; how many processes there were.

    They die with their runner. What can stay is the waiting first process of one that was
    just being started.
    """
    return kill(is_orphan)


def kill(chosen: Callable[[str], bool]) -> int:
    """Kill bubblewrap's processes whose label is `chosen`; how many there were.

    Looks again until there is no new one: bubblewrap may start its first process after /proc
    was listed, and before it is killed itself.
    """
    tried: set[int] = set()
    while new := _labelled(chosen) - tried:
        tried |= new
        for pid in new:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    return len(tried)


def _labelled(chosen: Callable[[str], bool]) -> set[int]:
    """Process ids. The dead that wait for their parents have no command line any more."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(
                option == _OPTION and chosen(label) for option, label in itertools.pairwise(words)
            ):
                found.add(int(folder.name))
    return found
