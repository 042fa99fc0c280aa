"""From a job to what the engine is asked for: a pure description of its containers."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from runner.errors import SandboxUnavailable
from runner.sandbox.arguments import HOST_NAME, MASKED_IN_PROC
from runner.sandbox.base import Job, Mount
from runner.sandbox.docker import filter as call_filter
from runner.sandbox.docker.engine import Facts
from runner.sandbox.docker.image import Image, environment_digest
from runner.sandbox.runtime import covers
from runner.sandbox.watch import MOST_SCRATCH_FILES

# Nobody's: systemd leaves 60578-61183 unused, and the backend bubblewrap takes those from
# 60706 on. Below 65536, so that it exists in engines that map users.
USER = 60600
KEEPER_USER = 60601

RUN_LABEL = "mergelab.run"
BOOT_LABEL = "mergelab.boot"
EXPIRY_LABEL = "mergelab.expires"
_EXPIRY_SLACK_S = 3600

_OUT_OF_MEMORY_SCORE = 500  # the host's own killer takes a job before it takes the host
_MOST_OPEN_FILES = 4096
_KEEPER_MEMORY = 32 << 20
# What bubblewrap's jobs do not see either, and what engines hide by themselves. The first process
# is the engine's, but of the same user: through `mem` the job could read and change it.
_MASKED = (
    *(f"/proc/{name}" for name in MASKED_IN_PROC), "/proc/1/mem", "/proc/1/task/1/mem",
    "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/class/dmi", "/sys/devices/virtual/dmi",
)  # fmt: skip

Body = dict[str, Any]  # what the engine's interface takes, in its own words


def labels(run: str, wall_s: float) -> dict[str, str]:
    """Whose a container or volume is, on which start of which machine, and until when at most."""
    return {
        RUN_LABEL: run,
        BOOT_LABEL: boot(),
        EXPIRY_LABEL: str(int(time.time() + wall_s + _EXPIRY_SLACK_S)),
    }


def boot() -> str:
    """This start of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def volume(job: Job, facts: Facts) -> dict[str, str]:
    """Options of the memory file system that the job's output lives in."""
    limits = job.limits
    # In an engine that maps users the mount's owner would be somebody else.
    owner = "mode=0777" if facts.user_namespaces else f"mode=0700,uid={USER},gid={USER}"
    # Twice the files, as one may be written beside the one that it replaces.
    size = f"size={limits.output_bytes},nr_inodes={2 * limits.output_files + 1}"
    return {"type": "tmpfs", "device": "tmpfs", "o": f"{size},{owner},nosuid,nodev,noexec"}


def keeper(job: Job, image: Image, facts: Facts, run: str) -> Body:
    """A container that does nothing but hold the output's volume until it is read."""
    body = _confined(
        image, facts, labels(run, job.limits.wall_s), KEEPER_USER, {"PATH": "/usr/bin:/bin"}
    )
    body |= {"Entrypoint": ["sleep"], "Cmd": [str(int(job.limits.wall_s) + _EXPIRY_SLACK_S)]}
    body["HostConfig"] |= {
        "Memory": _KEEPER_MEMORY, "MemorySwap": _KEEPER_MEMORY, "PidsLimit": 4,
        "Mounts": [_output(run, job, read_only=True)],
    }  # fmt: skip
    return body


def container(job: Job, image: Image, facts: Facts, run: str, runtime: str | None) -> Body:
    """The job's own container.

    Raises:
        SandboxUnavailable: the image holds another interpreter than the one the job is for.
    """
    limits = job.limits
    runtime_part = tuple(mount for mount in job.mounts if mount.runtime)
    mounts = [mount for mount in job.mounts if not mount.runtime]
    # Words that name the interpreter too, where a shell starts it.
    argv = tuple(
        _program(word, image, runtime_part) if word.startswith("/") else word for word in job.argv
    )
    body = _confined(image, facts, labels(run, limits.wall_s), USER, environment(job))
    body |= {
        "Entrypoint": [argv[0]], "Cmd": list(argv[1:]),
        "WorkingDir": job.working_directory,
        "AttachStdout": True, "AttachStderr": True,
    }  # fmt: skip
    body["HostConfig"] |= {
        "Init": True,
        "Memory": limits.memory_bytes, "MemorySwap": limits.memory_bytes,
        "PidsLimit": limits.processes + 1,  # one for the init process
        "ShmSize": limits.shared_memory_bytes,
        "Tmpfs": _temporary(job, mounts),
        "OomScoreAdj": _OUT_OF_MEMORY_SCORE,
        "Ulimits": _process_limits(job),
        "Mounts": [*map(_bind, filter(lambda one: one.source, mounts)), _output(run, job)],
    }  # fmt: skip
    if facts.processor_limit:  # as many as the runner itself may use
        processors = min(len(os.sched_getaffinity(0)), facts.processors)
        body["HostConfig"]["NanoCpus"] = processors * 10**9
    if runtime is not None:
        body["HostConfig"]["Runtime"] = runtime
    if job.gpu is not None:
        body["HostConfig"]["DeviceRequests"] = [_device(job.gpu)]
    return body


