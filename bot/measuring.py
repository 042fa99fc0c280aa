"""Measuring on this machine: the runner as a process, its events shown to the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import RunnerFailed
from bot.forge.base import PlannedRun
from bot.history.reduce import comparable_class
from bot.model import Purpose, Side
from bot.settings import Settings
from bot.text.figures import number
from bot.views.reporter import Reporter
from runner.client import current_class, run_batch
from runner.errors import RunnerError
from runner.events import (
    DataEvent,
    Event,
    NoticeEvent,
    OutputEvent,
    ResultEvent,
    StageEvent,
    WaitingEvent,
)
from runner.request import BatchRequest, RunRequest
from runner.result import Measurement, Stage, Status
from runner.settings import RunnerSettings

_STAGES = {Stage.SMOKE: "smoke run", Stage.TRAIN: "training", Stage.PREDICT: "predicting"}


@dataclass(frozen=True)
class LocalMeasurer:
    """Measures runs in this machine's sandbox (`bot.execute.Measurer`)."""

    repository: Path
    settings: Settings
    reporter: Reporter
    unconfined: bool = False
    _told: set[str] = field(default_factory=set)

    def runner_class(self) -> str:
        """The comparable class of this machine; prepares the task's data the first time.

        Raises:
            RunnerFailed: the message says what to do.
        """
        try:
            now = current_class(
                self.repository,
                _runner_settings(self.settings),
                self._event_outside_of_runs,
                unconfined=self.unconfined,
            )
        except RunnerError as error:
            raise RunnerFailed(str(error)) from None
        self.reporter.say(
            f"Runner class {now.runner_class.id}: {now.runner_class.device}, profile "
            f"{now.runner_class.profile}, {now.runner_class.budget_s:.0f} s of training a run, "
            f"sandbox {now.runner_class.sandbox}"
        )
        return comparable_class(now.runner_class.id, now.harness)

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None:
        """Run them in the given order; each result is handed over as soon as it is there."""
        planned = dict(runs)
        request = BatchRequest(
            repository=str(self.repository),
            runs=[
                RunRequest(id=str(i), tree=run.tree, seed=run.seed, smoke=_needs_smoke(run))
                for i, run in runs
            ],
            settings=_runner_settings(self.settings),
            sealed=sealed,
        )
        show = _Show(self.reporter, planned, self.settings.metric_shown)

        def on_event(event: Event) -> None:
            if isinstance(event, ResultEvent):
                on_result(int(event.run), event.measurement.model_dump(mode="json"))
            if isinstance(event, StageEvent | OutputEvent | ResultEvent):
                show(event)
            else:
                self._event_outside_of_runs(event)

        try:
            run_batch(request, on_event, unconfined=self.unconfined)
        except RunnerError as error:
            raise RunnerFailed(str(error)) from None

    def _event_outside_of_runs(self, event: Event) -> None:
        match event:
            case DataEvent():
                self.reporter.progress("preparing the data", event.fraction, event.message)
            case WaitingEvent():
                self.reporter.stage(event.message)
            case NoticeEvent() if event.message not in self._told:
                self._told.add(event.message)  # every call of the runner gives the same warnings
                self.reporter.say(event.message)


@dataclass
class _Show:
    """Turns the runner's events into what a person reads."""

    reporter: Reporter
    planned: Mapping[int, PlannedRun]
    metric: str

    def __call__(self, event: StageEvent | OutputEvent | ResultEvent) -> None:
        index = int(event.run)
        run = self.planned[index]
        name = f"run {list(self.planned).index(index) + 1} of {len(self.planned)}, {run.side}"
        match event:
            case StageEvent():
                group = f" {event.group}" if event.group else ""
                training = event.stage is Stage.TRAIN
                title = f"{name}: {_STAGES.get(event.stage, event.stage)}{group}"
                limit = event.budget_s if training else event.limit_s
                self.reporter.stage(title, limit, lasting=training)
            case OutputEvent():
                self.reporter.output(event.line)
            case ResultEvent():
                said = _result(event.measurement, self.metric)
                self.reporter.say(f"  {name}: {said}  (seed {run.seed})")


def _needs_smoke(run: PlannedRun) -> bool:
    """Only a candidate that never ran needs a smoke run; the baseline is known to work."""
    return run.side is Side.CANDIDATE and run.purpose is Purpose.SCREEN


def _result(measurement: Measurement, metric: str) -> str:
    if measurement.status is Status.OK and measurement.metric is not None:
        return f"{metric} {number(measurement.metric)}"
    error = measurement.error
    place = f" ({error.type}" + (f", line {error.line})" if error.line else ")") if error else ""
    return f"{measurement.status}{place} {measurement.message}".rstrip()


def _runner_settings(settings: Settings) -> RunnerSettings:
    return RunnerSettings(
        candidate=settings.candidate,
        metric=settings.metric,
        task=settings.task,
        budget=settings.budget,
        sandbox=settings.sandbox,
        mount=settings.mount,
    )
