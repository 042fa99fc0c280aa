"""The default task to the runner's core: its data, staged for each phase, and its scorer.

Inputs are copied once for a batch: every sandbox mounts the copies read-only, and the folder
of the targets is not among them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.digests import scorer_digest
from runner.interpreter import Interpreter
from runner.kinds.base import Evidence, Judge, Launch, Numbers, Staged
from runner.result import Split
from runner.sandbox.base import Mount
from runner.sandbox.runtime import runtime_mounts
from runner.settings import RunnerSettings
from runner.task import prepare as task
from runner.task import score
from runner.visible import visible

# Start-up that a full run would forgive (imports from a cold disk, compiling) must not look
# like a failure in a smoke run.
_SMOKE_PATIENCE_S = 30.0


@dataclass(frozen=True)
class RetrievalTask:
    """The default task with its prepared data (`runner.kinds.base.Task`)."""

    data: task.TaskData
    settings: RunnerSettings
    interpreter: Interpreter
    budget_s: float
    self_reported = False

    @property
    def version(self) -> str:
        """Version and size of the data, and a digest of its salt."""
        return self.data.version

    @property
    def digest(self) -> str:
        """SHA-256 over the files of the data."""
        return self.data.digest

    @property
    def scorer(self) -> str:
        """SHA-256 of the code that scores."""
        return scorer_digest("retrieval")

    def runtime(self) -> tuple[Mount, ...]:
        """The interpreter, without the packages that the data came from."""
        return visible(runtime_mounts(self.interpreter.path), self.data)

    def check(self, files: Mapping[str, bytes]) -> None:
        """Any files will do."""

    def full(self, split: Split, folder: Path) -> Staged:
        """All training data, and the inputs of one split.

        Mounts tell their origin, so the name of the split is in no path: a prediction must not
        know whether it is made for an audit.
        """
        place = folder / f"inputs-{secrets.token_hex(4)}"
        inputs = {}
        for group in self.data.groups:
            inputs[group] = place / group
            task.stage_inputs(self.data, split, group, inputs[group])

        def judge(evidence: Evidence) -> Numbers:
            result = score.score(evidence.predictions, task.load_targets(self.data, split))
            return Numbers(result.metric, result.secondary)

        return self._staged(self.data.train, inputs, judge, self.settings.budget.grace_s)

    def sealed(self, folder: Path) -> Staged | None:
        """The inputs of the sealed split."""
        return self.full("sealed", folder)

    def smoke(self, folder: Path) -> Staged:
        """Slivers of the training data."""
        training = folder / "smoke" / "train"
        task.stage_smoke_train(self.data, training)
        inputs = {}
        for group in self.data.groups:
            inputs[group] = folder / "smoke" / group
            task.stage_smoke_inputs(self.data, group, inputs[group])

        def judge(evidence: Evidence) -> None:
            score.check_predictions(evidence.predictions, self.data.smoke_pairs)

        slack_s = self.settings.budget.grace_s + min(self.budget_s, _SMOKE_PATIENCE_S)
        return self._staged(training, inputs, judge, slack_s)

    def _staged(
        self, training: Path, inputs: Mapping[str, Path], judge: Judge, slack_s: float
    ) -> Staged:
        entry = f"/candidate/{self.settings.candidate.entry}"
        predicting = Launch(argv=(str(self.interpreter.path), "-u", "-B", entry))
        launch = replace(
            predicting,
            environment={"PHASE": "train", "DATA_DIR": "/data"},
            mounts=(Mount(training, "/data"),),
        )
        return Staged(
            launch,
            inputs,
            judge,
            slack_s,
            predicting=predicting,
            prediction=score.PREDICTIONS,
        )
