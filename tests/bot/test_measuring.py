from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from bot.forge.base import PlannedRun
from bot.measuring import LocalMeasurer
from bot.model import Purpose, Side
from bot.settings import parse
from bot.views.reporter import Reporter
from runner.events import Emit, Event, NoticeEvent, WaitingEvent

WARNING = NoticeEvent("WARNING: no sandbox.")
WAITING = WaitingEvent("waiting for another measurement on this machine (cpu)")
RUN = PlannedRun(side=Side.CANDIDATE, tree="0" * 40, seed=1, purpose=Purpose.SCREEN)


def told(monkeypatch: pytest.MonkeyPatch, *batches: list[Event]) -> list[str]:
    """What a person reads when the runner tells these events, batch by batch."""
    left = list(batches)

    def run_batch(request: Any, on_event: Emit, *, unconfined: bool) -> dict[str, Any]:
        for event in left.pop(0):
            on_event(event)
        return {}

    monkeypatch.setattr("bot.measuring.run_batch", run_batch)
    stream = io.StringIO()
    with Reporter(stream) as reporter:
        measurer = LocalMeasurer(Path(), parse(b"", "bot.toml"), reporter)
        for _ in batches:
            measurer.measure([(0, RUN)], lambda index, result: None)
    return stream.getvalue().splitlines()


def test_a_warning_of_the_runner_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other = NoticeEvent("sandbox: bubblewrap, because Docker cannot be used.")
    lines = told(monkeypatch, [WARNING, other], [WARNING, other])
    assert lines == [WARNING.message, other.message]


def test_that_another_measurement_is_waited_for_is_said_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [line.strip() for line in told(monkeypatch, [WAITING], [WAITING])] == [
        WAITING.message
    ] * 2
