"""How many cores a job can use: those it may run on, or fewer where a control group rations them.

The files are the kernel's: `cpu.max` (control groups version 2), `cpu.cfs_quota_us` and
`cpu.cfs_period_us` (version 1). A container engine's or Kubernetes' limit is set there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cores(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> float:
    """Cores that this process can keep busy at once, in parts if it has a quota."""
    return min([len(os.sched_getaffinity(0)), *quotas(root, own)])


def quotas(root: Path, own: Path) -> Iterator[float]:
    """The quota, in cores, of every control group that this process is in, up to the top.

    `root` is where control groups are mounted, `own` the file that names those of the process.
    """
    for line in _read(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            places = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            places = [root / "cpu", root / controllers]
        else:
            continue
        for place in places:
            for group in _with_parents(place, path):
                quota = _quota(group)
                if quota is not None:
                    yield quota


def _with_parents(place: Path, path: str) -> Iterator[Path]:
    """The folder of a group, and those of the groups around it.

    A container sees its own group at the top although its path may say otherwise.
    """
    inner = PurePosixPath("/", path)
    for group in (inner, *inner.parents):
        yield place / group.relative_to("/")


def _quota(group: Path) -> float | None:
    allowed, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not allowed:
        allowed = _read(group / "cpu.cfs_quota_us").strip()
        period = _read(group / "cpu.cfs_period_us").strip()
    try:
        quota = int(allowed) / int(period)  # "max" and -1 are no quota
    except (ValueError, ZeroDivisionError):
        return None
    return quota if quota > 0 else None


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")[:4_000]
    except OSError:
        return ""
