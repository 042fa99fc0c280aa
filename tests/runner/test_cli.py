from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.cli import cli, main
from runner.result import Comparability, Measurement
from tests.runner.candidates import HONEST, SLEEPS, SYNTAX_ERROR
from tests.runner.conftest import SETTINGS
from tests.runner.processes import survivors

RUNNER = [sys.executable, "-m", "runner"]
Done = subprocess.CompletedProcess[str]


def toml(settings: dict[str, dict[str, Any]]) -> str:
    lines = []
    for table, keys in settings.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def project(tmp_path: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with bot.toml and train.py, and an empty folder for temporary files."""
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    # A temporary folder of root's is searched by the user that the sandbox runs as.
    (tmp_path / "tmp").mkdir()
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "bot.toml").write_text(toml(SETTINGS))
    (folder / "train.py").write_text(HONEST)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return folder


@pytest.fixture
def runner(project: Path) -> Callable[..., Done]:
    def call(*arguments: str, given: str = "") -> Done:
        return subprocess.run(
            [*RUNNER, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=project,
        )

    return call


def left_behind(project: Path) -> list[Path]:
    return list((project.parent / "tmp").iterdir())


def test_measure_prints_one_json_object_with_the_promised_keys(
    runner: Callable[..., Done], project: Path
) -> None:
    done = runner("measure", "--candidate", "train.py", "--seed", "5", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    promised = {"status", "metric", "secondary", "seed", "train_s", "predict_s"}
    assert promised | {"runner_class", "digests", "log_tail"} <= set(value)
    result = Measurement.model_validate_json(done.stdout)
    assert (result.status, result.seed, result.runner_class.budget_s) == ("ok", 5, 10)
    assert result.runner_class.profile == "cpu"
    assert "mean_rank" in done.stderr
    assert left_behind(project) == []


def test_a_candidates_failure_is_a_result_and_exits_with_0(
    runner: Callable[..., Done], project: Path
) -> None:
    (project / "train.py").write_text(SYNTAX_ERROR)
    done = runner("measure", "--candidate", "train.py", "--budget", "2")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "SyntaxError" in done.stderr


def test_a_batch_is_read_from_standard_input_and_told_as_events(
    runner: Callable[..., Done], project: Path
) -> None:
    runs = [{"id": f"r{seed}", "files": "train.py", "seed": seed} for seed in (2, 1)]
    events = project.parent / "events"
    with events.open("wb") as file:
        descriptor = file.fileno()
        done = subprocess.run(
            [*RUNNER, "measure", "--runs", "-", "--json", "--events-fd", str(descriptor)],
            input=json.dumps({"runs": runs}).encode(),
            pass_fds=(descriptor,),
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    results = json.loads(done.stdout)["measurements"]
    assert [result["seed"] for result in results] == [2, 1]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [event["measurement"] for event in told if event["event"] == "result"] == results
    stages = [(event["run"], event["stage"]) for event in told if event["event"] == "stage"]
    assert stages[:2] == [("r2", "smoke"), ("r2", "smoke")]
    assert ("r1", "smoke") not in stages


@pytest.mark.usefixtures("project", "inside")
def test_the_runner_class_is_that_of_a_measurement(capfd: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main([*arguments, "--json"]) == 0
        return capfd.readouterr().out

    told = Comparability.model_validate_json(said("class"))
    result = Measurement.model_validate_json(said("measure", "--candidate", "train.py"))
    assert told.runner_class == result.runner_class
    assert (told.harness, told.scorer) == (result.digests.harness, result.digests.scorer)
    longer = Comparability.model_validate_json(said("class", "--budget", "99"))
    assert longer.runner_class.id != told.runner_class.id


def test_prepare_says_where_the_data_is(runner: Callable[..., Done], measuring_cache: Path) -> None:
    done = runner("prepare", "--json")
    assert Path(json.loads(done.stdout)["folder"]).is_relative_to(measuring_cache)


MISTAKES: dict[str, tuple[list[str], int, str]] = {
    "nothing to measure": (["measure"], 2, "exactly one of --candidate and --runs"),
    "no such file": (["measure", "--candidate", "none.py"], 2, "cannot be read"),
    "no such batch": (["measure", "--runs", "none.json"], 2, "none.json"),
    "not a number": (["measure", "--candidate", "train.py", "--seed", "x"], 2, "--seed"),
    "no budget": (["measure", "--candidate", "train.py", "--budget", "0"], 2, "budget_s"),
    "endless budget": (["measure", "--candidate", "train.py", "--budget", "inf"], 2, "budget_s"),
    "budget of no number": (
        ["measure", "--candidate", "train.py", "--budget", "nan"],
        2,
        "budget_s",
    ),
    "class of no number": (["class", "--budget", "nan"], 2, "budget_s"),
    "class of an endless budget": (["class", "--budget", "inf"], 2, "budget_s"),
    "no settings": (["measure", "--candidate", "train.py", "--settings", "x.toml"], 2, "x.toml"),
    "no pipe": (["class", "--events-fd", "900077"], 2, "--events-fd 900077"),
    "unknown command": (["measuer"], 2, "measuer"),
}


@pytest.fixture
def inside() -> Iterator[None]:
    """For commands that run in this process: puts back what `main` sets for its own."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in ending}
    mask = os.umask(0o022)
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    os.umask(mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.usefixtures("project", "inside")
def test_a_mistake_gives_one_clear_message(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments, code, told = MISTAKES[name]
    assert main(arguments) == code
    output = capfd.readouterr()
    assert output.out == ""
    assert told in output.err
    assert "Traceback" not in output.err


def test_a_missing_interpreter_says_make_install(
    runner: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGELAB_CANDIDATE_PYTHON", str(project / "nowhere"))
    done = runner("measure", "--candidate", "train.py")
    assert done.returncode == 1
    assert "make install" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_confinement_needs_to_be_said_twice(runner: Callable[..., Done], project: Path) -> None:
    settings = SETTINGS | {"sandbox": {"backend": "none"}}
    (project / "bot.toml").write_text(toml(settings))
    done = runner("class")
    assert done.returncode == 4
    assert "--i-know-this-is-not-a-sandbox" in done.stderr
    assert runner("class", "--i-know-this-is-not-a-sandbox").returncode == 0


def start_sleeping(project: Path, seed: int, **options: Any) -> subprocess.Popen[bytes]:
    """A runner whose candidate is in the middle of its training."""
    (project / "train.py").write_text(SLEEPS)
    command = ["measure", "--candidate", "train.py", "--seed", str(seed), "--budget", "500"]
    process = subprocess.Popen(
        [*RUNNER, *command, "--no-smoke"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    wait_until(lambda: bool(survivors(seed)))
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupted_runner_leaves_nothing(
    number: signal.Signals, code: int, project: Path
) -> None:
    seed = 50_000 + number
    process = start_sleeping(project, seed)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"interrupted" in said
    assert b"Traceback" not in said
    assert survivors(seed) == []
    assert left_behind(project) == []


LOSING = """
import os, signal, time
from runner import cli
def interrupt():
    os.kill(os.getpid(), signal.SIGTERM)
@cli.cli.command()
def loses():
    {loses}
    time.sleep(60)
raise SystemExit(cli.main(["loses"]))
"""


@pytest.mark.parametrize(
    "loses",
    [
        "type('Lost', (), {'__del__': lambda self: interrupt()})()",
        "try: interrupt()\n    finally: raise RuntimeError('release unlocked lock')",
    ],
    ids=["in clean-up code", "in a library that makes an error of it"],
)
def test_an_interrupt_is_heard_wherever_it_comes(loses: str) -> None:
    program = LOSING.replace("{loses}", loses)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 143
    assert done.stderr.strip() == (
        "interrupted: the sandbox is ended and temporary files are removed."
    )


def test_more_signals_while_it_ends_do_not_disturb_the_tidying(project: Path) -> None:
    seed = 50_200
    process = start_sleeping(project, seed)
    ending = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    while process.poll() is None:
        for number in ending:
            process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode in {128 + number for number in ending}
    assert said.count(b"interrupted") == 1
    assert b"Traceback" not in said
    assert survivors(seed) == []
    assert left_behind(project) == []


def test_a_killed_runner_leaves_nothing(project: Path) -> None:
    process = start_sleeping(project, 50_100)
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: survivors(50_100) == [] and left_behind(project) == [])


@pytest.mark.parametrize("command", sorted(cli.commands))
@pytest.mark.usefixtures("inside")
def test_every_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    help_text = capsys.readouterr().out
    assert "Examples:" in help_text
    assert "--json" in help_text
    assert "Exit codes" in help_text
