"""The state of an experiment as one label, of which a pull request has exactly one."""

from __future__ import annotations

from collections.abc import Iterable

PREFIX = "experiment: "
OPEN = f"{PREFIX}open"
MEASURING = f"{PREFIX}measuring"
MERGED = f"{PREFIX}merged"
CLOSED = f"{PREFIX}closed"
STATES = {OPEN: "0e8a16", MEASURING: "fbca04", MERGED: "8250df", CLOSED: "cfd3d7"}
"""Each with its colour."""

WANTED = "experiment"
"""The label by which a person makes a pull request an experiment."""


def managed(name: str) -> bool:
    """Whether the forge itself sets this label."""
    return name.startswith(PREFIX)


def with_state(names: Iterable[str], state: str) -> list[str]:
    """The labels with `state` as the only one of its kind."""
    return [*sorted(name for name in names if not managed(name)), state]
