"""What a verdict is made from, and the three things that it can say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from bot.model import Direction, Estimate, Purpose, Reason, Run

Values = tuple[float, ...]
Pair = tuple[float, float]

OK = "ok"
_LARGEST = 1e70


class InvalidEvidence(ValueError):
    """The evidence breaks its contract: a defect of the caller, never of a candidate."""


@dataclass(frozen=True)
class Evidence:
    """What has been measured, oldest first, all of it in one runner class.

    candidate: every run of the experiment's candidate. None is left out or replaced.
    baseline: every run of the baseline's own code that counts: of its confirmation, and all
        later ones, made for whatever experiment. The screening and test runs that led to its
        acceptance are flattered by selection and do not count. Runs of one interleaved batch
        share `Run.attempt`, which no other batch may use.
    direction: which way the metric is better.
    repeats: values of repeated runs of the same code, one tuple for each *other* code in the
        runner class (neither this candidate's nor this baseline's, which are known already).
    pairs: from other experiments, one tuple each, the values (candidate, baseline) of runs
        that shared a seed; tells whether shared seeds help.
    experiments_since_baseline: experiments judged since the latest run of the baseline.
    """

    candidate: tuple[Run, ...]
    baseline: tuple[Run, ...]
    direction: Direction = Direction.LOWER
    repeats: tuple[Values, ...] = ()
    pairs: tuple[tuple[Pair, ...], ...] = ()
    experiments_since_baseline: int = 0


@dataclass(frozen=True)
class MoreRuns:
    """Make so many more runs of each side, interleaved, on fresh seeds that the sides share."""

    candidate: int
    baseline: int
    purpose: Purpose


@dataclass(frozen=True)
class Accept:
    """Merge. The estimate comes from the confirmation runs alone."""

    estimate: Estimate
    explanation: str


@dataclass(frozen=True)
class Reject:
    """Close, for this reason. The estimate is None when there is nothing to compare."""

    reason: Reason
    estimate: Estimate | None
    explanation: str


Decision = MoreRuns | Accept | Reject


def check(evidence: Evidence) -> None:
    """Refuse what no honest caller can hand over.

    Raises:
        InvalidEvidence: says which run, and what is wrong with it.
    """
    for side, runs in (("candidate", evidence.candidate), ("baseline", evidence.baseline)):
        _check_runs(side, runs)
    classes = {run.runner_class for run in (*evidence.candidate, *evidence.baseline)}
    if len(classes) > 1:
        raise InvalidEvidence(
            f"runs of different runner classes are never compared, found {sorted(classes)}"
        )
    if not all(map(math.isfinite, _numbers_of_others(evidence))):
        raise InvalidEvidence("repeats and pairs must hold finite numbers only")


def _check_runs(side: str, runs: tuple[Run, ...]) -> None:
    seen: set[int] = set()
    for run in runs:
        if run.seed in seen:
            raise InvalidEvidence(
                f"seed {run.seed} occurs twice among the {side}'s runs: a rerun never replaces "
                "a result and seeds never repeat within a comparison; draw a fresh seed"
            )
        seen.add(run.seed)
        measured = run.value is not None and math.isfinite(run.value)
        if measured != (run.status == OK):
            raise InvalidEvidence(
                f"the {side}'s run of seed {run.seed} has status {run.status!r} but value "
                f"{run.value!r}: a finite value belongs to status 'ok' and to no other"
            )


def _numbers_of_others(evidence: Evidence) -> Iterable[float]:
    pairs = chain.from_iterable(evidence.pairs)
    return chain(chain.from_iterable(evidence.repeats), chain.from_iterable(pairs))


def bounded(value: float) -> float:
    """The value, or the largest one whose powers can still be calculated with.

    A candidate may print any number for a metric; a larger one is only ever a very bad or a
    very suspicious one, and must not end the bot.
    """
    return max(-_LARGEST, min(_LARGEST, value))


def bounded_others(
    evidence: Evidence,
) -> tuple[tuple[Values, ...], tuple[tuple[Pair, ...], ...]]:
    """`repeats` and `pairs` of the evidence with every value bounded."""
    if max(map(abs, _numbers_of_others(evidence)), default=0.0) <= _LARGEST:
        return evidence.repeats, evidence.pairs  # nearly always, and there are thousands
    repeats = (tuple(map(bounded, group)) for group in evidence.repeats)
    pairs = (tuple((bounded(x), bounded(y)) for x, y in group) for group in evidence.pairs)
    return tuple(repeats), tuple(pairs)


def values(runs: Iterable[Run]) -> list[float]:
    """The values of the runs that produced one, in order, bounded."""
    return [bounded(run.value) for run in runs if run.value is not None]
