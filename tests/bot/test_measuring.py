from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from bot.errors import RunnerFailed
from bot.forge.base import PlannedRun
from bot.measuring import LocalJob, LocalMeasurer
from bot.model import Purpose, Side
from bot.run.base import Ended, Measured, Message, Order, Seen
from bot.run.local import LocalMailbox
from bot.settings import parse
from bot.views.reporter import Reporter
from runner.client import RunnerStopped, Stop
from runner.errors import RunnerError
from runner.events import Emit, OutputEvent, ResultEvent
from runner.result import Comparability, Measurement
from tests.bot.lab import CLASS, HARNESS, ScriptedMeasurer

RUNS = tuple(
    (index, PlannedRun(side=Side.CANDIDATE, tree="0" * 40, seed=index, purpose=Purpose.SCREEN))
    for index in (2, 3)
)
ORDER = Order("1.1", 1, RUNS, total=4)


def result(seed: int) -> Measurement:
    measurer = ScriptedMeasurer(repository=None)  # type: ignore[arg-type]
    return Measurement.model_validate(measurer.result(b"RATE = 1\n", seed))


def messages(
    monkeypatch: pytest.MonkeyPatch, batch: Any, order: Order = ORDER, slot: str = "cpu"
) -> list[Message]:
    """What comes of an order when the runner does what `batch` does."""
    monkeypatch.setattr("bot.measuring.run_batch", batch)
    mailbox = LocalMailbox()
    measurer = LocalMeasurer(Path(), parse(b"", "bot.toml"), Reporter())
    measurer.start(7, order, slot, mailbox.post)
    found: list[Message] = []
    while not (found and isinstance(found[-1], Ended)):
        message = mailbox.wait(None)
        assert message is not None
        found.append(message)
    return found


def test_a_job_hands_on_what_happens_each_result_and_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def batch(request: Any, emit: Emit, **more: Any) -> None:
        for run in request.runs:
            emit(OutputEvent(run.id, "loss 1"))
            emit(ResultEvent(run.id, result(run.seed)))

    first, second, third, fourth, last = messages(monkeypatch, batch)
    assert isinstance(first, Seen) and isinstance(third, Seen)
    assert isinstance(second, Measured) and second.index == 2
    assert isinstance(fourth, Measured) and fourth.index == 3
    assert last == Ended(7)


def test_a_runner_that_failed_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(*args: Any, **more: Any) -> None:
        raise RunnerError("No sandbox.")

    (end,) = messages(monkeypatch, batch)
    assert isinstance(end, Ended) and isinstance(end.error, RunnerFailed)


def test_a_runner_that_was_told_to_end_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(*args: Any, **more: Any) -> None:
        raise RunnerStopped("told to")

    assert messages(monkeypatch, batch) == [Ended(7)]


def test_each_gpu_is_a_slot_and_its_runner_sees_that_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str | None] = []

    def batch(request: Any, emit: Emit, *, gpu: str | None, **more: Any) -> None:
        seen.append(gpu)

    for slot in ("cpu", "0", "GPU-1234"):
        messages(monkeypatch, batch, slot=slot)
    assert seen == [None, "0", "GPU-1234"]


def test_runs_and_their_class_are_told_by_the_base_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def batch(request: Any, emit: Emit, **more: Any) -> None:
        asked.append(request.base)

    def current(*args: Any, base: str, **more: Any) -> None:
        asked.append(base)
        raise RunnerError("Enough.")

    messages(monkeypatch, batch)
    monkeypatch.setattr("bot.measuring.current_class", current)
    with pytest.raises(RunnerFailed):
        LocalMeasurer(Path(), parse(b"", "bot.toml"), Reporter(), gpus=()).runner_class()
    assert asked == ["refs/heads/main", "refs/heads/main"]


def test_after_finish_no_run_follows_the_one_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Message] = []

    def batch(request: Any, emit: Emit, *, stop: Stop, **more: Any) -> None:
        job.finish()
        assert not stop.asked
        emit(ResultEvent("2", result(2)))
        assert stop.asked
        raise RunnerStopped("told to")

    monkeypatch.setattr("bot.measuring.run_batch", batch)
    job = LocalJob(7, None, None, posted.append, unconfined=False)  # type: ignore[arg-type]
    job.run()
    assert [type(message) for message in posted] == [Measured, Ended]


def test_gpus_of_another_class_and_those_that_do_not_answer_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = {"0": "A", "1": "B", "2": "", "3": "A"}

    def current(*args: Any, gpu: str, **more: Any) -> Comparability:
        if not devices[gpu]:
            raise RunnerError("The card has fallen off the bus.")
        device = devices[gpu]
        change = {"id": f"class-{device}", "device": device, "profile": "gpu"}
        return Comparability(
            runner_class=CLASS.model_copy(update=change), data="d", scorer="s", harness=HARNESS
        )

    monkeypatch.setattr("bot.measuring.current_class", current)
    said = io.StringIO()
    settings, gpus = parse(b"", "bot.toml"), tuple(devices)
    measurer = LocalMeasurer(Path(), settings, Reporter(said), at_once=None, gpus=gpus)
    assert measurer.runner_class() == f"class-A-{HARNESS[:12]}"
    assert measurer.slots == ("0", "3")
    assert "GPU 1 is left out: it is of another runner class (B)" in said.getvalue()
    assert "GPU 2 is left out: The card has fallen off the bus." in said.getvalue()
    first = LocalMeasurer(Path(), settings, Reporter(said), at_once=None, gpus=("2", "2", "3", "0"))
    assert first.runner_class() == f"class-A-{HARNESS[:12]}"
    assert first.slots == ("3", "0")
    dead = LocalMeasurer(Path(), settings, Reporter(said), at_once=None, gpus=("2", "2"))
    with pytest.raises(RunnerFailed, match="fallen off the bus"):
        dead.runner_class()
    two = LocalMeasurer(Path(), settings, Reporter(said), at_once=2, gpus=("0", "3", "3"))
    two.runner_class()
    assert two.slots == ("0", "3")
