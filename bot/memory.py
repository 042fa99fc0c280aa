"""How often Python looks for garbage in the processes of the bot."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 500_000  # more than a history of 10,000 experiments has


def collect_rarely() -> None:
    """Look for cycles after half a million new objects, not after every 700.

    A history is read into hundreds of thousands of objects that stay, and by default Python goes
    through all of them again and again meanwhile: a fifth of a command's time. What is no cycle
    is freed at once anyway.
    """
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def collect_no_more() -> None:
    """The process ends: what is left goes with it, and Python need not go through it once more."""
    gc.freeze()
