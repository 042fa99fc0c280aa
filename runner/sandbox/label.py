"""Names of what a run may leave behind when the runner itself is killed.

A label holds who made the thing: the process-id namespace, the process and its start time.
That is enough to tell a leftover from something that another runner is using right now.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

PREFIX = "mergelab-run"
_LABEL = re.compile(rf"{PREFIX}-(?P<space>\d+)-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{{12}}")


def new_label() -> str:
    """A fresh name that says which process it belongs to."""
    pid = os.getpid()
    return f"{PREFIX}-{_pid_namespace()}-{pid}-{_start_time(pid)}-{secrets.token_hex(6)}"


def is_orphan(name: str) -> bool:
    """Whether `name` is a label of this process-id namespace whose maker is gone.

    Labels of other namespaces (another container that shares the folder) are never orphans
    for us: whether their makers live cannot be seen from here.
    """
    match = _LABEL.fullmatch(name)
    if match is None or int(match["space"]) != _pid_namespace():
        return False
    return _start_time(int(match["pid"])) != int(match["start"])


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _start_time(pid: int) -> int | None:
    """Clock ticks after boot at which `pid` started (field 22 of proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses, which may itself hold anything.
    return int(text.rpartition(")")[2].split()[19])
