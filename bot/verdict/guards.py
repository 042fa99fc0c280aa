"""Guards on secondary metrics: able to block a merge, never to cause one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.model import Run
from bot.verdict.evidence import Evidence

DURATION = "duration_s"  # the one secondary metric that every run has


class Guard(BaseModel):
    """A secondary metric, such as peak memory, that must not grow too much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """A secondary metric of the task, `peak_memory_bytes`, `peak_gpu_memory_bytes`, `train_s`,
    `predict_s`, or `duration_s` (all of a run)."""
    max_factor: Annotated[float, Field(ge=1, le=1000)]
    """The candidate's mean over the baseline's may be this at most."""


@dataclass(frozen=True)
class GuardResult:
    """How a guard stands. The means are None where no run of that side reported the metric."""

    guard: Guard
    candidate_mean: float | None
    baseline_mean: float | None

    @property
    def checked(self) -> bool:
        """Whether both sides reported the metric."""
        return self.candidate_mean is not None and self.baseline_mean is not None

    @property
    def broken(self) -> bool:
        """Whether the merge is blocked; what was not reported by both sides blocks nothing."""
        if self.candidate_mean is None or self.baseline_mean is None:
            return False
        return self.candidate_mean > self.guard.max_factor * self.baseline_mean

    @property
    def explanation(self) -> str:
        """One line for a person."""
        if self.candidate_mean is None and self.baseline_mean is None:
            return (
                f"{self.guard.name}: not checked, because no run reports a metric of this name. "
                "Correct the guard in bot.toml."
            )
        if self.candidate_mean is None or self.baseline_mean is None:
            side = "candidate" if self.candidate_mean is None else "baseline"
            return f"{self.guard.name}: not checked, because no run of the {side} reports it."
        verb = "exceeds" if self.broken else "is within"
        return (
            f"{self.guard.name}: {self.candidate_mean:.4g} against {self.baseline_mean:.4g} "
            f"{verb} the allowed factor of {self.guard.max_factor:g}."
        )


def check_guards(evidence: Evidence, guards: Iterable[Guard]) -> tuple[GuardResult, ...]:
    """Compare the means over all runs of both sides that reported the metric."""
    return tuple(
        GuardResult(
            guard,
            _mean(evidence.candidate, guard.name),
            _mean(evidence.baseline, guard.name),
        )
        for guard in guards
    )


def _mean(runs: Sequence[Run], name: str) -> float | None:
    if name == DURATION:
        found = [run.duration_s for run in runs if run.value is not None]
    else:
        found = [value for run in runs for key, value in run.secondary if key == name]
    found = [value for value in found if math.isfinite(value)]
    return math.fsum(found) / len(found) if found else None
