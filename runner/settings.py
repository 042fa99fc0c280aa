"""The tables of `bot.toml` that the runner reads. `bot.settings` adds the bot's own."""

# ruff: noqa: RUF012 - pydantic copies the defaults of models
from __future__ import annotations

import re
from itertools import combinations
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from runner.tables import Table, plain_path
from runner.task_tables import MountTable, TaskTable

LARGEST_FILE = 10_000_000
"""The greatest size, in bytes, that bot.toml can allow a file of a candidate to have."""
DEFAULT_IMAGE = "mergelab-candidate"
# [registry[:port]/]name[:tag][@digest], or a digest alone.
_IMAGE = r"^[a-z0-9]([a-zA-Z0-9_.:/-]*[a-zA-Z0-9])?(@sha256:[0-9a-f]{64})?$"

CONTRACT = ("SEED", "TIME_BUDGET_S", "OUT_DIR")
"""The environment variables that the runner gives to every training."""
_RUNNERS_OWN = {*CONTRACT, "HOME", "CUDA_VISIBLE_DEVICES"}
METRIC_NAME = r"^[A-Za-z][A-Za-z0-9_@.-]{0,49}$"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class CandidateTable(Table):
    """What an experiment may change and how it is run."""

    paths: Annotated[list[str], Field(min_length=1, max_length=100)] = ["train.py"]
    """The only files that an experiment may change, as paths relative to the repository."""
    entry: str = "train.py"
    """The file that is run; one of `paths`."""
    command: Annotated[list[str], Field(max_length=200)] = []
    """How a project's own script is started, as a list of words. `python` as the
    first one stands for the interpreter below; `{seed}` and `{budget_s}` in any word for the
    run's seed and the seconds of its budget. Empty: `python` and `entry`."""
    folder: str = "."
    """The folder that `command` is started in, relative to the repository. With `command` empty,
    `entry` is found from wherever this is."""
    needs: Annotated[list[str], Field(max_length=100)] = []
    """Further files and folders of the repository that the script reads, at most 2,000 files
    and 64 MiB. They come from the same commit, and an experiment cannot change them."""
    environment: dict[str, str] = {}
    """Further environment variables of the script, which can print them: nothing secret. A sandbox
    passes on no others. `HOME`, `CUDA_VISIBLE_DEVICES` and the contract's are the runner's own."""
    python: str = ".venv-candidate/bin/python"
    """The interpreter that runs it, relative to the repository or absolute. The environment
    variable `MERGELAB_CANDIDATE_PYTHON` goes before it."""
    max_bytes: Annotated[int, Field(ge=1, le=LARGEST_FILE)] = 200_000
    """The largest size that one of the files may have, in bytes."""

    @field_validator("paths", "needs")
    @classmethod
    def _paths_are_plain(cls, value: list[str]) -> list[str]:
        return [plain_path(path) for path in value]

    @field_validator("folder")
    @classmethod
    def _folder_is_plain(cls, value: str) -> str:
        return value if value == "." else plain_path(value)

    @field_validator("command")
    @classmethod
    def _command_is_text(cls, value: list[str]) -> list[str]:
        if (value and not value[0]) or any("\0" in word for word in value):
            raise ValueError("must be words, the first one a program, without NUL characters")
        return value

    @field_validator("environment")
    @classmethod
    def _environment_is_sound(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _VARIABLE.fullmatch(name) or "\0" in text:
                raise ValueError(f"{name!r} cannot be set")
            if name in _RUNNERS_OWN:
                raise ValueError(f"{name} is set by the runner")
        return value

    @model_validator(mode="after")
    def _entry_is_a_path(self) -> CandidateTable:
        if self.entry not in self.paths:
            raise ValueError(f"entry {self.entry!r} must be one of paths {self.paths}")
        return self


class MetricTable(Table):
    """The number that decides."""

    name: Annotated[str, Field(pattern=METRIC_NAME)] = "mean_rank"
    """What the metric is called in tables, checks and the ledger. The default task computes
    `mean_rank` whatever it is called here."""
    direction: Literal["lower", "higher"] = "lower"
    """Which way the metric is better."""
    pattern: str | None = None
    """For a script that reports its own metric: the regular expression that finds it in a line
    of its output, with the number as its only group. The last line that fits counts. Write
    `(\\S+)` rather than `([0-9.]+)`, so that `nan` is seen and not passed over."""
    secondary: dict[str, str] = {}
    """Further numbers of that output by name, each with its pattern: for guards and tables."""

    @field_validator("pattern")
    @classmethod
    def _pattern_is_sound(cls, value: str | None) -> str | None:
        return value if value is None else _one_group(value)

    @field_validator("secondary")
    @classmethod
    def _secondary_is_sound(cls, value: dict[str, str]) -> dict[str, str]:
        for name, pattern in value.items():
            if not re.fullmatch(METRIC_NAME, name):
                raise ValueError(f"{name[:60]!r} is no name for a metric")
            _one_group(pattern)
        return value


def _one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if groups != 1:
        raise ValueError(f"must have one group, (...), around the number; found {groups}")
    return pattern


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
    mount: Annotated[tuple[MountTable, ...], Field(max_length=50)] = ()
    """Data that the script reads and that is not in the repository, one table `[[mount]]` each."""

    @property
    def own_script(self) -> bool:
        """Whether candidates are a project's own script, with its own command and data."""
        return self.task.kind != "retrieval"

    @property
    def self_reported(self) -> bool:
        """Whether candidates print their own metric, so that nothing vouches for it."""
        return self.task.kind == "reported"

    @property
    def metric_shown(self) -> str:
        """The metric's name as people read it: a self-reported one always says so."""
        return f"{self.metric.name} (self-reported)" if self.self_reported else self.metric.name

    @model_validator(mode="after")
    def _tables_fit_the_task(self) -> RunnerSettings:
        if self.task.kind == "retrieval":
            self._check_the_default_task()
        if self.task.kind == "reported" and self.metric.pattern is None:
            raise ValueError(
                'task.kind is "reported", so metric.pattern must say how the metric is found '
                "in the output, for example 'val_loss: (\\S+)'"
            )
        if self.task.kind == "predictions":
            self._check_predictions()
        elif scored := [key for key in _SCORED_BY_IT if getattr(self.task, key)]:
            keys = ", ".join(f"task.{key}" for key in scored)
            raise ValueError(f'{keys} can only be set with task.kind = "predictions"')
        return self

    def _check_the_default_task(self) -> None:
        candidate = self.candidate
        told = {
            "candidate.command": candidate.command,
            "candidate.folder": candidate.folder != ".",
            "candidate.needs": candidate.needs,
            "candidate.environment": candidate.environment,
            "metric.pattern": self.metric.pattern,
            "metric.secondary": self.metric.secondary,
            "task.stop_at_budget": self.task.stop_at_budget,
            "mount": self.mount,
        }
        if alone := [key for key, value in told.items() if value]:
            raise ValueError(
                f'{", ".join(alone)} can only be set with task.kind = "reported" or '
                '"predictions": the task "retrieval" has its own data and its own contract'
            )

    def _check_predictions(self) -> None:
        task, candidate = self.task, self.candidate
        if missing := [key for key in _NEEDED if not getattr(task, key)]:
            raise ValueError(
                f'task.kind is "predictions", so task.{missing[0]} must be set '
                "(docs/import.md, Scored predictions)"
            )
        if self.metric.pattern or self.metric.secondary:
            raise ValueError(
                "metric.pattern and metric.secondary are for scripts that print their metric; "
                "with predictions the scorer names its numbers itself"
            )
        if task.stop_at_budget:
            raise ValueError(
                "task.stop_at_budget is for scripts that print their metric: one that is killed "
                "leaves nothing to predict with"
            )
        if task.scorer in candidate.paths:
            raise ValueError(
                f"task.scorer {task.scorer!r} is one of candidate.paths: an experiment could "
                "write its own score"
            )
        if not any(_above(need, task.scorer) for need in candidate.needs):
            raise ValueError(
                f"task.scorer {task.scorer!r} must be named in candidate.needs, so that it comes "
                "from the commit that is measured"
            )
        read = (*candidate.paths, *candidate.needs, *(mount.source for mount in self.mount))
        for key, value in task.hidden.items():
            if seen := next((path for path in read if _overlap(path, value)), None):
                raise ValueError(
                    f"task.{key} {value!r} is shown to training by {seen!r} in candidate.paths, "
                    "candidate.needs or [[mount]]. Keep it apart"
                )
        if over := next((each for each in self.mount if _above("/data", each.place)), None):
            raise ValueError(f"mount.target {over.place!r} lies where predicting finds its inputs")
        for (one, at), (other, also) in combinations(task.hidden.items(), 2):
            if _overlap(at, also):
                raise ValueError(
                    f"task.{one} and task.{other} overlap: predicting would see the answers, or "
                    "one split the other"
                )


_NEEDED = ("inputs", "targets", "scorer")
_SCORED_BY_IT = (*_NEEDED, "sealed_inputs", "sealed_targets")


def _above(folder: str, path: str) -> bool:
    return PurePosixPath(path).is_relative_to(PurePosixPath(folder))


def _overlap(one: str, other: str) -> bool:
    return _above(one, other) or _above(other, one)
