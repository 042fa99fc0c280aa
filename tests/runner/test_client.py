from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.client import current_class, run_batch
from runner.errors import RunnerError
from runner.events import Event, NoticeEvent, ResultEvent, StageEvent, WaitingEvent
from runner.request import BatchRequest, RunRequest
from runner.result import Status
from runner.settings import RunnerSettings
from runner.turns import SHARE_VARIABLE, turn
from tests.runner.candidates import CRASHES, HONEST, SLEEPS
from tests.runner.conftest import SETTINGS
from tests.runner.processes import survivors

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def request(
    folder: Path, *sources: str, seed: int = 1, settings: object = SETTINGS
) -> BatchRequest:
    runs = []
    for number, source in enumerate(sources):
        (folder / f"{number}.py").write_text(source)
        runs.append(RunRequest(id=f"r{number}", files=f"{number}.py", seed=seed, smoke=False))
    checked = RunnerSettings.model_validate(settings)
    return BatchRequest(repository=str(folder), runs=runs, settings=checked, budget_s=300)


def test_results_come_one_by_one_and_all_together(tmp_path: Path) -> None:
    events: list[Event] = []
    results = run_batch(request(tmp_path, HONEST, CRASHES), events.append)
    assert [result.status for result in results.values()] == [Status.OK, Status.CRASHED]
    told = {event.run: event.measurement for event in events if isinstance(event, ResultEvent)}
    assert told == results


def test_the_class_is_told_without_measuring(tmp_path: Path) -> None:
    settings = RunnerSettings.model_validate(SETTINGS)
    told = current_class(tmp_path, settings, lambda event: None)
    assert told.runner_class.budget_s == 10


def test_a_failure_of_the_runner_raises_its_message(tmp_path: Path) -> None:
    settings = SETTINGS | {"candidate": {"python": "nowhere/python"}}
    with pytest.raises(RunnerError, match="make install"):
        run_batch(request(tmp_path, HONEST, settings=settings), lambda event: None)


def test_warnings_of_the_runner_are_told(tmp_path: Path) -> None:
    events: list[Event] = []
    settings = SETTINGS | {"sandbox": {"backend": "none"}}
    checked = RunnerSettings.model_validate(settings)
    current_class(tmp_path, checked, events.append, unconfined=True)
    (told,) = [event.message for event in events if isinstance(event, NoticeEvent)]
    assert "WARNING: no sandbox" in told


NOISE = """
import sys, warnings
warnings.warn("of a library")
from runner.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_what_libraries_say_is_told_and_is_not_taken_for_the_reason_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noise.py").write_text(NOISE)
    noisy = tmp_path / "python"
    noisy.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {tmp_path}/noise.py "$@"\n')
    noisy.chmod(0o755)
    monkeypatch.setattr("runner.client.sys.executable", str(noisy))
    events: list[Event] = []
    current_class(tmp_path, RunnerSettings.model_validate(SETTINGS), events.append)
    said = [event.message for event in events if isinstance(event, NoticeEvent)]
    assert any("UserWarning: of a library" in line for line in said)
    settings = SETTINGS | {"candidate": {"python": "nowhere/python"}}
    with pytest.raises(RunnerError, match=r"^There is no interpreter"):
        run_batch(request(tmp_path, HONEST, settings=settings), events.append)


def test_a_batch_waits_for_another_one_on_this_machine_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARE_VARIABLE)
    # Not the machine's own lock, for which other measurements may wait.
    (tmp_path / "sitecustomize.py").write_text(
        f"import pathlib, runner.turns\nrunner.turns._PLACE = pathlib.Path({str(tmp_path)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    events: list[Event] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(turn("cpu", lambda: None, tmp_path))

        def on_event(event: Event) -> None:
            events.append(event)
            if isinstance(event, WaitingEvent):
                stack.close()

        results = run_batch(request(tmp_path, HONEST), on_event)
    assert results["r0"].status is Status.OK
    kinds = [type(event) for event in events]
    assert kinds.index(WaitingEvent) < kinds.index(StageEvent)
    assert "waiting for another measurement on this machine (cpu)" in str(events)


def test_an_interrupt_ends_the_runner_and_keeps_what_was_measured(tmp_path: Path) -> None:
    kept: list[ResultEvent] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, ResultEvent):
            kept.append(event)
        if isinstance(event, StageEvent) and event.run == "r1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(request(tmp_path, HONEST, SLEEPS, seed=60_001), interrupt)
    assert [event.run for event in kept] == ["r0"]
    assert survivors(60_001) == []
    assert list((tmp_path / "tmp").iterdir()) == []


BOT = """
import sys
from runner.client import run_batch
from runner.request import BatchRequest
run_batch(BatchRequest.model_validate_json(sys.argv[1]), lambda event: None)
"""


def test_the_runner_ends_when_the_bot_is_killed(tmp_path: Path) -> None:
    data = request(tmp_path, SLEEPS, seed=60_002).model_dump_json(exclude_none=True)
    bot = subprocess.Popen([sys.executable, "-c", BOT, data], env=os.environ | {"PWD": "/"})
    deadline = time.monotonic() + 60
    while not survivors(60_002) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert survivors(60_002)
    bot.kill()
    bot.wait()
    while time.monotonic() < deadline:
        if survivors(60_002) == [] and list((tmp_path / "tmp").iterdir()) == []:
            return
        time.sleep(0.05)
    raise AssertionError("the runner or its folder outlived the bot")
