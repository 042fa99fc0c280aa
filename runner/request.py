"""What the runner is asked to do: the batch that `measure --runs` reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from runner.errors import RequestError
from runner.result import Split, Strict
from runner.settings import RunnerSettings
from runner.settings_file import explain

MAX_REQUEST_BYTES = 4 << 20
MAX_SEED = 2**31 - 1

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
TreeId = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class RunRequest(Strict):
    """One run: which candidate, with which seed. Either `tree` or `files` says where it is."""

    # Strict: a seed of true or "1" is a mistake, not a number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: RunId
    tree: TreeId | None = None
    """A git tree (or commit) of `repository`, from which the allowed files are read."""
    files: str | None = None
    """A folder with the allowed files, or the entry file itself."""
    seed: Seed
    smoke: bool = True
    """False: known good, needs no smoke run before its first full run in this batch."""

    @model_validator(mode="after")
    def _one_source(self) -> RunRequest:
        if (self.tree is None) == (self.files is None):
            raise ValueError("must have exactly one of tree and files")
        return self


class Conditions(Strict):
    """Under which circumstances to measure."""

    repository: str = "."
    """The repository whose trees are read and against which relative paths are resolved."""
    budget_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Instead of the budget of the settings."""
    split: Split = "validation"
    sealed: bool = False
    """Predict and score the sealed split too, from the same training: for audits."""
    settings: RunnerSettings | None = None
    """Instead of what bot.toml in the working tree says, which may not be what was committed."""
    base: Annotated[str, StringConstraints(pattern=r"^refs/heads/[^\s:]+$")] | None = None
    """The branch whose scorer is a part of the runner class (task.kind `predictions`), instead of
    the one in the working tree."""

    @model_validator(mode="after")
    def _sealed_goes_with_validation(self) -> Self:
        if self.sealed and self.split != "validation":
            raise ValueError("sealed adds to the split validation; ask for one of the two")
        return self


class BatchRequest(Conditions):
    """Runs that are executed one after another, in the given order, on this machine."""

    runs: Annotated[list[RunRequest], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _ids_differ(self) -> BatchRequest:
        ids = [run.id for run in self.runs]
        if len(set(ids)) != len(ids):
            raise ValueError("every run must have an id of its own")
        return self


Request = TypeVar("Request", bound=Conditions)


def parse_request(form: type[Request], data: bytes, where: str) -> Request:
    """Read and check a request. Raises RequestError, whose message says what is wrong where."""
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestError(f"{where}: the request is larger than {MAX_REQUEST_BYTES:,} bytes.")
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        hint = "See `python -m runner measure --help` for the form of a batch."
        raise RequestError(f"{explain(error, where)}\n{hint}") from None


def read_request(form: type[Request], source: str) -> Request:
    """The request in the file `source`, or on standard input if that is `-`."""
    if source == "-":
        return parse_request(form, sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1), "standard input")
    try:
        with Path(source).open("rb") as file:
            return parse_request(form, file.read(MAX_REQUEST_BYTES + 1), source)
    except OSError as error:
        raise RequestError(f"{source}: cannot be read ({error.strerror}).") from None
