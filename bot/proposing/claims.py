"""Whose a conversation is: the process that goes on with it, and whether that still lives.

A process of the same machine is looked up, so that what a killed one has left is free at once. Of
another machine nothing can be seen: its claim lapses when it has written nothing for long. The
steps of a workflow on GitHub count as one machine, for they never run at the same time.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

LAPSES_S = 1800.0
"""After so long a silence a claim from another machine is void. One answer rarely takes so long;
a process that lost its claim meanwhile notices it with its next answer, and ends."""
_DEAD = frozenset("ZXx")


class Claim(BaseModel):
    """A process: `born` tells it from a later one with the same number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    pid: int
    born: str


def own(environment: Mapping[str, str] = os.environ) -> Claim:
    """The claim of this process."""
    pid = os.getpid()
    return Claim(host=_host(environment), pid=pid, born=_born(pid, environment))


def holds(
    claim: Claim | None,
    silent_s: float,
    environment: Mapping[str, str] = os.environ,
) -> bool:
    """Whether a claim that was last renewed `silent_s` seconds ago still keeps others away."""
    if claim is None:
        return False
    if claim.host == _host(environment):
        return claim.born == _born(claim.pid, environment)
    return abs(silent_s) < LAPSES_S  # a clock that goes wrong must not hold it for ever


def _host(environment: Mapping[str, str]) -> str:
    if environment.get("GITHUB_ACTIONS") == "true":
        return f"workflow {environment.get('GITHUB_WORKFLOW_REF', '')}"
    return socket.gethostname()


def _born(pid: int, environment: Mapping[str, str]) -> str:
    """When a process of this machine began, in the kernel's ticks; empty: there is none."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    if len(fields) < 20 or fields[0] in _DEAD:
        return ""
    run = environment.get("GITHUB_RUN_ID", ""), environment.get("GITHUB_RUN_ATTEMPT", "")
    return "-".join(filter(None, [*run, fields[19]]))
