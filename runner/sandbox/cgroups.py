"""Control groups (v1 and v2): memory, swap and process limits that the kernel enforces.

Used wherever a hierarchy is writable: as root, or where systemd delegated one to the user.
The caller puts the held-back first process of a sandbox into a fresh group; everything that
it starts later is born there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner import interrupts
from runner.cores import available_cores
from runner.sandbox.label import PREFIX, is_orphan, new_label

_CONTROLLERS = ("memory", "pids")
_KILL_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Hierarchy:
    """Where groups can be made: one folder per controller (the same one twice in v2)."""

    version: int
    memory: Path
    pids: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The distinct folders."""
        return tuple(dict.fromkeys((self.memory, self.pids)))

    @property
    def keeps_quota(self) -> bool:
        """Whether a job gets no more processor time than its runner may use.

        In version 1 it stays in the group of the runner that rations it.
        """
        if self.version == 1:
            return True
        return "cpu" in (self.memory / "cgroup.subtree_control").read_text().split()


@dataclass(frozen=True)
class ControlGroup:
    """A group of one run."""

    version: int
    memory: Path
    pids: Path

    @property
    def _folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self.memory, self.pids)))

    def join(self, pid: int) -> None:
        """Move the process `pid` into the group. Its later children follow by birth."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def memory_kills(self) -> int:
        """How many processes the kernel killed in this group for lack of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        for line in (self.memory / name).read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def peak_bytes(self) -> int | None:
        """The most memory that the group ever held, or None where the kernel does not say."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        try:
            return int((self.memory / name).read_text())
        except (OSError, ValueError):
            return None  # memory.peak came with Linux 5.19

    def remove(self) -> None:
        """Kill whatever is left in the group and remove it."""
        with interrupts.held():
            end = time.monotonic() + _KILL_PATIENCE_S
            for folder in self._folders:
                while folder.is_dir():
                    _kill_all(folder)
                    try:
                        folder.rmdir()
                    except OSError:
                        # Processes that are still being torn down keep the group busy.
                        if time.monotonic() > end:
                            break
                        time.sleep(0.002)


def create(label: str, memory_bytes: int, processes: int) -> ControlGroup | None:
    """Make a group of this name with these limits, or return None where none can be made."""
    hierarchy = find()
    return None if hierarchy is None else create_in(hierarchy, label, memory_bytes, processes)


@functools.cache
def find() -> Hierarchy | None:
    """The hierarchy in which groups with both limits can be made, tried out once."""
    for hierarchy in candidates():
        group = create_in(hierarchy, new_label(), 64 << 20, 16)
        if group is not None:
            group.remove()
            return hierarchy
    return None


def reap_orphans() -> int:
    """Kill and remove the groups of runners that are gone; how many there were."""
    names = set()
    for hierarchy in candidates():
        for folder in hierarchy.folders:
            with contextlib.suppress(OSError):
                for path in list(folder.glob(f"{PREFIX}-*")):
                    if is_orphan(path.name):
                        ControlGroup(hierarchy.version, path, path).remove()
                        names.add(path.name)
    return len(names)


def create_in(
    hierarchy: Hierarchy, name: str, memory_bytes: int, processes: int
) -> ControlGroup | None:
    """The same in a given hierarchy."""
    group = ControlGroup(hierarchy.version, hierarchy.memory / name, hierarchy.pids / name)
    try:
        for folder in hierarchy.folders:
            (folder / name).mkdir()
        (group.pids / "pids.max").write_text(str(processes))
        if hierarchy.version == 2:
            (group.memory / "memory.max").write_text(str(memory_bytes))
            _write_if_there(group.memory / "memory.swap.max", "0")
            # The group may lie outside of that of the runner, whose quota must not be escaped.
            _write_if_there(group.memory / "cpu.max", f"{round(available_cores() * 1e5)} 100000")
            # All or nothing: a job that lost a worker process is not worth going on with.
            _write_if_there(group.memory / "memory.oom.group", "1")
        else:
            (group.memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
            _write_if_there(group.memory / "memory.memsw.limit_in_bytes", str(memory_bytes))
            _write_if_there(group.memory / "memory.swappiness", "0")
    except OSError:
        group.remove()
        return None
    except BaseException:
        group.remove()
        raise
    return group


def _write_if_there(path: Path, text: str) -> None:
    """Write a setting that a kernel without swap accounting lacks."""
    if path.exists():
        path.write_text(text)


def _kill_all(folder: Path) -> None:
    with contextlib.suppress(OSError):
        kill = folder / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")
            return
        for pid in (folder / "cgroup.procs").read_text().split():
            # 0 stands for a process outside our own process-id namespace.
            if int(pid) > 1 and int(pid) != os.getpid():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(pid), signal.SIGKILL)


def candidates(mountinfo: str | None = None, own_groups: str | None = None) -> Iterator[Hierarchy]:
    """Places where a group might be made, version 2 first.

    The arguments are the texts of /proc/self/mountinfo and /proc/self/cgroup.
    """
    mounts = _mounts(mountinfo or Path("/proc/self/mountinfo").read_text())
    own = _own_paths(own_groups or Path("/proc/self/cgroup").read_text())
    if "" in mounts and "" in own:
        top, folder = mounts[""].mount_point, mounts[""].locate(own[""])
        # The nearest ancestor that hands both controllers to its children. Our own group
        # holds processes and therefore may not (the rule of no internal processes).
        while folder is not None and folder.is_relative_to(top):
            if _hands_down(folder):
                yield Hierarchy(2, folder, folder)
                break
            folder = folder.parent
    if all(name in mounts and name in own for name in _CONTROLLERS):
        memory, pids = (mounts[name].locate(own[name]) for name in _CONTROLLERS)
        if memory is not None and pids is not None:
            yield Hierarchy(1, memory, pids)


def _hands_down(folder: Path) -> bool:
    try:
        enabled = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return set(_CONTROLLERS) <= set(enabled) and os.access(folder / "cgroup.procs", os.W_OK)


@dataclass(frozen=True)
class _CgroupMount:
    mount_point: Path
    root: PurePosixPath  # which group of the hierarchy is seen at the mount point

    def locate(self, group: str) -> Path | None:
        try:
            folder = self.mount_point / PurePosixPath(group).relative_to(self.root)
        except ValueError:
            # The usual case in a container: the path is the host's, the mount is our own.
            folder = self.mount_point
        return folder if folder.is_dir() else None


def _mounts(mountinfo: str) -> dict[str, _CgroupMount]:
    """Mounted hierarchies by controller; v2 has the key "" (see proc_pid_mountinfo(5))."""
    found: dict[str, _CgroupMount] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if not kind.startswith("cgroup"):
            continue
        fields = left.split()
        mount = _CgroupMount(Path(fields[4]), PurePosixPath(fields[3]))
        for name in [""] if kind == "cgroup2" else options.split(","):
            found.setdefault(name, mount)
    return found


def _own_paths(own_groups: str) -> dict[str, str]:
    """Our own group by controller, as in `cgroups(7)`: `id:controllers:path`."""
    paths: dict[str, str] = {}
    for line in own_groups.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            paths[name] = path
    return paths
