from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.cores import available_cores


def groups(place: Path, own: str, **files: str) -> tuple[Path, Path]:
    """A tree of control groups, and the file with those of a process."""
    (place / "own").write_text(own)
    for name, content in files.items():
        (place / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "cgroup" / name).write_text(content + "\n")
    return place / "cgroup", place / "own"


V1 = "4:memory:/a\n2:cpu,cpuacct:/docker/abc\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/a/b\n", {"a/cpu.max": "25000 100000", "a/b/cpu.max": "max 100000"}, 0.25),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "10000 100000"}, 0.1),
        ("0::/elsewhere\n", {"cpu.max": "75000 100000"}, 0.75),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "50000",
              "cpu/docker/abc/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "30000",
              "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 0.3),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (V1, {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "0"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("", {}, None),
    ],
)  # fmt: skip
def test_a_quota_counts_wherever_above_the_process_it_is_set(
    tmp_path: Path, own: str, files: dict[str, str], cores: float | None
) -> None:
    expected = len(os.sched_getaffinity(0)) if cores is None else cores
    assert available_cores(*groups(tmp_path, own, **files)) == expected


def test_a_quota_above_the_cores_that_there_are_changes_nothing(tmp_path: Path) -> None:
    root, own = groups(tmp_path, "0::/\n", **{"cpu.max": "102400000 100000"})
    assert available_cores(root, own) == len(os.sched_getaffinity(0))


def test_it_is_told_for_this_machine() -> None:
    assert 0 < available_cores() <= len(os.sched_getaffinity(0))
