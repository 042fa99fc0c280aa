"""From a job to bubblewrap's arguments: a pure description of the sandbox's file system."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from runner.sandbox.base import Job, Mount
from runner.sandbox.gpu import Grant
from runner.sandbox.runtime import System

USER = 1000  # of the job, inside
HOST_NAME = "sandbox"

OURS = ("/proc", "/dev", "/sys", "/etc")
_SCRATCH = "/tmp"  # noqa: S108
_NAMESPACES = ("--unshare-all", "--unshare-user", "--new-session", "--die-with-parent")
# What /proc tells anybody about the whole machine, hidden as container engines hide it. What
# only root may read there needs no mask: the job is not root. /proc/sys and the like are made
# read-only by bubblewrap itself. Counters of the whole machine are among them because one
# sandbox can raise them and another one read them.
MASKED_IN_PROC = (
    "acpi", "asound", "buddyinfo", "diskstats", "fs", "interrupts", "kallsyms", "kcore",
    "key-users", "keys", "kmsg", "latency_stats", "locks", "modules", "pagetypeinfo", "pressure",
    "sched_debug", "schedstat", "scsi", "slabinfo", "softirqs", "swaps", "timer_list",
    "timer_stats", "vmallocinfo", "vmstat", "zoneinfo",
)  # fmt: skip


def check(job: Job) -> None:
    """Refuse a job that contradicts itself.

    Raises:
        ValueError: with what is wrong.
    """
    if not job.argv or not PurePosixPath(job.argv[0]).is_absolute():
        raise ValueError("argv must begin with an absolute path")
    if job.limits.wall_s <= 0:
        raise ValueError("the time limit must be positive")
    output = _plain(job.output_directory, "output_directory")
    if any(output.is_relative_to(ours) for ours in (*OURS, _SCRATCH)):
        raise ValueError(f"output_directory must not be below {', '.join((*OURS, _SCRATCH))}")
    _plain(job.working_directory, "working_directory")
    for mount in job.mounts:
        target = _plain(mount.target, "a mount's target")
        if mount.target == _SCRATCH or any(target.is_relative_to(ours) for ours in OURS):
            raise ValueError(f"nothing can be mounted at {target}")
        if target.is_relative_to(output) or output.is_relative_to(target):
            raise ValueError(f"the mount at {target} and the output folder {output} overlap")
        if mount.source is not None and not mount.source.is_absolute():
            raise ValueError(f"the source of the mount at {target} must be an absolute path")
    for name, value in job.environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"{name!r} cannot be set in the environment")
    if any("\0" in argument for argument in job.argv):
        raise ValueError("an argument must not contain a NUL character")


def confinement(*, disable_user_namespaces: bool, network: bool = False) -> Iterator[str]:
    """Namespaces, user and privileges. `network`: see `runner.sandbox.base.Job`."""
    yield from _NAMESPACES
    if network:
        yield "--share-net"
    if disable_user_namespaces:
        yield "--disable-userns"
    yield from ("--cap-drop", "ALL", "--uid", str(USER), "--gid", str(USER))
    yield from ("--hostname", HOST_NAME, "--clearenv")


def environment(job: Job, gpu: Grant | None) -> Iterator[str]:
    """The complete environment; what the job says wins."""
    values = {"PATH": "/usr/bin:/bin", "HOME": _SCRATCH, "LANG": "C.UTF-8"}
    if gpu is not None:
        values["CUDA_VISIBLE_DEVICES"] = gpu.visible
    for name, value in (values | dict(job.environment)).items():
        yield from ("--setenv", name, value)


def file_system(
    job: Job,
    base: System,
    gpu: Grant | None,
    etc: Mapping[str, int],
    place: Callable[[Path], str] = str,
) -> Iterator[str]:
    """Everything that the job can see, in the order in which it is put together.

    `etc` gives the descriptor that each of the files in /etc is copied from. `place` says
    where bubblewrap finds a path of the host.
    """
    for mount in base.mounts:
        yield from _mount(mount, place)
    for link in base.links:
        yield from ("--symlink", link.target, link.path)
    for path, descriptor in etc.items():
        yield from ("--perms", "0444", "--file", str(descriptor), path)
    yield from ("--proc", "/proc", "--dev", "/dev")
    # The first process is bubblewrap's own, of the same user: through its `exe` the job could
    # change the modes of the host's binary, through `mem` its memory, and read how it was called.
    yield from _mount(Mount(None, "/proc/1"), place)
    yield from _masks()
    if gpu is not None:
        for device in gpu.devices:
            yield from ("--dev-bind", device, device)
    for path, size in writable_folders(job).items():
        yield from ("--perms", "0700", "--size", str(size), "--tmpfs", path)
    for mount in (*(gpu.mounts if gpu else ()), *job.mounts):
        yield from _mount(mount, place)
    if not any(
        PurePosixPath(job.working_directory).is_relative_to(mount.target) for mount in job.mounts
    ):
        yield from ("--dir", job.working_directory)
    # Both are made of memory that no limit counts; last, as mount points are made in them.
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")
    yield from ("--chdir", job.working_directory)


@functools.cache
def _masks() -> tuple[str, ...]:
    """Masks over those files of /proc that exist and that others than root can read."""
    masks: list[str] = []
    for path in (Path("/proc", name) for name in MASKED_IN_PROC):
        if path.is_dir() and any(path.iterdir()):
            masks += _mount(Mount(None, str(path)), str)
        elif path.is_file() and path.stat().st_mode & 0o007:
            masks += ("--ro-bind", "/dev/null", str(path))
    return tuple(masks)


def writable_folders(job: Job) -> dict[str, int]:
    """The three places where a job can write, with their sizes in bytes."""
    limits = job.limits
    return {
        _SCRATCH: limits.scratch_bytes,
        "/dev/shm": limits.shared_memory_bytes,  # noqa: S108
        job.output_directory: limits.output_bytes,
    }


def _mount(mount: Mount, place: Callable[[Path], str]) -> tuple[str, ...]:
    if mount.source is None:
        empty = ("--size", "4096", "--perms", "0555", "--tmpfs", mount.target)
        return (*empty, "--remount-ro", mount.target)
    return ("--ro-bind", place(mount.source), mount.target)


def _plain(path: str, what: str) -> PurePosixPath:
    plain = PurePosixPath(path)
    if not plain.is_absolute() or ".." in plain.parts or str(plain) != path or path == "/":
        raise ValueError(f"{what} must be a plain absolute path, not {path!r}")
    if "\0" in path:
        raise ValueError(f"{what} must not contain a NUL character")
    return plain
