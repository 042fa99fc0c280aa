"""Hundreds of measurements in a row, many of them killed: nothing is left, nothing grows."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.batch import PlannedRun
from runner.redteam.case import candidate_files, honest_source
from runner.redteam.play import Play, leftovers
from runner.result import Status
from runner.sandbox import cgroups
from runner.sandbox.choose import reap_orphans
from runner.sandbox.label import PREFIX
from runner.workspace import PREFIX as FOLDERS
from runner.workspace import remove_abandoned
from tests.runner.processes import survivors
from tests.runner.redteam.conftest import TOP
from tests.temporary import left_in

MEASURED = 200
KILLED = 200
WARM_UP = 10
_PATIENCE_S = 30.0

TRAIN = """
import os, time
from pathlib import Path
if os.environ["PHASE"] == "train":
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    Path(os.environ["OUT_DIR"], "model").write_text("x")
time.sleep(0.2)
"""


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_descriptors_and_memory_of_a_long_lived_runner_stay_flat(play: Play) -> None:
    files = candidate_files(honest_source(), play.scene.known)
    gc.collect()  # what tests before this one left may hold descriptors
    descriptors, memory, metrics = [], [], set()
    for number in range(WARM_UP + MEASURED):
        (result,) = play.batches[False].run([PlannedRun("run", files, number, False)])
        play.observed.seen.clear()
        play.events.clear()
        assert result.status is Status.OK, result
        metrics.add(result.metric)
        descriptors.append(open_descriptors())
        memory.append(resident_bytes())
    assert len(metrics) == 1, "the honest candidate is deterministic"
    assert set(descriptors[WARM_UP:]) == {descriptors[WARM_UP]}
    assert memory[-1] - memory[WARM_UP] < 8 << 20
    assert leftovers() == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("MERGELAB_CACHE", str(tmp_path / "cache"))
    python = TOP / ".venv-candidate/bin/python"
    (tmp_path / "bot.toml").write_text(
        f'[candidate]\npython = "{python}"\n[task]\nsize = "tiny"\n'
        '[budget]\nprofile = "cpu"\ncpu_s = 10\nsmoke_s = 0\n'
        '[sandbox]\nbackend = "bubblewrap"\n'
    )
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


@pytest.mark.slow
def test_runners_killed_at_any_moment_leave_nothing(project: Path) -> None:
    runner = [sys.executable, "-m", "runner"]
    place = ["--settings", str(project / "bot.toml")]
    subprocess.run([*runner, "prepare", *place], cwd=TOP, check=True, capture_output=True)
    dice = random.Random(0)
    mounts = Path("/proc/self/mountinfo").read_text().count(str(project))
    seeds = [700_000_000 + dice.randrange(10**8) for _ in range(KILLED)]
    runners = []
    for seed in seeds:
        command = ["measure", *place, "--candidate", str(project / "train.py"), "--seed", str(seed)]
        process = subprocess.Popen(
            [*runner, *command], cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.3, 1.4))
        process.send_signal(dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        process.wait()
        runners.append(process.pid)
    reap_orphans()
    remove_abandoned()
    end = time.monotonic() + _PATIENCE_S
    while left := left_behind(project, seeds, runners):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    assert Path("/proc/self/mountinfo").read_text().count(str(project)) == mounts


def left_behind(project: Path, seeds: list[int], runners: list[int]) -> list[str]:
    """Processes, folders and control groups of these runners."""
    groups = [
        path.name
        for one in cgroups.candidates()
        for folder in one.folders
        for runner in runners
        for path in folder.glob(f"{PREFIX}-*-{runner}-*")
    ]
    folders = left_in(project / "tmp")
    assert all(name.startswith((FOLDERS, PREFIX)) for name in folders), folders
    return [line for seed in seeds for line in survivors(seed)] + groups + folders
