"""A batch: runs in the given order, each different candidate smoke-run before its first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.candidate import lay_out
from runner.digests import candidate_digest
from runner.events import Emit, ResultEvent
from runner.gpumemory import watched
from runner.kinds.base import Staged
from runner.measure import Circumstances, Scored, judged, measurement
from runner.result import Measurement
from runner.settings import RunnerSettings
from runner.trial import Candidate, Confinement, Pass, Plan


@dataclass(frozen=True)
class PlannedRun:
    """One run of a batch."""

    id: str
    files: Mapping[str, bytes]
    seed: int
    smoke: bool  # False: known good


@dataclass
class Batch:
    """Executes runs one after another below the folder `workplace`."""

    settings: RunnerSettings
    confinement: Confinement
    around: Circumstances
    full: Staged
    smoke: Staged
    workplace: Path
    emit: Emit
    sealed: Staged | None = None  # the sealed split, when an audit asks for it
    _good: set[str] = field(default_factory=set)
    _refused: dict[str, Scored] = field(default_factory=dict)

    def run(self, runs: Sequence[PlannedRun]) -> Iterator[Measurement]:
        """The results in the order of `runs`, each reported as an event as soon as it is there."""
        gpu = self.confinement.gpu
        for number, planned in enumerate(runs):
            folder = self.workplace / f"run-{number}"
            folder.mkdir(mode=0o755)
            try:
                with watched(gpu.index if gpu else None) as card:
                    result = self._run(planned, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            result = result.model_copy(update={"peak_gpu_memory_bytes": card.bytes})
            self.emit(ResultEvent(planned.id, result))
            yield result

    def _run(self, planned: PlannedRun, folder: Path) -> Measurement:
        files = lay_out(planned.files, folder / "candidate")
        candidate = Candidate(planned.files, files, self.settings.candidate.entry)
        identity = candidate_digest(planned.files)
        smoke_s = 0.0
        if self._needs_smoke(planned, identity):
            scored = self._pass(planned, candidate, folder, smoke=True)
            smoke_s = scored.trial.train_s + scored.trial.predict_s
            if scored.trial.failure is not None:
                self._refused[identity] = scored
        if identity in self._refused:
            scored = self._refused[identity]
            return measurement(scored, candidate, planned.seed, smoke_s, self.around)
        self._good.add(identity)
        scored = self._pass(planned, candidate, folder, smoke=False)
        return measurement(scored, candidate, planned.seed, smoke_s, self.around)

    def _needs_smoke(self, planned: PlannedRun, identity: str) -> bool:
        known = identity in self._good or identity in self._refused
        return planned.smoke and not known and self.settings.budget.smoke_s > 0

    def _pass(
        self, planned: PlannedRun, candidate: Candidate, folder: Path, *, smoke: bool
    ) -> Scored:
        staged = self.smoke if smoke else self.full
        budget_s = self.around.same.runner_class.budget_s
        plan = Plan.of(staged, budget_s, self.settings.budget, smoke=smoke)
        sealed = None if smoke else self.sealed
        if sealed:
            plan = plan.with_sealed(sealed)
        place = folder / ("smoke" if smoke else "full")
        place.mkdir(mode=0o755)
        trial = Pass(
            planned.id, candidate, plan, planned.seed, self.confinement, place, self.emit
        ).run()
        return judged(trial, staged, sealed)
