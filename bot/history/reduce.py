"""Measurements reduced to what verdicts need. Sealed scores are left behind here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from bot.forge.base import Attempt, PlannedRun
from bot.model import Purpose, Run, Side
from runner.result import Measurement, Stage, Status

SidedRun = tuple[Side, Run]


def comparable_class(runner_class: str, harness: str) -> str:
    """The name under which runs may be compared: same runner class, same harness."""
    return f"{runner_class}-{harness[:12]}"


def class_of(measurement: Measurement) -> str:
    """The comparable class that a measurement was made in."""
    return comparable_class(measurement.runner_class.id, measurement.digests.harness)


def foreign(planned: PlannedRun, result: Measurement, subject: str) -> str | None:
    """Why a result cannot be that of the run it was handed in for; None if it can.

    `subject` is the digest of the files that were to be measured, empty if it cannot be told.
    Replays of older results, results for another head, and forged ones differ in one of these.
    """
    if not subject:
        return "the tree that it should have measured is no longer in the repository"
    if result.digests.candidate != subject:
        return f"it measured other files ({result.digests.candidate[:12]}, not {subject[:12]})"
    if result.seed != planned.seed:
        return f"it was made with seed {result.seed} instead of {planned.seed}"
    if result.split != "validation":
        return f"it was scored on the split {result.split}"
    return None


def refusals(attempts: Iterable[Attempt], subject: Callable[[str], str]) -> tuple[str, ...]:
    """In words, the results of some attempts that count for nothing, and why."""
    said = []
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            try:
                measurement = Measurement.model_validate(result)
            except ValidationError:
                continue
            planned = attempt.runs[index]
            if why := foreign(planned, measurement, subject(planned.tree)):
                said.append(f"result {index + 1} of attempt {attempt.id} is refused: {why}")
    return tuple(said)


def broken_smoke(attempts: Iterable[Attempt], subject: str, runner_class: str) -> str:
    """What a candidate's smoke run broke on, in the runner's words; empty if it did not.

    `subject` is the digest of the candidate's files, `runner_class` the comparable class of now.
    """
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            try:
                measurement = Measurement.model_validate(result)
            except ValidationError:
                continue
            planned = attempt.runs[index]
            mine = planned.side is Side.CANDIDATE and class_of(measurement) == runner_class
            if not mine or foreign(planned, measurement, subject):
                continue
            if measurement.stage is Stage.SMOKE and measurement.status is not Status.OK:
                return _typed(measurement)
    return ""


def _typed(measurement: Measurement) -> str:
    error = measurement.error
    place = f" in line {error.line}" if error and error.line else ""
    what = f" ({error.type}{place})" if error else ""
    return f"{measurement.status}{what}: {measurement.message}".rstrip(": ")


def runs_of(
    attempts: Iterable[Attempt], subject: Callable[[str], str] | None = None
) -> tuple[SidedRun, ...]:
    """Every finished run of some attempts, in the order in which they were asked for.

    With `subject`, which gives the digest of the allowed files in a tree, results that do not
    belong to the run that was asked for are left out: whatever decides must give it.
    """
    runs = []
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            planned = attempt.runs[index]
            try:
                measurement = Measurement.model_validate(result)
            except ValidationError:
                continue  # of another version of the runner: comparable with nothing of today
            if subject and foreign(planned, measurement, subject(planned.tree)):
                continue
            run = run_of(measurement, planned.purpose, attempt.id)
            runs.append((planned.side, run))
    return tuple(runs)


def run_of(measurement: Measurement, purpose: Purpose, attempt: str) -> Run:
    """A measurement reduced to what verdicts need."""
    seconds = (measurement.smoke_s, measurement.train_s, measurement.predict_s, measurement.score_s)
    return Run(
        subject=measurement.digests.candidate,
        seed=measurement.seed,
        status=str(measurement.status),
        value=measurement.metric if measurement.status is Status.OK else None,
        purpose=purpose,
        runner_class=class_of(measurement),
        attempt=attempt,
        duration_s=sum(seconds),
        secondary=tuple(sorted(secondary_of(measurement).items())),
        message=measurement.message,
    )


def secondary_of(measurement: Measurement) -> dict[str, float]:
    """What guards can be about: the task's own secondary metrics, and what the runner saw.

    Memory is left out where it is not known.
    """
    if measurement.status is not Status.OK:
        return {}
    seen: dict[str, float | None] = {
        "train_s": measurement.train_s,
        "predict_s": measurement.predict_s,
        "peak_memory_bytes": measurement.peak_memory_bytes,
        "peak_gpu_memory_bytes": measurement.peak_gpu_memory_bytes,
    }
    known = {name: float(value) for name, value in seen.items() if value is not None}
    return {**measurement.secondary, **known}
