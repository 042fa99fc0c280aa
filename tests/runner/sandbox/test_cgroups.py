from __future__ import annotations

from pathlib import Path

import pytest

from runner.sandbox import cgroups
from runner.sandbox.cgroups import Hierarchy, candidates, create_in


def mountinfo(folder: Path, kind: str, options: str, root: str = "/") -> str:
    return f"30 25 0:26 {root} {folder} rw,nosuid - {kind} cgroup {options}\n"


def user_session(top: Path, *, delegated: bool = True) -> Path:
    """A stand-in for systemd's tree of a desktop session, with files instead of the kernel."""
    service = top / "user.slice/user-1000.slice/user@1000.service"
    terminal = service / "app.slice/terminal.scope"
    terminal.mkdir(parents=True)
    for folder, controllers in (
        (terminal, ""), (service / "app.slice", "memory pids" if delegated else ""),
        (service, "cpu memory pids"), (service.parent, "cpu memory pids"),
    ):  # fmt: skip
        (folder / "cgroup.subtree_control").write_text(controllers)
        (folder / "cgroup.procs").touch()
    return terminal


def test_version_2_groups_are_made_beside_our_own(tmp_path: Path) -> None:
    terminal = user_session(tmp_path)
    own = f"0::/{terminal.relative_to(tmp_path)}\n"
    (found,) = candidates(mountinfo(tmp_path, "cgroup2", "rw"), own)
    assert found == Hierarchy(2, terminal.parent, terminal.parent)


def test_version_2_groups_go_where_both_controllers_are_handed_down(tmp_path: Path) -> None:
    terminal = user_session(tmp_path, delegated=False)
    own = f"0::/{terminal.relative_to(tmp_path)}\n"
    (found,) = candidates(mountinfo(tmp_path, "cgroup2", "rw"), own)
    assert found.memory == terminal.parents[1]


def test_a_hierarchy_that_hands_nothing_down_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    (tmp_path / "cgroup.procs").touch()
    assert list(candidates(mountinfo(tmp_path, "cgroup2", "rw"), "0::/\n")) == []


def test_version_1_needs_both_controllers(tmp_path: Path) -> None:
    (tmp_path / "memory/docker/abc").mkdir(parents=True)
    (tmp_path / "pids/abc").mkdir(parents=True)
    mounts = mountinfo(tmp_path / "memory", "cgroup", "rw,memory")
    own = "4:memory:/docker/abc\n8:pids:/docker/abc\n"
    assert list(candidates(mounts, own)) == []
    mounts += mountinfo(tmp_path / "pids", "cgroup", "rw,pids", root="/docker")
    (found,) = candidates(mounts, own)
    assert found == Hierarchy(1, tmp_path / "memory/docker/abc", tmp_path / "pids/abc")


def test_a_version_2_group_gets_all_its_limits(tmp_path: Path) -> None:
    group = create_in(Hierarchy(2, tmp_path, tmp_path), "run", 1 << 30, 64)
    assert group is not None
    assert (tmp_path / "run/memory.max").read_text() == str(1 << 30)
    assert (tmp_path / "run/pids.max").read_text() == "64"


@pytest.mark.parametrize(
    ("version", "handed_down", "kept"),
    [(2, "memory pids\n", False), (2, "cpu memory pids\n", True), (1, "", True)],
)
def test_a_quota_of_the_runner_is_kept_where_it_can_be(
    tmp_path: Path, version: int, handed_down: str, kept: bool
) -> None:
    (tmp_path / "cgroup.subtree_control").write_text(handed_down)
    assert Hierarchy(version, tmp_path, tmp_path).keeps_quota is kept


def test_kills_for_memory_are_counted(tmp_path: Path) -> None:
    two = cgroups.ControlGroup(2, tmp_path, tmp_path)
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 1\n")
    assert two.memory_kills() == 2
    one = cgroups.ControlGroup(1, tmp_path, tmp_path)
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert one.memory_kills() == 5


def test_where_nothing_can_be_written_there_is_no_group(tmp_path: Path) -> None:
    assert create_in(Hierarchy(2, tmp_path / "no", tmp_path / "no"), "run", 1, 1) is None


def test_a_real_group_takes_a_process_and_is_removed_with_it() -> None:
    """With the machine's own control groups where it has them, or a statement that it has not."""
    hierarchy = cgroups.find()
    if hierarchy is None:
        assert cgroups.create("x", 1 << 20, 1) is None
        return
    import subprocess

    from runner.sandbox.label import new_label

    name = new_label()
    group = cgroups.create(name, 64 << 20, 16)
    assert group is not None
    sleeper = subprocess.Popen(["sleep", "60"])
    group.join(sleeper.pid)
    assert name in Path(f"/proc/{sleeper.pid}/cgroup").read_text()
    group.remove()
    assert sleeper.wait(timeout=30) == -9
    assert not any((folder / name).exists() for folder in hierarchy.folders)


@pytest.mark.parametrize("text", ["", "max\n"])
def test_an_unknown_peak_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.peak").write_text(text)
    assert cgroups.ControlGroup(2, tmp_path, tmp_path).peak_bytes() is None
