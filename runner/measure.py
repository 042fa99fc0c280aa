"""One measurement: a pass in sandboxes, then the score, where no candidate can reach."""

from __future__ import annotations

import contextlib
import math
import re
import time
from dataclasses import dataclass

from runner.curve import training_curve
from runner.digests import candidate_digest
from runner.errors import InvalidOutput
from runner.failure import Failure
from runner.kinds.base import Numbers, Staged
from runner.result import (
    CandidateError,
    Comparability,
    Digests,
    Measurement,
    Sealed,
    Split,
    Stage,
    Status,
)
from runner.text import clean_line, clean_text
from runner.trial import Candidate, Trial

LOG_TAIL_BYTES = 8 << 10
_WORD_OR_NUMBER = re.compile(r"\b[A-Za-z_][\w@.-]*|[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Circumstances:
    """What is the same for every run of a batch, as far as a result tells of it."""

    same: Comparability
    split: Split
    self_reported: bool = False


@dataclass(frozen=True)
class Scored:
    """A finished pass, with its numbers if it was scored."""

    trial: Trial
    numbers: Numbers | None = None
    score_s: float = 0.0
    sealed: Numbers | None = None


def judged(trial: Trial, staged: Staged, sealed: Staged | None = None) -> Scored:
    """Score the predictions of a pass, if it came so far; a failure is noted in `trial`.

    With `sealed`, its predictions for that split are scored as well. That they failed where
    those for validation did not is no failure of the trial: the score is missing then.
    """
    if trial.failure is not None:
        return Scored(trial)
    smoke = trial.stage is Stage.SMOKE
    trial.stage = Stage.SMOKE if smoke else Stage.SCORE
    started = time.monotonic()
    numbers = None
    try:
        numbers = staged.judge(trial.evidence)
    except InvalidOutput as refusal:
        reason = clean_line(str(refusal).encode(errors="replace"))
        if smoke:
            reason = f"the smoke run's {reason}"
        elif staged.inputs:
            # Sizes and shapes are numbers that a candidate could choose after seeing its inputs.
            # Digits in a word, such as f1, belong to a name that was there before.
            reason = _WORD_OR_NUMBER.sub(_without_number, reason)
        error = CandidateError(type="InvalidOutput", stage=trial.stage)
        trial.failure = Failure(Status.INVALID_OUTPUT, reason, error)
    seconds = trial.score_s + time.monotonic() - started
    beside = None
    if sealed and trial.sealed and trial.failure is None and trial.sealed.failure is None:
        with contextlib.suppress(InvalidOutput):
            beside = sealed.judge(trial.sealed.evidence)
    return Scored(trial, numbers, seconds, beside)


def _without_number(found: re.Match[str]) -> str:
    return "#" if found[0].isdigit() else found[0]


def _sealed(numbers: Numbers | None) -> Sealed | None:
    return Sealed(metric=numbers.metric, secondary=dict(numbers.secondary)) if numbers else None


def measurement(
    scored: Scored, candidate: Candidate, seed: int, smoke_s: float, around: Circumstances
) -> Measurement:
    """The result in the form that leaves the runner: text cleaned, everything bounded."""
    trial, failure = scored.trial, scored.trial.failure
    smoke = trial.stage is Stage.SMOKE
    log = clean_text(trial.log, len(trial.log) + 1)
    return Measurement(
        status=failure.status if failure else Status.OK,
        stage=trial.stage,
        metric=scored.numbers.metric if scored.numbers else None,
        secondary=dict(scored.numbers.secondary) if scored.numbers else {},
        seed=seed,
        split=around.split,
        sealed=_sealed(scored.sealed),
        self_reported=around.self_reported,
        smoke_s=smoke_s,
        train_s=0.0 if smoke else trial.train_s,
        # To the second: how long it took could tell what it has seen.
        predict_s=0.0 if smoke else float(math.ceil(trial.predict_s)),
        score_s=0.0 if smoke else scored.score_s,
        peak_memory_bytes=trial.peak_memory_bytes,
        exit_code=trial.exit_code,
        signal=trial.signal,
        error=failure.error if failure else None,
        message=failure.message if failure else "",
        curve=training_curve(log),
        runner_class=around.same.runner_class,
        digests=Digests(
            candidate=candidate_digest(candidate.files),
            data=around.same.data,
            scorer=around.same.scorer,
            harness=around.same.harness,
        ),
        log_tail=clean_text(trial.log, LOG_TAIL_BYTES),
    )
