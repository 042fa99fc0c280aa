"""The result of one measurement: the schema that crosses from `runner` to `bot`.

Version 1. Everything in it is the runner's own observation; `log_tail`, `curve` and `error`
contain text or numbers that the candidate chose and must be treated as data. The text under a
field is its description in docs/commands.md.
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
    """A digest of the others: equal ids mean comparable numbers."""
    device: str
    """The GPU's name, or "cpu: ", the processor's name and the number of cores, which a quota
    of the control group can make a fraction."""
    profile: str
    """`cpu` or `gpu`."""
    budget_s: float
    """Seconds of training that a candidate is told."""
    data: str
    """Version and size of the task's data, and a digest of its salt."""
    data_digest: str = ""
    """SHA-256 over the files of the task's data."""
    interpreter: str
    """The candidate's interpreter and its version."""
    packages: str = ""
    """A digest of the names and versions of all packages installed in it."""
    torch: str
    """The version of torch in it; empty if it has none."""
    driver: str
    """The version of the GPU's driver; empty without a GPU."""
    sandbox: str
    """Name and version of what confines candidates; the image and its digest with Docker."""


class Comparability(Strict):
    """Everything but the candidate that a number depends on, here and now."""

    runner_class: RunnerClass
    """What must be equal for two numbers to be comparable."""
    data: str
    """SHA-256 over the files of the task's data."""
    scorer: str
    """SHA-256 of the code that scores."""
    harness: str
    """SHA-256 of the runner's own files and of the settings that can change a number."""


class CandidateError(Strict):
    """What went wrong inside the candidate, reduced to a type and a place."""

    type: Annotated[str, Field(max_length=100)]
    """The exception's type, if it is a common one or a word of the candidate; else `Error`."""
    line: int | None = None
    """The innermost line of the candidate's own files."""
    stage: Stage
    """Where it happened."""


class Digests(Strict):
    """SHA-256 (hexadecimal) of what the number depends on."""

    candidate: str
    """The files that an experiment may change: names and bytes."""
    data: str
    """The files of the task's data."""
    scorer: str
    """The code that scores."""
    harness: str
    """The runner's own files and the settings that can change a number."""


class Sealed(Strict):
    """What the sealed split says of the same training. For people, never for a proposer."""

    metric: FiniteFloat
    """The metric on the sealed split."""
    secondary: dict[str, FiniteFloat] = {}
    """What the task reports beside it, by name."""


class Measurement(Strict):
    """One sandboxed run of one candidate with one seed."""

    schema_version: Literal[1] = 1
    """The version of this schema."""
    status: Status
    """How it ended: `ok`, or how the candidate failed."""
    stage: Stage
    """The last stage that was reached: `smoke`, `train`, `predict` or `score`."""
    metric: FiniteFloat | None
    """The metric; null unless `status` is `ok`."""
    secondary: dict[str, FiniteFloat] = {}
    """What the task reports beside the metric, by name; empty unless `status` is `ok`."""
    seed: int
    """The seed that the candidate was given."""
    split: Split = "validation"
    """What was predicted and scored: `validation` or `sealed`."""
    sealed: Sealed | None = None
    """The score on the sealed split, of the same training; null unless an audit asked for it and
    it could be made."""
    self_reported: bool = False
    """Whether the candidate printed the metric itself, so that nothing vouches for it; never so in
    the default task."""
    smoke_s: float = 0.0
    """Seconds of the smoke run, 0 if there was none."""
    train_s: float = 0.0
    """Seconds of training, as the runner's clock saw them."""
    predict_s: float = 0.0
    """Seconds of prediction, all groups together."""
    score_s: float = 0.0
    """Seconds of scoring."""
    peak_memory_bytes: int | None = None
    """The most main memory that a sandbox held, in bytes; null if it is not known."""
    peak_gpu_memory_bytes: int | None = None
    """The same of the GPU's memory."""
    exit_code: int | None = None
    """Of the last sandbox, if it exited by itself."""
    signal: int | None = None
    """The signal that ended the last sandbox, if one did."""
    error: CandidateError | None = None
    """What went wrong inside the candidate; null if nothing did, or it is not known."""
    message: str = ""
    """One line by the runner for a person; empty if `status` is `ok`."""
    curve: list[tuple[FiniteFloat, FiniteFloat]] = []
    """Pairs of seconds and loss, if the candidate printed them."""
    runner_class: RunnerClass
    """What must be equal for two numbers to be comparable."""
    digests: Digests
    """SHA-256 (hexadecimal) of what the number depends on."""
    log_tail: str = ""
    """The end of what training printed, at most 8 KiB. Text of the candidate's."""
