"""Per-process limits (setrlimit): a second fence behind the control group or the watcher."""

from __future__ import annotations

import functools
import os
import re
import resource

from runner.sandbox import cgroups
from runner.sandbox.base import Limits

_MOST_OPEN_FILES = 4096
OWN_PROCESSES = 3  # two of bubblewrap and one to spare


def process_limits(limits: Limits) -> dict[str, int]:
    """Per-process limits by the names of getrlimit(2), which everything inside inherits."""
    wanted = {
        "CORE": 0,
        "MSGQUEUE": 0,
        "FSIZE": max(limits.output_bytes, limits.scratch_bytes, limits.shared_memory_bytes),
        # Open files hold memory of the kernel, which only a control group counts.
        "NOFILE": _MOST_OPEN_FILES if cgroups.find() else _MOST_OPEN_FILES // 4,
    }
    if os.geteuid() == 0 or counts_per_namespace():
        # bubblewrap's own processes are among those of the user.
        wanted["NPROC"] = limits.processes + OWN_PROCESSES
    return wanted


def set_from_outside(pid: int, wanted: dict[str, int]) -> None:
    """Set limits from outside: an ordinary user may do so for a process of the same user."""
    for name, value in wanted.items():
        kind: int = getattr(resource, f"RLIMIT_{name}")
        possible = _allowed(value, resource.prlimit(pid, kind)[1])
        resource.prlimit(pid, kind, (possible, possible))


def as_far_as_allowed(wanted: dict[str, int]) -> list[tuple[str, int]]:
    """The limits, as far as our own hard limits let them be set."""
    return [
        (name, _allowed(value, resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]))
        for name, value in wanted.items()
    ]


def _allowed(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


@functools.cache
def counts_per_namespace() -> bool:
    """Whether the kernel counts a user's processes per user namespace (Linux 5.14)."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 14)
