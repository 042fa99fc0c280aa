"""Measuring on this machine: a runner process for each slot, watched by a thread.

A slot is a GPU, or all cores together: measurements that share a device would both be worse.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import RunnerFailed
from bot.forge.base import PlannedRun
from bot.history.reduce import comparable_class
from bot.model import Purpose, Side
from bot.run.base import Ended, Measured, Order, Post, Seen
from bot.settings import Settings
from bot.views.reporter import Reporter
from runner.client import RunnerStopped, Stop, current_class, run_batch
from runner.errors import RunnerError
from runner.events import DataEvent, Event, NoticeEvent, ResultEvent, WaitingEvent
from runner.gpu import visible_gpus
from runner.request import BatchRequest, RunRequest
from runner.result import Comparability
from runner.settings import RunnerSettings

CORES = "cpu"
"""The slot of a machine without a GPU."""


@dataclass
class LocalMeasurer:
    """Measures runs in this machine's sandbox (`bot.run.base.Measurer`).

    `gpus` are the ones to use, as in CUDA_VISIBLE_DEVICES; None: all that are like the first.
    `at_once` is how many may be used at the same time; None: all of them.
    """

    repository: Path
    settings: Settings
    reporter: Reporter
    unconfined: bool = False
    at_once: int | None = 1
    gpus: tuple[str, ...] | None = None
    slots: tuple[str, ...] = (CORES,)
    _told: set[str] = field(default_factory=set)

    def runner_class(self) -> str:
        """The comparable class of this machine; prepares the task's data the first time.

        Raises:
            RunnerFailed: the message says what to do.
        """
        candidates = self.gpus if self.gpus is not None else visible_gpus()
        candidates, now = self._first_that_answers(candidates)
        self.reporter.say(
            f"Runner class {now.runner_class.id}: {now.runner_class.device}, profile "
            f"{now.runner_class.profile}, {now.runner_class.budget_s:.0f} s of training a run, "
            f"sandbox {now.runner_class.sandbox}"
        )
        name = comparable_class(now.runner_class.id, now.harness)
        if now.runner_class.profile == "gpu" and candidates:
            self.slots = (candidates[0], *self._alike(candidates[1:], name))[: self.at_once]
        return name

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        """None: what is measured on this machine is measured by a job of this process."""
        del attempts
        return frozenset()

    def start(self, job: int, order: Order, slot: str, post: Post) -> LocalJob:
        """Have an order measured on a slot, by a runner of its own."""
        request = BatchRequest(
            repository=str(self.repository),
            runs=[
                RunRequest(id=str(i), tree=run.tree, seed=run.seed, smoke=needs_smoke(run))
                for i, run in order.runs
            ],
            settings=_runner_settings(self.settings),
            base=self._base,
            sealed=order.sealed,
        )
        gpu = None if slot == CORES else slot
        started = LocalJob(job, request, gpu, post, self.unconfined)
        threading.Thread(target=started.run, name=f"measuring-{slot}", daemon=True).start()
        return started

    def _first_that_answers(self, gpus: tuple[str, ...]) -> tuple[tuple[str, ...], Comparability]:
        """The GPUs from the first one on that a runner can use, and what that one is.

        Raises:
            RunnerFailed: of the last one, if none can be used.
        """
        while len(gpus) > 1:
            try:
                return gpus, self._class_of(gpus[0])
            except RunnerFailed as failed:
                self.reporter.say(f"GPU {gpus[0]} is left out: {failed}")
                gpus = gpus[1:]
        return gpus, self._class_of(gpus[0] if gpus else None)

    def _alike(self, gpus: Collection[str], wanted: str) -> list[str]:
        """Those whose numbers can be compared with the first one's; it is said of the others."""
        found: list[str] = []
        for gpu in gpus:
            if len(found) + 1 == self.at_once:
                break
            try:
                now = self._class_of(gpu)
            except RunnerFailed as failed:
                self.reporter.say(f"GPU {gpu} is left out: {failed}")
                continue
            if comparable_class(now.runner_class.id, now.harness) == wanted:
                found.append(gpu)
            else:
                self.reporter.say(
                    f"GPU {gpu} is left out: it is of another runner class "
                    f"({now.runner_class.device}), so its numbers could not be compared."
                )
        return found

    def _class_of(self, gpu: str | None) -> Comparability:
        try:
            return current_class(
                self.repository,
                _runner_settings(self.settings),
                self._show,
                unconfined=self.unconfined,
                gpu=gpu,
                base=self._base,
            )
        except RunnerError as error:
            raise RunnerFailed(str(error)) from None

    @property
    def _base(self) -> str:
        return f"refs/heads/{self.settings.repository.base}"

    def _show(self, event: Event) -> None:
        match event:
            case DataEvent():
                self.reporter.progress("preparing the data", event.fraction, event.message)
            case WaitingEvent():
                self.reporter.stage(event.message)
            case NoticeEvent() if event.message not in self._told:
                self._told.add(event.message)  # every call of the runner gives the same warnings
                self.reporter.say(event.message)


@dataclass
class LocalJob:
    """One order in the hands of a runner (`bot.run.base.Job`)."""

    number: int
    request: BatchRequest
    gpu: str | None
    post: Post
    unconfined: bool
    _stop: Stop = field(default_factory=Stop)
    _last: bool = False

    def finish(self) -> None:
        """Begin no further run; should one begin all the same, it is ended at once."""
        self._last = True

    def stop(self) -> None:
        """End the runner now."""
        self._stop()

    def run(self) -> None:
        """Have it done, in a thread of its own."""
        error: Exception | None = None
        try:
            run_batch(
                self.request,
                self._tell,
                unconfined=self.unconfined,
                gpu=self.gpu,
                stop=self._stop,
            )
        except RunnerStopped:
            pass
        except RunnerError as failed:
            error = RunnerFailed(str(failed))
        except Exception as other:
            error = other
        self.post(Ended(self.number, error))

    def _tell(self, event: Event) -> None:
        if not isinstance(event, ResultEvent):
            self.post(Seen(self.number, event))
            return
        result = event.measurement.model_dump(mode="json")
        self.post(Measured(self.number, int(event.run), result))
        if self._last:
            self._stop()


def needs_smoke(run: PlannedRun) -> bool:
    """Only a candidate that never ran needs a smoke run; the baseline is known to work."""
    return run.side is Side.CANDIDATE and run.purpose is Purpose.SCREEN


def _runner_settings(settings: Settings) -> RunnerSettings:
    return RunnerSettings(
        candidate=settings.candidate,
        metric=settings.metric,
        task=settings.task,
        budget=settings.budget,
        sandbox=settings.sandbox,
        mount=settings.mount,
    )
