"""Ctrl-C and SIGKILL at any moment of real steps and runs: nothing is lost or done twice."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.simulation.invariants import check_repository
from bot import interrupts
from bot.app import open_place
from bot.cli import cli
from bot.forge.base import State
from bot.proposing.place import Place
from bot.run import heartbeat
from bot.views.pull import pull_json
from tests.project import SETTINGS, TRAIN, Done, Project
from tests.temporary import left_in

SEED = 20_261_123
# Enough that a hundred steps do not run out of ideas.
ROOMY = TRAIN.replace(
    "# --- end", "RIDGE = 1.0  # 0.001 .. 1000.0, log; how much weights are held back\n# --- end"
).replace("np.eye(x", "RIDGE * np.eye(x")
_PR_SET_CHILD_SUBREAPER = 36
_SURVIVAL_S = 60.0  # far more than the few seconds that it takes, for a busy machine
_RESULT = re.compile(r"run \d+ of \d+, (\w+): (?!training).*\(seed (\d+)\)")


@dataclass(frozen=True)
class Instant:
    """A moment of a step: so long after a line with these words, or after its very start."""

    after: str
    delay_s: float


STAGES = (
    ("", 1.5),  # the imports, the look at the repository, the runner's own start
    ("Runner class", 0.3),  # the snapshot
    ("thinking of", 0.8),  # the proposer, its commit
    ("(branch", 0.3),  # the attempt
    ("measuring to", 2.0),  # the runner's start, its data, the smoke run
    ("training", 0.6),
    ("(seed", 0.5),  # between two runs, or the verdict
    ("finishing", 1.5),
)
"""Where a step can be, by the line that it has just said, and for about how long."""


def instants(count: int, seed: int) -> list[Instant]:
    """Spread over all stages, in a random order."""
    chance = random.Random(seed)
    stages = [STAGES[i % len(STAGES)] for i in range(count)]
    chance.shuffle(stages)
    return [Instant(after, round(chance.uniform(0, longest), 3)) for after, longest in stages]


# Processes


@pytest.fixture
def alone() -> Iterator[Callable[[], None]]:
    """Asserts that nothing that a step started lives on, wherever it has detached itself to.

    Orphans become children of this process, instead of the machine's first.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = children()

    def check() -> None:
        end = time.monotonic() + _SURVIVAL_S
        while left := children() - before:
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            assert time.monotonic() < end, [command_of(pid) for pid in left]
            time.sleep(0.02)

    yield check
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> set[int]:
    """Direct children are enough: what a dead child leaves becomes a direct child."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in tasks.glob("*/children") for pid in task.read_text().split()}


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "(gone)"


# A step that is interrupted


@dataclass
class Laboratory:
    """A project whose steps are interrupted, and everything that they ever said."""

    project: Project
    temporary: Path
    alone: Callable[[], None]
    results: dict[tuple[int, str, int], Any] = field(default_factory=dict)
    measured: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a shell does in the foreground: in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            cwd=self.project.folder,
            env={**self.project.environment, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def step(self, instant: Instant | None, number: signal.Signals) -> subprocess.Popen[str]:
        """Start a step and send it `number` at `instant`, if it gets so far."""
        process = self.start("step")
        assert process.stderr is not None and process.stdout is not None
        lines: list[str] = []
        if instant is not None:
            wait_for_handlers(process)
            shot = threading.Timer(instant.delay_s, self._shoot, (process, number))
            waiting = instant.after != ""
            if not waiting:
                shot.start()
        for line in process.stderr:
            lines.append(line)
            if instant is not None and waiting and instant.after in line:
                waiting = False
                shot.start()
        process.stdout.read()
        process.wait(timeout=60)
        if instant is not None:
            shot.cancel()
        said = "".join(lines)
        self.measured.update(":".join(found) for found in _RESULT.findall(said))
        self.story.append(f"--- {instant} {number!r} -> {process.returncode}\n{said}")
        process.stderr.close()
        process.stdout.close()
        return process

    @staticmethod
    def _shoot(process: subprocess.Popen[str], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    def check(self, *, behind: bool) -> None:
        """What holds after every end. `behind`: files may lag where the marker says so."""
        self.alone()
        assert left_in(self.temporary) == []
        git = self.project.folder / ".git"
        assert [str(path) for path in git.rglob("*.lock") if path.name != "mergelab.lock"] == []
        marked = self.project.git("for-each-ref", "refs/worktree")
        if not (behind and marked):
            assert self.project.git("status", "--porcelain") == ""
        self._check_results()

    def _check_results(self) -> None:
        """What was measured stays; attempts are finished, not begun again."""
        found: dict[tuple[int, str, int], Any] = {}
        for pull in open_place(self.project.folder).forge.pulls():
            shown = pull_json(pull)
            incomplete = [one["id"] for one in shown["attempts"] if not one["complete"]]
            assert len(incomplete) <= 1, incomplete
            for attempt in shown["attempts"]:
                for index, run in enumerate(attempt["runs"]):
                    if run["result"] is not None:
                        found[pull.number, attempt["id"], index] = run
        assert {key: found.get(key) for key in self.results} == self.results
        self.results = found
        twice = [run for run, times in self.measured.items() if times > 1]
        assert twice == []

    def finish(self) -> None:
        """An uninterrupted step succeeds, and everything fits together."""
        done = self.project.bot("step", "--json", TMPDIR=str(self.temporary))
        assert done.code == 0, done.err
        self.measured.update(":".join(found) for found in _RESULT.findall(done.err))
        self.check(behind=False)
        last = done.json()["number"]
        assert {number for number, _, _ in self.results} == set(range(1, last + 1))
        for number in range(1, last + 1):
            shown = self.project.bot("show", str(number), "--json").json()
            assert shown["verdict"] is not None
            assert all(attempt["complete"] for attempt in shown["attempts"])
            runs = {
                (number, attempt["id"], index): run
                for attempt in shown["attempts"]
                for index, run in enumerate(attempt["runs"])
            }
            assert runs == {key: run for key, run in self.results.items() if key[0] == number}
        logged = self.project.bot("log", "--json").json()["experiments"]
        assert [one["number"] for one in logged] == list(range(1, last + 1))
        self.project.git("fsck", "--strict", "--connectivity-only")
        assert self.measured
        strays = self.project.git("for-each-ref", "refs/worktree", "refs/forge/ending")
        assert strays == ""
        check_repository(open_place(self.project.folder))


def wait_for_handlers(process: subprocess.Popen[str]) -> None:
    """Until the bot itself hears interrupts: before, Python is still starting."""
    bit = 1 << (signal.SIGHUP - 1)
    while process.poll() is None:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            if int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16) & bit:
                return
        time.sleep(0.002)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def laboratory(tmp_path: Path, cache: Path, alone: Callable[[], None]) -> Iterator[Laboratory]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    made = Laboratory(Project.make(tmp_path / "project", cache, ROOMY), temporary, alone)
    yield made
    print("\n".join(made.story))  # shown when the test fails


def interrupt(laboratory: Laboratory, moments: Sequence[Instant]) -> None:
    interrupted = 0
    for instant in moments:
        process = laboratory.step(instant, signal.SIGINT)
        interrupted += process.returncode == interrupts.EXIT_CODE
        said = laboratory.story[-1]
        assert process.returncode in {0, interrupts.EXIT_CODE}, said
        for words in ("Traceback", "error:", "Exception", "defect"):
            assert words not in said, said
        if process.returncode == interrupts.EXIT_CODE:
            assert said.count("Stopped.") == 1
            assert said.endswith(f"{interrupts.STOPPED}\n")
        laboratory.check(behind=False)
    assert interrupted >= len(moments) // 2


def kill(laboratory: Laboratory, moments: Sequence[Instant]) -> None:
    killed = 0
    for instant in moments:
        process = laboratory.step(instant, signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in {0, -signal.SIGKILL}, laboratory.story[-1]
        laboratory.check(behind=True)
    assert killed >= len(moments) // 2


def test_the_instants_cover_every_stage() -> None:
    assert {instant.after for instant in instants(8, SEED)} == {after for after, _ in STAGES}


def test_ctrl_c_and_sigkill_at_any_moment(laboratory: Laboratory) -> None:
    """Each stage once; `make verify` goes through all of them with either signal, many times."""
    moments = instants(len(STAGES), SEED)
    interrupt(laboratory, moments[:4])
    kill(laboratory, moments[4:])
    laboratory.finish()


@pytest.mark.slow
def test_ctrl_c_at_a_hundred_moments(laboratory: Laboratory) -> None:
    interrupt(laboratory, instants(100, SEED + 2))
    laboratory.finish()


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(SEED + 3, SEED + 7))
def test_sigkill_at_hundreds_of_moments(laboratory: Laboratory, seed: int) -> None:
    kill(laboratory, instants(75, seed))
    laboratory.finish()


# A run that is stopped

# Waits, which costs nothing, so that Ctrl-C comes while it is in flight; every change is worse.
LONG = TRAIN.replace("PIXELS = 6 ", "PIXELS = 1 ").replace(
    'if os.environ["PHASE"] == "train":',
    'if os.environ["PHASE"] == "train":\n    __import__("time").sleep(1.5)',
)


def interrupted_run(laboratory: Laboratory, times: int) -> tuple[int, str, dict[str, Any]]:
    """Press Ctrl-C so often while a run is in flight.

    Exit code, what was said, and what `bot status` told just before of the run.
    """
    process, lines, told = laboratory.start("run"), list[str](), dict[str, Any]()
    assert process.stderr is not None and process.stdout is not None
    for line in process.stderr:
        lines.append(line)
        if not told and line.startswith("[cpu] #1: "):
            wait_until_measuring(laboratory)
            told = status(laboratory)
            os.killpg(process.pid, signal.SIGINT)
        if times > 1 and "Ctrl-C again ends at once" in line:
            os.killpg(process.pid, signal.SIGINT)
    lines.append(process.stdout.read())
    process.wait(timeout=60)
    process.stderr.close()
    process.stdout.close()
    said = "".join(lines)
    laboratory.story.append(said)
    assert "Traceback" not in said
    laboratory.check(behind=False)
    return process.returncode, said, told["run"]


def wait_until_measuring(laboratory: Laboratory) -> None:
    repository = open_place(laboratory.project.folder).repository
    while (beat := heartbeat.read(repository)) is None or not beat.state.slots[0].attempt:
        time.sleep(0.02)


def status(laboratory: Laboratory) -> dict[str, Any]:
    with contextlib.chdir(laboratory.project.folder):
        done = CliRunner().invoke(cli, ["status", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_run_ends_cleanly_at_the_first_ctrl_c_at_once_at_the_second_and_goes_on(
    tmp_path: Path, cache: Path, alone: Callable[[], None]
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    settings = SETTINGS.replace("PYTHON", sys.executable) + "\n[run]\nmax_in_flight = 1\n"
    project = Project.make(tmp_path / "project", cache, LONG, settings)
    laboratory = Laboratory(project, temporary, alone)
    code, said, told = interrupted_run(laboratory, 1)
    assert code == 0, said
    assert "Ended: a clean stop was asked for" in said
    assert (told["phase"], told["slots"][0]["experiment"]) == ("working", 1)
    assert len(laboratory.results) == 1  # the run in flight was finished, and no other begun
    assert said.count("[cpu] #1: run ") == 1

    code, said, told = interrupted_run(laboratory, 2)
    assert code == interrupts.EXIT_CODE, said
    assert said.endswith(f"{interrupts.STOPPED}\n")
    assert told["slots"][0]["done"] == 1
    assert status(laboratory)["run"] is None
    assert len(laboratory.results) == 1

    done = laboratory.project.bot("run", "--max-experiments", "1", "--json")
    assert done.code == 0, done.err
    assert [one["number"] for one in done.json()["concluded"]] == [1]
    laboratory.check(behind=False)
    check_repository(open_place(laboratory.project.folder))


# Two bots over one remote


def clones(folder: Path, cache: Path) -> tuple[Project, Project]:
    """Two clones that share their experiments over a bare repository."""
    settings = SETTINGS.replace("PYTHON", sys.executable) + '\n[forge]\nremote = "origin"\n'
    one = Project.make(folder / "one", cache, ROOMY, settings)
    one.git("init", "-q", "--bare", "-b", "main", str(folder / "origin.git"))
    one.git("remote", "add", "origin", str(folder / "origin.git"))
    one.git("push", "-q", "origin", "main")
    one.git("clone", "-q", str(folder / "origin.git"), str(folder / "two"))
    two = Project(folder / "two", cache)
    two.git("config", "user.name", "Person")
    two.git("config", "user.email", "person@example.org")
    return one, two


def up_to_date(project: Project) -> Place:
    """A clone where the remote is now."""
    place = open_place(project.folder)
    place.forge.sync_heads()
    return place


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_bots_over_one_remote_make_one_history_while_one_is_killed_again_and_again(
    tmp_path: Path, cache: Path, alone: Callable[[], None]
) -> None:
    one, two = clones(tmp_path, cache)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    killed = Laboratory(one, temporary, alone)
    over, ends = threading.Event(), list[Done]()

    def work() -> None:
        while not over.is_set():
            ends.append(two.bot("step"))

    other = threading.Thread(target=work)
    other.start()
    try:
        codes = [
            killed.step(instant, signal.SIGKILL).returncode for instant in instants(24, SEED + 8)
        ]
    finally:
        over.set()
        other.join()
    story = "\n".join(killed.story)
    assert set(codes) <= {0, -signal.SIGKILL}, story
    assert codes.count(-signal.SIGKILL) >= len(codes) // 2
    assert ends and {done.code for done in ends} == {0}, [done.err for done in ends]
    alone()
    while up_to_date(one).forge.pulls(State.OPEN):
        assert one.bot("step").code == 0
    assert killed.measured
    for project in (one, two):
        check_repository(up_to_date(project))
        assert project.git("status", "--porcelain") == ""
    shared = ("refs/heads/main", "refs/forge/pulls/*")
    seen = {
        project.git("ls-remote", where, *shared)
        for project in (one, two)
        for where in (".", "origin")
    }
    assert len(seen) == 1


def test_files_that_a_killed_step_left_behind_are_brought_along(laboratory: Laboratory) -> None:
    """Killed between the moves of the branch and of its files: they look like a person's edits."""
    project = laboratory.project
    (project.folder / "train.py").write_text(TRAIN.replace("PIXELS = 6 ", "PIXELS = 1 "))
    project.git("commit", "-qam", "Begin where every change is worse, for a short step")
    before = project.git("rev-parse", "main")
    assert project.bot("step").code == 0
    after = project.git("rev-parse", "main")
    project.git("read-tree", "-m", "-u", after, before)
    project.git("update-ref", "refs/worktree/forge-advance", before)
    assert project.git("status", "--porcelain") != ""
    (project.folder / "bot.toml").write_text((project.folder / "bot.toml").read_text() + "\n")
    done = project.bot("step")
    assert (done.code, "bot.toml" in done.err) == (1, True), done.err
    assert project.git("status", "--porcelain") == " M bot.toml"
    assert project.git("rev-parse", "main") == after