def environment(job: Job) -> dict[str, str]:
    """The complete environment; what the job says wins, but for the number of its only GPU."""
    values = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
    values |= {"PWD": job.working_directory, **job.environment}
    if job.gpu is not None:
        # The one device that was asked for is number 0 inside, whatever it is outside.
        values["CUDA_VISIBLE_DEVICES"] = job.gpu if job.gpu.startswith("GPU-") else "0"
    return values


def check_sources(job: Job) -> None:
    """Refuse early what the job's user could not read, with words instead of a crash inside.

    Raises:
        SandboxUnavailable: with what to do.
    """
    for mount in job.mounts:
        if mount.runtime or mount.source is None:
            continue
        try:
            mode = mount.source.stat().st_mode
        except OSError as error:
            raise SandboxUnavailable(
                f"{mount.source} cannot be mounted: {error.strerror}."
            ) from error
        wanted = 0o005 if mount.source.is_dir() else 0o004
        if mode & wanted != wanted:
            raise SandboxUnavailable(
                f"The job runs as another user, who could not read {mount.source}. "
                f"Make it readable: chmod -R o+rX {mount.source}"
            )


def _confined(
    image: Image, facts: Facts, marks: Mapping[str, str], user: int, values: Mapping[str, str]
) -> Body:
    """What every container of ours gets."""
    # A name without a value takes away what the image or the engine would set.
    unset = [name for name in ("HOSTNAME", *image.variables) if name not in values]
    return {
        "Image": image.id,
        "User": f"{user}:{user}",
        "Hostname": HOST_NAME,
        "Env": [*(f"{name}={value}" for name, value in values.items()), *dict.fromkeys(unset)],
        "Labels": dict(marks),
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "Dns": ["127.0.0.1"],  # not a copy of the host's name servers
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": [
                "no-new-privileges:true",
                f"seccomp={call_filter.profile(facts.machine)}",
            ],
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
            "MaskedPaths": list(_MASKED),
        },
    }


def _program(asked: str, image: Image, runtime: tuple[Mount, ...]) -> str:
    """The program's path inside: the image brings the interpreter, at a place of its own."""
    if not covers(runtime, asked):
        return asked
    if image.environment and (
        asked != image.interpreter or image.environment != environment_digest(runtime)
    ):
        raise SandboxUnavailable(
            f"The image {image.name!r} was made from {image.interpreter} in another state than "
            f"{asked} has now. Make it again: python -m runner image --build"
        )
    return image.interpreter


def _temporary(job: Job, mounts: list[Mount]) -> dict[str, str]:
    size = f"size={job.limits.scratch_bytes},nr_inodes={MOST_SCRATCH_FILES}"
    # Executable, as compilers of kernels put libraries there.
    folders = {"/tmp": f"{size},mode=1777,nosuid,nodev,exec"}  # noqa: S108
    hidden = [mount.target for mount in mounts if mount.source is None]
    return folders | dict.fromkeys(hidden, "size=4096,nr_inodes=2,mode=0555,ro,nosuid,nodev,noexec")


def _process_limits(job: Job) -> list[Body]:
    limits = job.limits
    largest = max(limits.output_bytes, limits.scratch_bytes, limits.shared_memory_bytes)
    wanted = {"core": 0, "msgqueue": 0, "nofile": _MOST_OPEN_FILES, "fsize": largest}
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in wanted.items()]


def _bind(mount: Mount) -> Body:
    # Private: what is mounted on the host later does not appear inside.
    return {
        "Type": "bind", "Source": str(mount.source), "Target": mount.target, "ReadOnly": True,
        "BindOptions": {"Propagation": "rprivate"},
    }  # fmt: skip


def _output(run: str, job: Job, *, read_only: bool = False) -> Body:
    return {
        "Type": "volume", "Source": run, "Target": str(PurePosixPath(job.output_directory)),
        "ReadOnly": read_only, "VolumeOptions": {"NoCopy": True},
    }  # fmt: skip


def _device(gpu: str) -> Body:
    return {
        "Driver": "nvidia", "DeviceIDs": [gpu], "Capabilities": [["gpu", "compute", "utility"]],
    }  # fmt: skip
