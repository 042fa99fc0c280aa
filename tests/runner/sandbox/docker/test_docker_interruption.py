"""What stays behind in an engine when a run is interrupted, or its runner killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.sandbox.choose import choose
from runner.sandbox.docker import orphans
from runner.sandbox.docker.engine import Engine
from runner.sandbox.docker.specification import BOOT_LABEL, EXPIRY_LABEL, RUN_LABEL, boot
from runner.sandbox.label import new_label
from tests.runner.sandbox.conftest import Run, alive

REPOSITORY = Path(__file__).parents[4]
FOREVER = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)"
RUNNER = """
import sys
from pathlib import Path
from runner.sandbox.base import Job, Limits
from runner.sandbox.choose import choose
from runner.sandbox.runtime import runtime_mounts
image, python, code, mark, out = sys.argv[1:]
job = Job((python, "-I", "-S", "-c", code, mark), Limits(wall_s=60),
          mounts=runtime_mounts(Path(python)))
choose("docker", image=image).run(
    job, Path(out), on_output=lambda chunk: b"r" in chunk and print("ready", flush=True))
"""


def ours(engine: Engine, pid: int) -> set[str]:
    """Names of all containers and volumes in the engine that this process made."""
    chosen = {"label": RUN_LABEL}
    containers = engine.client.containers(all=True, filters=chosen)
    volumes = engine.client.volumes(filters=chosen)["Volumes"] or []
    names = {one["Names"][0] for one in containers} | {one["Name"] for one in volumes}
    return {name for name in names if f"-{pid}-" in name}


def start(image: str, python: Path, mark: str, folder: Path) -> subprocess.Popen[str]:
    """A runner in a process of its own, with its job running."""
    command = [sys.executable, "-c", RUNNER, image, str(python), FOREVER, mark, str(folder / "o")]
    runner = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    runner.stdout.close()
    return runner


def assert_gone(engine: Engine, mark: str, pid: int) -> None:
    end = time.monotonic() + 30
    while alive(mark) or ours(engine, pid):
        assert time.monotonic() < end, "something outlived its runner"
        time.sleep(0.1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_removes_its_containers_and_raises_again(
    run: Run, connection: Engine, tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt(chunk: bytes) -> None:
        raise error

    with pytest.raises(error):
        run(f"# {tmp_path}\n{FOREVER}", on_output=interrupt)
    assert not alive(str(tmp_path))
    assert not ours(connection, os.getpid())


def test_ctrl_c_removes_everything(
    connection: Engine, image: str, interpreter: Path, tmp_path: Path
) -> None:
    runner = start(image, interpreter, "ctrl-c-" + tmp_path.name, tmp_path)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=120) != 0
    assert not alive("ctrl-c-" + tmp_path.name)
    assert not ours(connection, runner.pid)


def test_a_killed_runner_leaves_nothing_running(
    connection: Engine, image: str, interpreter: Path, tmp_path: Path
) -> None:
    mark = "killed-" + tmp_path.name
    runner = start(image, interpreter, mark, tmp_path)
    assert len(ours(connection, runner.pid)) == 3
    runner.kill()
    runner.wait()
    assert_gone(connection, mark, runner.pid)


def test_what_outlived_even_the_watchdog_is_removed_at_the_next_start(
    connection: Engine, image: str, interpreter: Path, tmp_path: Path
) -> None:
    mark = "outlived-" + tmp_path.name
    runner = start(image, interpreter, mark, tmp_path)
    label = next(name for name in ours(connection, runner.pid) if not name.startswith("/"))
    watchdogs = [pid for pid in alive(label) if b"watchdog" in cmdline(pid)]
    assert len(watchdogs) == 1
    os.kill(watchdogs[0], signal.SIGKILL)
    runner.kill()
    runner.wait()
    choose("docker", image=image)
    assert_gone(connection, mark, runner.pid)


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_what_belongs_to_a_living_runner_or_to_another_machine_is_left_alone() -> None:
    now, space = int(time.time()), Path("/proc/self/ns/pid").stat().st_ino
    gone = f"mergelab-run-{space}-{os.getpid()}-1-0123456789ab"  # our id, another start time
    later, earlier = str(now + 100), str(now - 100)
    here, elsewhere = boot(), "00000000-0000-0000-0000-000000000000"

    def left_over(run: str, machine: str, expiry: str) -> bool:
        labels = {RUN_LABEL: run, BOOT_LABEL: machine, EXPIRY_LABEL: expiry}
        return orphans.is_left_over(labels)

    assert left_over(gone, here, later)
    assert not left_over(gone, elsewhere, later)
    assert left_over(gone, elsewhere, earlier)
    assert not left_over(new_label(), here, later)
    assert not left_over("something", here, later)
    assert not orphans.is_left_over({})


def test_nothing_is_left_after_many_honest_and_dishonest_runs(run: Run, connection: Engine) -> None:
    run("pass")
    run("import os; os.symlink('/', '/out/x')")
    run("while True: pass", wall_s=0.3)
    assert not ours(connection, os.getpid())
