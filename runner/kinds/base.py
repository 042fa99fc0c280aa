"""What a kind of task is to the runner's core: how candidates start, what they see, who scores.

The callers are `runner.session`, which makes one task for this machine, and `runner.batch`,
which runs candidates by it. The core knows no task; a task starts no sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.result import Split
from runner.sandbox.base import Mount


@dataclass(frozen=True)
class Numbers:
    """What a score comes to."""

    metric: float
    secondary: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """What a pass leaves for its judge."""

    predictions: Mapping[str, Path] = field(default_factory=dict)  # by group, their folders
    log: bytes = b""  # what training printed: its end
    scored: bytes = b""  # what the project's own scorer printed: its end
    stopped: bool = False  # training was ended at its limit, and that is no failure


Judge = Callable[[Evidence], Numbers | None]


@dataclass(frozen=True)
class Launch:
    """How a program is started in a sandbox, in the words of `runner.sandbox.base.Job`.

    `{seed}` and `{budget_s}` in `argv` and in the values of `environment` are filled in for each
    run.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    log_bytes: int = 256 << 10  # how much of the end of its output is kept


@dataclass(frozen=True)
class Scoring:
    """A scorer of the project's own, run in a sandbox of its own after predicting.

    It sees the files of the tree that is measured at `/scorer`, but none of those that an
    experiment may change, and the predictions of each group in a folder of `/predictions`.
    """

    launch: Launch
    withheld: frozenset[str]  # the candidate's own files
    entry: str  # the scorer's own file, for its failures


@dataclass(frozen=True)
class Staged:
    """The data of one kind of pass, and who judges it.

    `judge` raises InvalidOutput. In a smoke run it checks the form alone and may give None.
    """

    launch: Launch
    inputs: Mapping[str, Path]  # by group: each is predicted in a sandbox of its own
    judge: Judge
    slack_s: float = 0.0  # how long after the seconds that it is told training is killed
    stoppable: bool = False  # that it still ran then is no failure
    predicting: Launch | None = None  # None: there is nothing to predict
    prediction: str = ""  # the file that predicting must leave; empty: any file
    scoring: Scoring | None = None  # None: `judge` reads the predictions itself


class Task(Protocol):
    """A task with its data on this machine."""

    @property
    def self_reported(self) -> bool:
        """Whether candidates print their metric themselves."""
        ...

    @property
    def version(self) -> str:
        """Version of the data, for people: a part of the runner class."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 over everything that candidates train on and are scored with."""
        ...

    @property
    def scorer(self) -> str:
        """SHA-256 of the code that makes the metric."""
        ...

    def runtime(self) -> tuple[Mount, ...]:
        """What candidates see of this machine besides the bare system and their data."""
        ...

    def check(self, files: Mapping[str, bytes]) -> None:
        """Refuse a candidate whose files do not fit the task. Raises RequestError."""
        ...

    def full(self, split: Split, folder: Path) -> Staged:
        """A run that counts, staged below `folder`. Raises RequestError for a split it lacks."""
        ...

    def sealed(self, folder: Path) -> Staged | None:
        """The sealed split of the same training; None where there is none."""
        ...

    def smoke(self, folder: Path) -> Staged:
        """A smoke run, staged below `folder`."""
        ...
