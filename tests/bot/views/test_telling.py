from __future__ import annotations

import io

from bot.run.base import Order
from bot.views.reporter import Reporter
from bot.views.telling import StepTeller
from runner.events import Event, NoticeEvent, WaitingEvent

WARNING = NoticeEvent("WARNING: no sandbox.")
WAITING = WaitingEvent("waiting for another measurement on this machine (cpu)")
ORDER = Order("1.1", 1, (), total=1)


def told(*events: Event) -> list[str]:
    stream = io.StringIO()
    with Reporter(stream) as reporter:
        teller = StepTeller(reporter, "mean_rank")
        for event in events:
            teller.seen("cpu", ORDER, event)
    return [line.strip() for line in stream.getvalue().splitlines()]


def test_a_warning_of_the_runner_is_said_once() -> None:
    other = NoticeEvent("sandbox: bubblewrap, because Docker cannot be used.")
    assert told(WARNING, other, WARNING, other) == [WARNING.message, other.message]


def test_that_another_measurement_is_waited_for_is_said_each_time() -> None:
    assert told(WAITING, WAITING) == [WAITING.message] * 2
