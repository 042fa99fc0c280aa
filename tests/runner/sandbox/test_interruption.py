"""What stays behind when a run is interrupted, or its runner killed: nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from runner.sandbox import cgroups
from runner.sandbox.choose import reap_orphans
from runner.sandbox.label import PREFIX, is_orphan, new_label
from tests.runner.sandbox.conftest import Run, alive, assert_gone

REPOSITORY = Path(__file__).parents[3]
FOREVER = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)"

RUNNER = """
import sys
from pathlib import Path
from runner.sandbox.base import Job, Limits
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts
backend, code, mark, out = sys.argv[1:]
python = Path(sys.executable)
job = Job((str(python), "-I", "-S", "-c", code, mark), Limits(wall_s=60),
          mounts=runtime_mounts(python))
choose(backend, allow_none=True).run(
    job, Path(out), on_output=lambda chunk: b"r" in chunk and print("ready", flush=True))
"""


def leftovers(runner: int | None = None) -> set[str]:
    """Labelled control groups and folders of a runner, by its process id; else of this process.

    Others may be there at the same time: tests beside this one kill runners too.
    """
    maker = os.getpid() if runner is None else runner
    folders = [folder for place in cgroups.candidates() for folder in place.folders]
    return {
        path.name
        for folder in [*folders, Path(tempfile.gettempdir())]
        for path in folder.glob(f"{PREFIX}-*-{maker}-*")
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_nothing_and_raises_again(
    run: Run, tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt(chunk: bytes) -> None:
        raise error

    code = f"# {tmp_path}\nimport os\nif os.fork() == 0: os.setsid()\n{FOREVER}"
    with pytest.raises(error):
        run(code, on_output=interrupt)
    assert not alive(str(tmp_path))
    assert not leftovers()


def test_ctrl_c_at_a_real_terminal_moment_leaves_nothing(tmp_path: Path) -> None:
    runner = start("bubblewrap", "ctrl-c-" + tmp_path.name, tmp_path)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=30) != 0
    assert_gone("ctrl-c-" + tmp_path.name)
    assert not leftovers(runner.pid)


# Starts sandboxes one after the other until it is told to end, as `python -m runner` is.
STARTING = """
from runner import cli
from runner.sandbox.base import Job, Limits
from runner.sandbox.choose import choose
from runner.sandbox.launch import start
from runner.sandbox.label import new_label
from contextlib import ExitStack
program = choose("bubblewrap")._program
cli._listen()
try:
    print("ready", flush=True)
    while True:
        with ExitStack() as stack:
            start(program, Job(("/bin/true",), Limits(wall_s=60)), new_label(), stack)
except cli.Terminated:
    pass
"""


def test_an_interrupt_in_the_middle_of_a_start_leaves_no_process_waiting() -> None:
    """Its first process waits for a bubblewrap that is gone, if that was killed early enough."""
    chance = random.Random(0)
    for _ in range(20):
        runner = subprocess.Popen(
            [sys.executable, "-c", STARTING], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.08))
        runner.terminate()
        assert runner.wait(timeout=30) == 0
        runner.stdout.close()
        assert_gone(f"-{runner.pid}-")


def test_descriptors_do_not_pile_up(run: Run) -> None:
    run("pass")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(3):
        run("pass")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_sandbox_dies_with_its_runner_and_the_next_start_clears_up(tmp_path: Path) -> None:
    mark = "killed-" + tmp_path.name
    runner = start("bubblewrap", mark, tmp_path)
    end = time.monotonic() + 30
    while len(alive(mark)) < 2:  # a process that is about to become another shows no mark
        assert time.monotonic() < end
        time.sleep(0.01)
    runner.kill()
    runner.wait()
    assert_gone(mark)
    reap_orphans()
    assert not leftovers(runner.pid)


def test_folders_of_a_killed_runner_without_sandbox_are_removed(tmp_path: Path) -> None:
    runner = start("none", "none-" + tmp_path.name, tmp_path)
    assert leftovers(runner.pid)
    runner.kill()
    runner.wait()
    reap_orphans()
    assert not leftovers(runner.pid)
    # The backend `none` promises no more than that; clear up by hand.
    for pid in alive("none-" + tmp_path.name):
        os.kill(pid, signal.SIGKILL)


def test_labels_of_other_containers_and_other_names_are_not_orphans() -> None:
    assert not is_orphan(new_label())
    assert not is_orphan(f"{PREFIX}-1-999999-1-0123456789ab")
    assert not is_orphan("something-else")
    assert not is_orphan(new_label() + "/../../etc")


def start(backend: str, mark: str, folder: Path) -> subprocess.Popen[str]:
    """A runner in a process of its own, with its job running."""
    command = [sys.executable, "-c", RUNNER, backend, FOREVER, mark, str(folder / "output")]
    runner = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    runner.stdout.close()
    return runner
