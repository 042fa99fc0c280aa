"""What each backend promises on this machine, in words, and honestly where it does not."""

from __future__ import annotations

import os

from runner.sandbox import cgroups
from runner.sandbox.base import Guarantee
from runner.sandbox.rlimits import counts_per_namespace
from runner.sandbox.stage import Program


def bubblewrap_guarantees(program: Program) -> tuple[Guarantee, ...]:
    """The promises of the bubblewrap backend."""
    hierarchy = cgroups.find()
    group = None if hierarchy is None else f"control group v{hierarchy.version}"
    if group is not None:
        processes = group
    elif counts_per_namespace():
        processes = "limit of the kernel per user namespace, and a watcher"
    else:
        processes = "watcher every 50 ms, which a fast fork bomb can outrun for a moment"
    cores = "the runner's own cores, which the filter does not let the job change"
    if hierarchy is not None and not hierarchy.keeps_quota:
        cores += "; a quota of the runner's control group does not follow it"
    nested = (
        "disabled for the whole namespace"
        if program.disable_user_namespaces
        else ("by the system-call filter alone (this machine does not let them be disabled)")
    )
    user = "an unused user id of its own" if os.geteuid() == 0 else "your own user id, confined"
    return (
        Guarantee("network", True, "empty network namespace, loopback only"),
        Guarantee("files", True, "own root: interpreter and system read-only, nothing else"),
        Guarantee("environment", True, "cleared; only the contract is set"),
        Guarantee("processes hidden", True, "process-id, IPC and UTS namespaces"),
        Guarantee("not root outside", True, user),
        Guarantee("privileges", True, "all capabilities dropped, no new privileges"),
        Guarantee("system calls", True, "seccomp deny list, foreign architectures killed"),
        Guarantee("no nested namespaces", True, nested),
        Guarantee("terminal", True, "new session, no terminal, TIOCSTI denied"),
        Guarantee("deadline", True, "the kernel kills the whole process-id namespace"),
        Guarantee("memory", True, group or "watcher every 50 ms, temporary files included"),
        Guarantee("processes", True, processes),
        Guarantee("cpu", True, cores),
        Guarantee("disk", True, "sized temporary file systems; the host's are never writable"),
        Guarantee(
            "number of files", True, "watcher every 100 ms" if group else "watcher every 50 ms"
        ),
        Guarantee("output", True, "plain files only, counted and copied after the job is dead"),
        Guarantee("log", True, "the last bytes only; a flood is slowed down"),
        Guarantee("kernel bugs", False, "the kernel and the GPU's driver are shared with the host"),
    )


def unconfined_guarantees() -> tuple[Guarantee, ...]:
    """The promises of the backend `none`."""
    nothing = "nothing is confined"
    names = (
        "network", "files", "environment", "processes hidden", "not root outside", "privileges",
        "system calls", "no nested namespaces", "terminal", "memory", "processes", "cpu", "disk",
        "number of files", "kernel bugs",
    )  # fmt: skip
    return (
        Guarantee("deadline", False, "the process group is killed; a process can leave it"),
        Guarantee("output", True, "plain files only, counted and copied after the job ended"),
        Guarantee("log", True, "the last bytes only; a flood is slowed down"),
        *(Guarantee(name, False, nothing) for name in names),
    )
