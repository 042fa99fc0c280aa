from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from runner.errors import InvalidOutput
from runner.kinds.base import Evidence, Task
from runner.result import Split
from runner.session import Session
from runner.task.prepare import TaskData, load_targets


@pytest.fixture
def data(session: Session) -> TaskData:
    return session.data


@pytest.fixture
def task(session: Session) -> Task:
    return session.task


def predicted(folder: Path, images: np.ndarray, captions: np.ndarray) -> dict[str, Path]:
    """Predictions for both groups, as candidates leave them."""
    groups = {"images": images, "captions": captions}
    for name, rows in groups.items():
        (folder / name).mkdir(parents=True)
        np.save(folder / name / "predictions.npy", rows)
    return {name: folder / name for name in groups}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_full_pass_sees_the_training_data_and_each_group_by_itself(
    data: TaskData, task: Task, tmp_path: Path
) -> None:
    staged = task.full("validation", tmp_path)
    assert staged.launch.mounts[0].source == data.train
    assert {group: names(place) for group, place in staged.inputs.items()} == {
        "images": {"images.npy"},
        "captions": {"captions.json"},
    }
    assert len(np.load(staged.inputs["images"] / "images.npy")) == data.pairs
    assert len(json.loads((staged.inputs["captions"] / "captions.json").read_text())) == data.pairs


def test_inputs_are_copies_that_everybody_may_read_away_from_the_targets(
    data: TaskData, task: Task, tmp_path: Path
) -> None:
    for place in task.full("validation", tmp_path).inputs.values():
        assert not place.is_relative_to(data.folder)
        assert place.stat().st_mode & 0o005 == 0o005
        for file in place.iterdir():
            assert file.stat().st_nlink == 1
            assert file.stat().st_mode & 0o004


def test_no_path_tells_the_split(data: TaskData, task: Task, tmp_path: Path) -> None:
    splits: tuple[Split, ...] = ("validation", "sealed")
    for split in splits:
        for place in task.full(split, tmp_path).inputs.values():
            told = str(place.relative_to(tmp_path))
            assert "validation" not in told
            assert "sealed" not in told


def test_perfect_predictions_have_rank_one_in_their_own_split_alone(
    data: TaskData, task: Task, tmp_path: Path
) -> None:
    targets = load_targets(data, "validation").caption_of_image
    captions = np.eye(data.pairs)
    predictions = predicted(tmp_path / "predicted", captions[targets], captions)
    own = task.full("validation", tmp_path).judge(Evidence(predictions))
    other = task.full("sealed", tmp_path).judge(Evidence(predictions))
    assert own is not None
    assert other is not None
    assert own.metric == 1
    assert other.metric > 2


def test_a_smoke_pass_sees_a_sliver_of_the_training_data(
    data: TaskData, task: Task, tmp_path: Path
) -> None:
    staged = task.smoke(tmp_path)
    training = staged.launch.mounts[0].source
    assert training is not None
    images = np.load(training / "images.npy")
    assert 0 < len(images) < len(np.load(data.train / "images.npy"))
    assert len(np.load(staged.inputs["images"] / "images.npy")) == data.smoke_pairs


def test_a_smoke_pass_is_judged_by_its_form_and_has_no_score(
    data: TaskData, task: Task, tmp_path: Path
) -> None:
    judge = task.smoke(tmp_path).judge
    rows = np.ones((data.smoke_pairs, 4))
    assert judge(Evidence(predicted(tmp_path / "good", rows, rows))) is None
    with pytest.raises(InvalidOutput, match="shape"):
        judge(Evidence(predicted(tmp_path / "bad", rows[1:], rows)))
