"""The tables of `bot.toml` that the runner reads. `bot.settings` adds the bot's own."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LARGEST_FILE = 10_000_000
"""The greatest size, in bytes, that bot.toml can allow a file of a candidate to have."""
DEFAULT_IMAGE = "mergelab-candidate"
# [registry[:port]/]name[:tag][@digest], or a digest alone.
_IMAGE = r"^[a-z0-9]([a-zA-Z0-9_.:/-]*[a-zA-Z0-9])?(@sha256:[0-9a-f]{64})?$"


class Table(BaseModel):
    """A table of bot.toml: unknown keys are errors."""

    # The text under a field is its description: docs/configuration.md is made of them.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def plain_path(value: str) -> str:
    """A relative path inside the repository, without `..` and without odd characters."""
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or str(path) != value:
        raise ValueError("must be a plain relative path inside the repository")
    if any(ord(character) < 32 or character == "\\" for character in value):
        raise ValueError("must not contain control characters or backslashes")
    if any(part.casefold() == ".git" for part in path.parts):
        raise ValueError("must not lie in a folder '.git', which is git's own")
    return value


class CandidateTable(Table):
    """What an experiment may change and how it is run."""

    paths: Annotated[list[str], Field(min_length=1, max_length=100)] = ["train.py"]
    """The only files that an experiment may change, as paths relative to the repository."""
    entry: str = "train.py"
    """The file that is run; one of `paths`."""
    python: str = ".venv-candidate/bin/python"
    """The interpreter that runs it, relative to the repository or absolute. The environment
    variable `MERGELAB_CANDIDATE_PYTHON` goes before it."""
    max_bytes: Annotated[int, Field(ge=1, le=LARGEST_FILE)] = 200_000
    """The largest size that one of the files may have, in bytes."""

    @field_validator("paths")
    @classmethod
    def _paths_are_plain(cls, value: list[str]) -> list[str]:
        return [plain_path(path) for path in value]

    @model_validator(mode="after")
    def _entry_is_a_path(self) -> CandidateTable:
        if self.entry not in self.paths:
            raise ValueError(f"entry {self.entry!r} must be one of paths {self.paths}")
        return self


class MetricTable(Table):
    """The number that decides."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_@.-]{0,49}$")] = "mean_rank"
    """What the metric is called in tables, checks and the ledger. The default task computes
    `mean_rank` whatever it is called here."""
    direction: Literal["lower", "higher"] = "lower"
    """Which way the metric is better."""


class TaskTable(Table):
    """The data that candidates train on."""

    size: Literal["auto", "tiny", "small", "full"] = "auto"
    """`small` for a CPU, `full` for a GPU, `tiny` for trials; `auto` is `full` in the profile
    `gpu` and `small` in the profile `cpu`. See docs/task.md."""


class BudgetTable(Table):
    """Time that a candidate gets, in seconds."""

    profile: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` is `gpu` when the candidate's interpreter sees one. The profile chooses between
    `cpu_s` and `gpu_s` and is part of the runner class."""
    cpu_s: Annotated[float, Field(gt=0, le=86_400)] = 30
    """Seconds of wall-clock time for training in the profile `cpu`."""
    gpu_s: Annotated[float, Field(gt=0, le=86_400)] = 300
    """Seconds of wall-clock time for training in the profile `gpu`."""
    grace_s: Annotated[float, Field(ge=0, le=600)] = 5
    """How many seconds after the budget a training run is killed. It is for saving and
    leaving; whatever it is, candidates may come to use it for training."""
    predict_s: Annotated[float, Field(gt=0, le=3_600)] = 30
    """The limit of one prediction run, in seconds; each group of inputs has one of its own.
    Keep it short: what is computed there is not counted against the budget."""
    smoke_s: Annotated[float, Field(ge=0, le=600)] = 3
    """The training budget, in seconds, of the smoke run before a candidate's first full run;
    0 switches it off."""


class SandboxTable(Table):
    """How candidates are confined."""

    backend: Literal["auto", "docker", "bubblewrap", "none"] = "auto"
    """`auto` is Docker where its engine has the image, else bubblewrap. `none` confines
    nothing and also needs `--i-know-this-is-not-a-sandbox`."""
    image: Annotated[str, Field(pattern=_IMAGE, max_length=300)] = DEFAULT_IMAGE
    """The Docker image that candidates run in: a name, name:tag, name@sha256:... or an id. It
    is never fetched; `python -m runner image --build` makes one."""
    runtime: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")] | None = None
    """A runtime that the Docker engine knows, for example gVisor's `runsc`; its own default
    if there is none."""
    memory_gb: Annotated[float, Field(gt=0, le=4_096)] = 8
    """Main memory of all processes together and of what they write, in GiB."""
    processes: Annotated[int, Field(ge=8, le=100_000)] = 256
    """How many processes and threads may be alive at once."""
    output_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Size of the output folder, in MiB, which bounds the saved model. Smaller than the training
    data, so that training cannot be taken along into the prediction. Predictions have
    256 MiB at most."""
    scratch_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """Size of /tmp, in MiB."""


class RunnerSettings(Table):
    """The runner's part of bot.toml."""

    candidate: CandidateTable = CandidateTable()
    metric: MetricTable = MetricTable()
    task: TaskTable = TaskTable()
    budget: BudgetTable = BudgetTable()
    sandbox: SandboxTable = SandboxTable()
