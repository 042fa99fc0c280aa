"""What the Docker backend promises with the engine at hand."""

from __future__ import annotations

from runner.sandbox.base import Guarantee
from runner.sandbox.docker.engine import Facts
from runner.sandbox.docker.specification import USER


def docker_guarantees(facts: Facts, runtime: str | None) -> tuple[Guarantee, ...]:
    """The promises, by the same names as those of the other backends."""
    filtered = "our seccomp allow list" + (" and the engine's AppArmor profile" * facts.apparmor)
    if facts.rootless:
        user = f"user {USER} of the namespace of an engine without root"
    elif facts.user_namespaces:
        user = f"user {USER} of the engine's own range"
    else:
        user = f"user {USER}, who owns nothing"
    memory = "control group" if facts.swap_limit else "control group; swap comes on top"
    kernel = Guarantee(
        "kernel bugs", False, "the kernel and the GPU's driver are shared with the host"
    )
    if runtime not in (None, "runc", "crun"):
        filtered += f", as far as the runtime {runtime} follows it"
        kernel = Guarantee("kernel bugs", False, f"as far as the runtime {runtime} keeps them off")
    return (
        Guarantee("network", True, "empty network namespace, loopback only"),
        Guarantee("files", True, "the image, read-only, and what the job is given"),
        Guarantee("environment", True, "cleared; only the contract is set"),
        Guarantee("processes hidden", True, "process-id, IPC and UTS namespaces"),
        Guarantee("not root outside", True, user),
        Guarantee("privileges", True, "all capabilities dropped, no new privileges"),
        Guarantee("system calls", True, filtered),
        Guarantee("no nested namespaces", True, "by the system-call filter"),
        Guarantee("terminal", True, "none is given"),
        Guarantee(
            "deadline",
            True,
            "the engine kills the container; a process beside the runner does when that is "
            "killed; should both be, the next start of a runner",
        ),
        Guarantee("memory", True, memory),
        Guarantee("processes", True, "control group"),
        Guarantee(
            "cpu",
            facts.processor_limit,
            "control group: as many cores as the runner may use"
            if facts.processor_limit
            else "this engine cannot limit it",
        ),
        Guarantee("disk", True, "sized temporary file systems; the root is read-only"),
        Guarantee("number of files", True, "inodes of the temporary file systems, and memory"),
        Guarantee("output", True, "plain files only, counted and copied after the job is dead"),
        Guarantee("log", True, "the last bytes only; a flood is slowed down; nothing on disk"),
        kernel,
    )
