"""What a step says of its progress: one line for each fact, one live line for what goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.actions import Action, Measure, Resume
from bot.audits.plan import BeginAudit, ContinueAudit
from bot.run.base import Concluded, Order
from bot.run.state import State
from bot.text.figures import number
from bot.views.reporter import Reporter
from bot.views.reporter import Stage as Shown
from runner.events import Event, NoticeEvent, OutputEvent, StageEvent, WaitingEvent
from runner.result import Measurement, Stage, Status

_STAGES = {
    Stage.SMOKE: "smoke run",
    Stage.TRAIN: "training",
    Stage.PREDICT: "predicting",
    Stage.SCORE: "scoring",
}


@dataclass
class StepTeller:
    """Tells a person what a step does (`bot.run.teller.Teller`)."""

    reporter: Reporter
    metric: str
    _told: set[str] = field(default_factory=set)

    def say(self, text: str) -> None:
        """A fact that stays on the screen."""
        self.reporter.say(text)

    def thinking(self, count: int) -> None:
        """A hypothesis is being thought of."""
        del count
        self.reporter.stage("thinking of a hypothesis")

    def started(self, slot: str, order: Order, action: Action) -> None:
        """Runs begin."""
        del slot
        del order
        if words := begun(action):
            self.reporter.say(words)

    def seen(self, slot: str, order: Order, event: Event) -> None:
        """Something happened in a run."""
        del slot
        match event:
            case StageEvent():
                stage = stage_of(order, event)
                lasting = event.stage is Stage.TRAIN
                self.reporter.stage(stage.title, stage.limit_s, lasting=lasting)
            case OutputEvent():
                self.reporter.output(event.line)
            case WaitingEvent():
                self.reporter.stage(event.message)
            case NoticeEvent() if event.message not in self._told:
                self._told.add(event.message)  # every call of the runner gives the same warnings
                self.reporter.say(event.message)

    def measured(self, slot: str, order: Order, index: int, result: Mapping[str, Any]) -> None:
        """A run is finished."""
        del slot
        self.reporter.say("  " + result_line(order, index, result, self.metric))

    def ended(self, slot: str, order: Order) -> None:
        """Nothing that was not said."""

    def concluded(self, done: Concluded) -> None:
        """The command prints the summary at its end."""

    def beat(self, state: State) -> None:
        """A step shows no table."""


def begun(action: Action) -> str:
    """In words, what begins."""
    match action:
        case Measure():
            runs = f"{action.candidate_runs} of the candidate"
            runs += f" and {action.baseline_runs} of the baseline"
            return f"#{action.number}: measuring to {action.purpose}: {runs}"
        case Resume():
            return f"#{action.number}: finishing what was interrupted"
        case BeginAudit():
            numbers = ", ".join(f"#{one}" for one in action.numbers)
            return f"Audit: measuring {numbers} and what they replaced again, on fresh seeds"
        case ContinueAudit():
            return f"Audit {action.session}: finishing what was interrupted"
        case _:
            return ""


def run_name(order: Order, index: int) -> str:
    """Which run of an order it is."""
    indices = [planned for planned, _ in order.runs]
    return f"run {indices.index(index) + 1} of {len(indices)}, {dict(order.runs)[index].side}"


def stage_of(order: Order, event: StageEvent) -> Shown:
    """A stage of a run as people see it: training uses its budget up, others have a limit."""
    what = f"{_STAGES.get(event.stage, event.stage)}" + (f" {event.group}" if event.group else "")
    limit_s = event.budget_s if event.stage is Stage.TRAIN else event.limit_s
    return Shown(f"{run_name(order, int(event.run))}: {what}", limit_s)


def result_line(order: Order, index: int, result: Mapping[str, Any], metric: str) -> str:
    """A finished run in one line."""
    measurement = Measurement.model_validate(result)
    said = outcome_of(measurement, metric)
    return f"{run_name(order, index)}: {said}  (seed {dict(order.runs)[index].seed})"


def outcome_of(measurement: Measurement, metric: str) -> str:
    """What came of a run."""
    if measurement.status is Status.OK and measurement.metric is not None:
        return f"{metric} {number(measurement.metric)}"
    error = measurement.error
    place = f" ({error.type}" + (f", line {error.line})" if error.line else ")") if error else ""
    return f"{measurement.status}{place} {measurement.message}".rstrip()
