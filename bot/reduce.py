"""Measurements reduced to what verdicts need. Sealed scores are left behind here."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from bot.forge.base import Attempt
from bot.model import Purpose, Run, Side
from runner.result import Measurement, Status

SidedRun = tuple[Side, Run]


def comparable_class(runner_class: str, harness: str) -> str:
    """The name under which runs may be compared: same runner class, same harness."""
    return f"{runner_class}-{harness[:12]}"


def class_of(measurement: Measurement) -> str:
    """The comparable class that a measurement was made in."""
    return comparable_class(measurement.runner_class.id, measurement.digests.harness)


def runs_of(attempts: Iterable[Attempt]) -> tuple[SidedRun, ...]:
    """Every finished run of some attempts, in the order in which they were asked for."""
    runs = []
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            planned = attempt.runs[index]
            try:
                measurement = Measurement.model_validate(result)
            except ValidationError:
                continue  # of another version of the runner: comparable with nothing of today
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
