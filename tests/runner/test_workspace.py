from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from runner.sandbox.label import new_label
from runner.workspace import PREFIX, remove_abandoned, workspace

HOLDER = """
import sys, time
from runner.workspace import workspace
with workspace() as folder:
    (folder / "data").write_text("x")
    print(folder.parent, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def hold() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def gone(folder: Path) -> bool:
    for _ in range(200):
        if not folder.exists():
            return True
        time.sleep(0.05)
    return False


def test_the_folder_is_gone_after_use(tmp_path: Path) -> None:
    with workspace() as folder:
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workspace():
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_removed_even_when_its_owner_is_killed() -> None:
    process, folder = hold()
    assert folder.is_dir()
    process.kill()
    process.communicate()
    assert gone(folder)


def test_a_folder_is_locked_before_another_process_can_take_it_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    seen: list[list[Path]] = []

    def just_before_it_is_locked(file: IO[bytes], operation: int) -> None:
        if not seen:
            seen.append(list(tmp_path.iterdir()))
            remove_abandoned()
        lock(file, operation)

    monkeypatch.setattr("fcntl.flock", just_before_it_is_locked)
    with workspace() as folder:
        assert len(seen[0]) == 1
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_had_just_begun_to_make_goes_at_once(tmp_path: Path) -> None:
    space = Path("/proc/self/ns/pid").stat().st_ino
    left = tmp_path / f"mergelab-new-mergelab-run-{space}-{os.getpid()}-1-0123456789ab"
    made = tmp_path / f"mergelab-new-{new_label()}"
    for folder in (left, made):
        folder.mkdir()
    remove_abandoned()
    assert list(tmp_path.iterdir()) == [made]


def test_what_a_process_left_that_was_killed_while_it_made_a_folder_goes_in_time(
    tmp_path: Path,
) -> None:
    fresh, old = tmp_path / "mergelab-new-a", tmp_path / "mergelab-new-b"
    for folder in (fresh, old):
        folder.mkdir()
        (folder / "lock").touch()
    os.utime(old, (0, 0))
    remove_abandoned()
    assert fresh.is_dir()
    assert not old.exists()


def test_folders_in_use_are_left_alone_and_abandoned_ones_are_not(tmp_path: Path) -> None:
    process, used = hold()
    abandoned = tmp_path / f"{PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    fresh = tmp_path / f"{PREFIX}just-being-made"
    fresh.mkdir()
    foreign = tmp_path / "something-else"
    foreign.mkdir()
    remove_abandoned()
    assert used.is_dir()
    assert not abandoned.exists()
    assert fresh.is_dir()
    assert foreign.is_dir()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
