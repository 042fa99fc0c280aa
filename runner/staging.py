"""Lays out what a pass may see, from the task's prepared data; and keeps what scores it.

Inputs are copied once for a batch: every sandbox mounts the copies read-only, and the folder
of the targets is not among them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.result import Split
from runner.task import prepare as task
from runner.task import score


@dataclass(frozen=True)
class Numbers:
    """What a score comes to."""

    metric: float
    secondary: Mapping[str, float]


Judge = Callable[[Mapping[str, Path]], Numbers | None]


@dataclass(frozen=True)
class Staged:
    """The data of one kind of pass.

    `judge` takes, by group, the folders with predictions; it raises InvalidOutput. In a smoke
    run it checks their form alone and gives None.
    """

    training: Path
    inputs: Mapping[str, Path]  # by group
    judge: Judge


def stage_full(data: task.TaskData, split: Split, folder: Path) -> Staged:
    """The data of a run that counts, staged below `folder`.

    Mounts tell their origin, so the name of the split is in no path: a prediction must not
    know whether it is made for an audit.
    """
    place = folder / f"inputs-{secrets.token_hex(4)}"
    inputs = {}
    for group in data.groups:
        inputs[group] = place / group
        task.stage_inputs(data, split, group, inputs[group])

    def judge(predictions: Mapping[str, Path]) -> Numbers:
        result = score.score(predictions, task.load_targets(data, split))
        return Numbers(result.metric, result.secondary)

    return Staged(data.train, inputs, judge)


def stage_smoke(data: task.TaskData, folder: Path) -> Staged:
    """The data of a smoke run, staged below `folder`: slivers of the training data."""
    training = folder / "smoke" / "train"
    task.stage_smoke_train(data, training)
    inputs = {}
    for group in data.groups:
        inputs[group] = folder / "smoke" / group
        task.stage_smoke_inputs(data, group, inputs[group])

    def judge(predictions: Mapping[str, Path]) -> None:
        score.check_predictions(predictions, data.smoke_pairs)

    return Staged(training, inputs, judge)
