"""The result of one measurement: the schema that crosses from `runner` to `bot`.

Version 1. Everything in it is the runner's own observation; `log_tail`, `curve` and `error`
contain text or numbers that the candidate chose and must be treated as data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

SCHEMA_VERSION = 1

Split = Literal["validation", "sealed"]


class Status(StrEnum):
    """How a measurement ended."""

    OK = "ok"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    INVALID_OUTPUT = "invalid-output"


class Stage(StrEnum):
    """Where in a measurement something happened."""

    SMOKE = "smoke"
    TRAIN = "train"
    PREDICT = "predict"
    SCORE = "score"


class Strict(BaseModel):
    """Frozen, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunnerClass(Strict):
    """What must be equal for two numbers to be comparable. `id` is a digest of the rest."""

    id: str
    device: str  # "cpu: <model> x2" or the GPU's name
    profile: str  # "cpu" or "gpu"
    budget_s: float
    data: str  # version and salt digest of the task's data
    interpreter: str
    torch: str
    driver: str
    sandbox: str


class Comparability(Strict):
    """Everything but the candidate that a number depends on, here and now."""

    runner_class: RunnerClass
    data: str  # digests, as in `Digests`
    scorer: str
    harness: str


class CandidateError(Strict):
    """What went wrong inside the candidate, reduced to a type and a place."""

    type: Annotated[str, Field(max_length=100)]
    line: int | None = None
    stage: Stage


class Digests(Strict):
    """SHA-256 (hexadecimal) of what the number depends on."""

    candidate: str  # the allowed files: names, and bytes
    data: str
    scorer: str
    harness: str  # the runner's own files and the settings that it used


class Measurement(Strict):
    """One sandboxed run of one candidate with one seed."""

    schema_version: Literal[1] = 1
    status: Status
    stage: Stage  # the last stage that was reached
    metric: FiniteFloat | None  # None unless status is ok
    secondary: dict[str, FiniteFloat] = {}
    seed: int
    split: Split = "validation"
    self_reported: bool = False  # True when the candidate printed the metric itself
    smoke_s: float = 0.0
    train_s: float = 0.0
    predict_s: float = 0.0
    score_s: float = 0.0
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    error: CandidateError | None = None
    message: str = ""  # one line by the runner for a person
    curve: list[tuple[FiniteFloat, FiniteFloat]] = []  # seconds, loss
    runner_class: RunnerClass
    digests: Digests
    log_tail: str = ""
