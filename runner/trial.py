"""One pass of a candidate through both phases, train and predict, each in a fresh sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.events import Emit, LastLine, StageEvent
from runner.failure import Failure, failure_of
from runner.gpu import Gpu
from runner.interpreter import Interpreter
from runner.result import Stage, Status
from runner.sandbox.base import Job, Limits, Mount, Outcome, Sandbox
from runner.settings import BudgetTable, SandboxTable
from runner.task.score import PREDICTIONS

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

    training: Path  # the folder with training data
    inputs: Mapping[str, Path]  # by group, a folder with its inputs and nothing else
    train_budget_s: float  # what the candidate is told
    train_limit_s: float  # when it is killed
    predict_limit_s: float
    smoke: bool
    sealed: Mapping[str, Path] = field(default_factory=dict)  # the same of another split

    @classmethod
    def full(
        cls, training: Path, inputs: Mapping[str, Path], budget_s: float, table: BudgetTable
    ) -> Plan:
        """A run that counts."""
        limit_s = budget_s + table.grace_s
        return cls(training, inputs, budget_s, limit_s, table.predict_s, smoke=False)

    def with_sealed(self, inputs: Mapping[str, Path]) -> Plan:
        """The same, followed by predictions for the inputs of the sealed split."""
        return replace(self, sealed=inputs)

    @classmethod
    def smoke_run(
        cls, training: Path, inputs: Mapping[str, Path], budget_s: float, table: BudgetTable
    ) -> Plan:
        """A few seconds on a sliver of data.

        Start-up that a full run would forgive (imports from a cold disk, compiling) must not
        look like a failure, hence the longer limit.
        """
        told_s = min(table.smoke_s, budget_s)
        limit_s = told_s + table.grace_s + min(budget_s, 30.0)
        return cls(training, inputs, told_s, limit_s, table.predict_s, smoke=True)


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
    train_s: float = 0.0
    predict_s: float = 0.0
    peak_memory_bytes: int | None = None
    exit_code: int | None = None
    signal: int | None = None

    def note_training(self, outcome: Outcome) -> None:
        """Keep the facts of training. Those of predicting could tell what it has seen."""
        self.exit_code, self.signal = outcome.exit_code, outcome.signal
        self.peak_memory_bytes = outcome.peak_memory_bytes
        self.train_s, self.log = outcome.wall_s, outcome.log_tail


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
        for group, inputs in self.plan.inputs.items():
            if trial.failure is None:
                self._predict(trial, group, inputs)
        if self.plan.sealed and trial.failure is None:
            trial.sealed = Trial()
            for group, inputs in self.plan.sealed.items():
                if trial.sealed.failure is None:
                    self._predict(trial.sealed, group, inputs)
        return trial

    def _train(self, trial: Trial) -> None:
        told_s, limit_s = self.plan.train_budget_s, self.plan.train_limit_s
        job = self._job({"PHASE": "train", "SEED": str(self.seed)}, told_s, limit_s)
        job = _with_mounts(job, Mount(self.plan.training, "/data"))
        self.emit(StageEvent(self.run_id, trial.stage, None, told_s, limit_s))
        watch = LastLine(self.run_id, self.emit)
        outcome = self.confinement.sandbox.run(job, self.workplace / "model", watch)
        trial.note_training(outcome)
        trial.failure = failure_of(
            outcome, trial.stage, self._named("training"), self.candidate.files, private=False
        )

    def _predict(self, trial: Trial, group: str, inputs: Path) -> None:
        """Predict one group in a sandbox of its own. Its log is read for a typed status only."""
        if not self.plan.smoke:
            trial.stage = Stage.PREDICT
        limit_s = self.plan.predict_limit_s
        environment = {"PHASE": "predict", "MODEL_DIR": "/model", "GROUP": group}
        job = self._job(environment, _SHARE_TOLD * limit_s, limit_s)
        job = _with_mounts(job, Mount(inputs, "/data"), Mount(self.workplace / "model", "/model"))
        # Mounts tell their origin: nothing in this name may tell one split from another.
        output = self.workplace / f"predicted-{group}-{secrets.token_hex(4)}"
        self.emit(StageEvent(self.run_id, trial.stage, group, limit_s, limit_s))
        outcome = self.confinement.sandbox.run(job, output)
        trial.predict_s += outcome.wall_s
        step = self._named(f"prediction of {group}")
        trial.failure = failure_of(outcome, trial.stage, step, self.candidate.files, private=True)
        trial.predictions[group] = output
        if trial.failure is None and not (output / PREDICTIONS).is_file():
            trial.failure = Failure(Status.INVALID_OUTPUT, f"{step} wrote no {PREDICTIONS}")

    def _named(self, step: str) -> str:
        return f"the smoke run's {step}" if self.plan.smoke else step

    def _job(self, environment: Mapping[str, str], told_s: float, limit_s: float) -> Job:
        """A job of the task contract, without the mounts of its phase."""
        table, gpu = self.confinement.limits, self.confinement.gpu
        output_bytes = table.output_mb * _MEGABYTE
        if environment["PHASE"] == "predict":
            output_bytes = min(output_bytes, _LARGEST_PREDICTIONS)
        contract = {"DATA_DIR": "/data", "OUT_DIR": "/out", "TIME_BUDGET_S": f"{told_s:g}"}
        # Sets and dictionaries must come in one order in all phases.
        contract["PYTHONHASHSEED"] = "0"
        interpreter = str(self.confinement.interpreter.path)
        return Job(
            argv=(interpreter, "-u", "-B", f"/candidate/{self.candidate.entry}"),
            limits=Limits(
                wall_s=limit_s,
                memory_bytes=int(table.memory_gb * 1024**3),
                processes=table.processes,
                output_bytes=output_bytes,
                scratch_bytes=table.scratch_mb * _MEGABYTE,
            ),
            environment={**contract, **environment},
            mounts=(*self.confinement.runtime, Mount(self.candidate.folder, "/candidate")),
            gpu=gpu.index if gpu else None,
        )


def _with_mounts(job: Job, *mounts: Mount) -> Job:
    return replace(job, mounts=(*job.mounts, *mounts))
