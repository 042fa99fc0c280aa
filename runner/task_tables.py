"""The tables of `bot.toml` about what is asked of candidates: the task, and data for it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from runner.tables import Table, plain_path


class TaskTable(Table):
    """What is asked of candidates, and the data that they train on."""

    kind: Literal["retrieval", "predictions", "reported"] = "retrieval"
    """`retrieval`: the default task, scored outside of the sandbox (docs/task.md).
    `predictions`: a project's own script predicts for inputs that it did not train on, and the
    project's own scorer judges that in a sandbox apart. `reported`: any script that prints its
    metric, which is then *self-reported*: nothing checks it. Both are in docs/import.md."""
    inputs: Annotated[str, Field(max_length=1_000)] = ""
    """`predictions` alone: the file or folder that predictions are made for, absolute or relative
    to the repository. Training does not see it."""
    targets: Annotated[str, Field(max_length=1_000)] = ""
    """`predictions` alone: the file or folder with the answers, absolute or relative to the
    repository. Only the scorer ever sees it."""
    sealed_inputs: Annotated[str, Field(max_length=1_000)] = ""
    """`predictions` alone: further inputs, which are predicted and scored in audits alone and tell
    how much of a gain is real. Empty: an audit measures again on fresh seeds."""
    sealed_targets: Annotated[str, Field(max_length=1_000)] = ""
    """`predictions` alone: the answers to `sealed_inputs`."""
    scorer: str = ""
    """`predictions` alone: the Python file that prints the metric as JSON, relative to the
    repository and among `candidate.needs`, so that no experiment can change it."""
    stop_at_budget: bool = False
    """Of a script that reports: whether it is stopped at the end of its budget and the metric
    that it printed last counts. If not, it must come to its own end within budget and grace."""
    size: Literal["auto", "tiny", "small", "full"] = "auto"
    """`small` for a CPU, `full` for a GPU, `tiny` for trials; `auto` is `full` in the profile
    `gpu` and `small` in the profile `cpu`. See docs/task.md."""

    @field_validator("inputs", "targets", "sealed_inputs", "sealed_targets")
    @classmethod
    def _no_control_characters(cls, value: str) -> str:
        return _printable(value)

    @model_validator(mode="after")
    def _sealed_is_whole(self) -> TaskTable:
        if bool(self.sealed_inputs) != bool(self.sealed_targets):
            raise ValueError("sealed_inputs and sealed_targets go together: set both or neither")
        return self

    @property
    def hidden(self) -> dict[str, str]:
        """What training must not see, by key: inputs and answers of both splits, where they are."""
        keys = ("inputs", "targets", "sealed_inputs", "sealed_targets")
        return {key: value for key in keys if (value := getattr(self, key))}

    @field_validator("scorer")
    @classmethod
    def _scorer_is_plain(cls, value: str) -> str:
        return plain_path(value) if value else value


class MountTable(Table):
    """Data that a project's own script reads. It is never writable."""

    source: Annotated[str, Field(min_length=1, max_length=1_000)]
    """The file or folder on this machine, absolute or relative to the repository."""
    target: str = ""
    """Where the script finds it, relative to the repository, or absolute for a place outside of
    it. Empty: at `source`."""

    @field_validator("source", "target")
    @classmethod
    def _no_control_characters(cls, value: str) -> str:
        return _printable(value)

    @model_validator(mode="after")
    def _target_is_plain(self) -> MountTable:
        place = self.place
        if not place.startswith("/"):
            plain_path(place)
        elif str(PurePosixPath(place)) != place or ".." in place.split("/") or place == "/":
            raise ValueError("target must be a plain path")
        elif PurePosixPath(place).parts[1] in _SYSTEM_FOLDERS:
            raise ValueError(f"target {place!r} is a place that the sandbox needs for itself")
        return self

    @property
    def place(self) -> str:
        """Where it is seen: relative to the project, or absolute."""
        return self.target or self.source


# Of a sandbox: its own, and those that hold the bare system.
_SYSTEM_FOLDERS = {
    "proc", "dev", "sys", "etc", "tmp", "out", "candidate", "mounts", "model",
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr",
}  # fmt: skip


def _printable(value: str) -> str:
    if any(ord(character) < 32 for character in value):
        raise ValueError("must not contain control characters")
    return value
