"""One pass of a candidate through both phases, train and predict, each in a fresh sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.candidate import lay_out
from runner.events import Emit, LastLine, StageEvent
from runner.failure import Failure, failure_of
from runner.gpu import Gpu
from runner.interpreter import Interpreter
from runner.kinds.base import Evidence, Launch, Scoring, Staged
from runner.result import Stage, Status
from runner.sandbox.base import Ended, Job, Limits, Mount, Outcome, Sandbox
from runner.settings import BudgetTable, SandboxTable

_MEGABYTE = 1 << 20
# Of a prediction's limit: whoever keeps to what it is told must not be killed for it.
_SHARE_TOLD = 0.8
# Predictions for some thousand inputs; the scorer has its own, tighter idea of their size.
_LARGEST_PREDICTIONS = 256 * _MEGABYTE


@dataclass(frozen=True)
class Confinement:
    """How jobs are run on this machine; the same for every run of a batch."""

    sandbox: Sandbox
    interpreter: Interpreter
    runtime: tuple[Mount, ...]  # what the interpreter itself needs
    gpu: Gpu | None
    limits: SandboxTable


@dataclass(frozen=True)
class Plan:
    """What a pass sees, and how long its parts may take."""

    launch: Launch
    inputs: Mapping[str, Path]  # by group, a folder with its inputs and nothing else
    train_budget_s: float  # what the candidate is told
    train_limit_s: float  # when it is killed
    predict_limit_s: float
    smoke: bool
    stoppable: bool = False  # that training still ran at its limit is no failure
    predicting: Launch | None = None
    prediction: str = ""  # the file that predicting must leave; empty: any
    scoring: Scoring | None = None
    sealed: Mapping[str, Path] = field(default_factory=dict)  # the same of another split
    sealed_scoring: Scoring | None = None

    @classmethod
    def of(cls, staged: Staged, budget_s: float, table: BudgetTable, *, smoke: bool) -> Plan:
        """A run that counts, or, with `smoke`, a few seconds of it."""
        told_s = min(table.smoke_s, budget_s) if smoke else budget_s
        return cls(
            launch=staged.launch,
            inputs=staged.inputs,
            train_budget_s=told_s,
            train_limit_s=told_s + staged.slack_s,
            predict_limit_s=table.predict_s,
            smoke=smoke,
            stoppable=staged.stoppable,
            predicting=staged.predicting,
            prediction=staged.prediction,
            scoring=staged.scoring,
        )

    def with_sealed(self, sealed: Staged) -> Plan:
        """The same, followed by predictions for the inputs of the sealed split, and their score."""
        return replace(self, sealed=sealed.inputs, sealed_scoring=sealed.scoring)


@dataclass(frozen=True)
class Candidate:
    """The files of a candidate, laid out in a folder."""

    files: Mapping[str, bytes]
    folder: Path
    entry: str


@dataclass
class Trial:
    """What a pass has come to so far."""

    stage: Stage = Stage.TRAIN
    failure: Failure | None = None
    predictions: dict[str, Path] = field(default_factory=dict)  # by group, their folders
    sealed: Trial | None = None  # the predictions for the sealed split, when they were asked for
    log: bytes = b""  # of training only
    scored: bytes = b""  # what the project's own scorer printed
    stopped: bool = False  # training was ended at its limit, which the plan allows
    train_s: float = 0.0
    predict_s: float = 0.0
    score_s: float = 0.0  # of the project's own scorer
    peak_memory_bytes: int | None = None
    exit_code: int | None = None
    signal: int | None = None

    def note_training(self, outcome: Outcome) -> None:
        """Keep the facts of training. Those of predicting could tell what it has seen."""
        self.exit_code, self.signal = outcome.exit_code, outcome.signal
        self.peak_memory_bytes = outcome.peak_memory_bytes
        self.train_s, self.log = outcome.wall_s, outcome.log_tail

    @property
    def evidence(self) -> Evidence:
        """What the judge of a pass is shown."""
        return Evidence(self.predictions, self.log, self.scored, self.stopped)


@dataclass(frozen=True)
class Pass:
    """One candidate, one plan, one seed: call `run` once. Output goes below `workplace`."""

    run_id: str
    candidate: Candidate
    plan: Plan
    seed: int
    confinement: Confinement
    workplace: Path
    emit: Emit

    def run(self) -> Trial:
        """Train, then predict every group, until something fails.

        Predictions for the sealed split come last, and whatever becomes of them changes nothing
        of the trial itself. A sandbox cannot tell which split it is given.
        """
        trial = Trial(stage=Stage.SMOKE if self.plan.smoke else Stage.TRAIN)
        self._train(trial)
        if trial.stopped and self.plan.smoke:
            return trial  # it may not have saved anything yet
        for group, inputs in self.plan.inputs.items():
            if trial.failure is None:
                self._predict(trial, group, inputs)
        if self.plan.scoring and trial.failure is None:
            self._score(trial, self.plan.scoring)
        if self.plan.sealed and trial.failure is None:
            trial.sealed = Trial()
            for group, inputs in self.plan.sealed.items():
                if trial.sealed.failure is None:
                    self._predict(trial.sealed, group, inputs)
            if self.plan.sealed_scoring and trial.sealed.failure is None:
                self._score(trial.sealed, self.plan.sealed_scoring)
        return trial

    def _train(self, trial: Trial) -> None:
        told_s, limit_s = self.plan.train_budget_s, self.plan.train_limit_s
        launch = self.plan.launch
        environment = {**launch.environment, "SEED": str(self.seed)}
        job = self._job(replace(launch, environment=environment), told_s, limit_s)
        self.emit(StageEvent(self.run_id, trial.stage, None, told_s, limit_s))
        watch = LastLine(self.run_id, self.emit)
        outcome = self.confinement.sandbox.run(job, self.workplace / "model", watch)
        trial.note_training(outcome)
        if self.plan.stoppable and outcome.ended is Ended.TIMED_OUT:
            trial.stopped = True
            return
        trial.failure = failure_of(
            outcome, trial.stage, self._named("training"), self.candidate.files, private=False
        )

    def _predict(self, trial: Trial, group: str, inputs: Path) -> None:
        """Predict one group in a sandbox of its own. Its log is read for a typed status only."""
        if not self.plan.smoke:
            trial.stage = Stage.PREDICT
        limit_s = self.plan.predict_limit_s
        launch = self.plan.predicting
        if launch is None:
            raise ValueError("the plan has inputs and does not say how they are predicted")
        mounts = (Mount(inputs, "/data"), Mount(self.workplace / "model", "/model"))
        contract = {"PHASE": "predict", "DATA_DIR": "/data", "MODEL_DIR": "/model", "GROUP": group}
        launch = replace(
            launch,
            environment={**launch.environment, **contract},
            mounts=(*launch.mounts, *mounts),
            log_bytes=Launch.log_bytes,
        )
        job = self._job(launch, _SHARE_TOLD * limit_s, limit_s)
        most_bytes = min(job.limits.output_bytes, _LARGEST_PREDICTIONS)
        job = replace(job, limits=replace(job.limits, output_bytes=most_bytes))
        # Mounts tell their origin: nothing in this name may tell one split from another.
        output = self.workplace / f"predicted-{group}-{secrets.token_hex(4)}"
        self.emit(StageEvent(self.run_id, trial.stage, group, limit_s, limit_s))
        outcome = self.confinement.sandbox.run(job, output)
        trial.predict_s += outcome.wall_s
        step = self._named(f"prediction of {group}")
        trial.failure = failure_of(outcome, trial.stage, step, self.candidate.files, private=True)
        trial.predictions[group] = output
        if trial.failure is None and not _wrote(output, self.plan.prediction):
            what = self.plan.prediction or "file into OUT_DIR"
            trial.failure = Failure(Status.INVALID_OUTPUT, f"{step} wrote no {what}")

    def _score(self, trial: Trial, scoring: Scoring) -> None:
        """Run the project's own scorer, in a sandbox that holds nothing of the candidate's code."""
        if not self.plan.smoke:
            trial.stage = Stage.SCORE
        own = {
            path: content
            for path, content in self.candidate.files.items()
            if path not in scoring.withheld
        }
        here = self.workplace / f"scoring-{secrets.token_hex(4)}"
        here.mkdir(mode=0o755)
        place = lay_out(own, here / "scorer")
        predictions = tuple(
            Mount(folder, f"/predictions/{group}") for group, folder in trial.predictions.items()
        )
        launch, limit_s = scoring.launch, self.plan.predict_limit_s
        job = replace(
            self._job(launch, limit_s, limit_s),
            mounts=(*launch.mounts, Mount(place, "/scorer"), *predictions),
            working_directory="/scorer",
            gpu=None,
        )
        self.emit(StageEvent(self.run_id, trial.stage, None, limit_s, limit_s))
        outcome = self.confinement.sandbox.run(job, here / "scored")
        trial.scored, trial.score_s = outcome.log_tail, outcome.wall_s
        failed = failure_of(outcome, trial.stage, scoring.entry, own, private=True)
        if failed is not None:
            # It could not make numbers of what it was given. What it saw stays inside.
            words = f"{self._named('the predictions')} were not scored: {failed.message}"
            trial.failure = Failure(Status.INVALID_OUTPUT, words, failed.error)

    def _named(self, step: str) -> str:
        return f"the smoke run's {step}" if self.plan.smoke else step

    def _job(self, launch: Launch, told_s: float, limit_s: float) -> Job:
        """A job of the task contract."""
        table, gpu = self.confinement.limits, self.confinement.gpu
        contract = {"OUT_DIR": "/out", "TIME_BUDGET_S": f"{told_s:g}"}
        # Sets and dictionaries must come in one order in all phases.
        contract["PYTHONHASHSEED"] = "0"
        filled = {"{seed}": str(self.seed), "{budget_s}": f"{told_s:g}"}
        environment = {name: _filled(word, filled) for name, word in launch.environment.items()}
        return Job(
            argv=tuple(_filled(word, filled) for word in launch.argv),
            limits=Limits(
                wall_s=limit_s,
                memory_bytes=int(table.memory_gb * 1024**3),
                processes=table.processes,
                output_bytes=table.output_mb * _MEGABYTE,
                scratch_bytes=table.scratch_mb * _MEGABYTE,
                log_bytes=launch.log_bytes,
            ),
            environment={**environment, **contract},
            mounts=(
                *self.confinement.runtime,
                Mount(self.candidate.folder, "/candidate"),
                *launch.mounts,
            ),
            gpu=gpu.index if gpu else None,
        )


def _wrote(folder: Path, name: str) -> bool:
    return (folder / name).is_file() if name else any(folder.iterdir())


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word
