from __future__ import annotations

import contextlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runner.errors import InvalidOutput
from runner.task.score import MAX_DIMENSIONS, Score, Targets, read_predictions, score

Array = npt.NDArray[np.floating]


def saved(folder: Path, images: Array, captions: Array) -> dict[str, Path]:
    result = {}
    for group, array in (("images", images), ("captions", captions)):
        result[group] = folder / group
        result[group].mkdir(parents=True, exist_ok=True)
        np.save(result[group] / "predictions.npy", array)
    return result


def scored(folder: Path, images: Array, captions: Array, targets: npt.NDArray[np.int64]) -> Score:
    return score(saved(folder, images, captions), Targets(targets))


def identity(pairs: int) -> npt.NDArray[np.int64]:
    return np.arange(pairs, dtype=np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictions")


def test_perfect_predictions_score_one(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(50)
    captions = np.eye(50, dtype=np.float32)
    result = scored(tmp_path, captions[order], captions, order)
    assert result.metric == 1.0
    assert result.secondary == {"median_rank": 1.0, "recall@1": 1.0, "recall@5": 1.0}


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 0.1, -3.3, 1e-100, 1e-320, 1e100, 1 / 3])
@pytest.mark.parametrize("dimensions", [1, 7, 65])
def test_a_constant_prediction_scores_the_worst_possible(
    tmp_path: Path, value: float, dimensions: int
) -> None:
    constant = np.full((131, dimensions), value)
    result = scored(tmp_path, constant, constant, identity(131))
    assert result.metric == 131
    assert result.secondary == {"median_rank": 131.0, "recall@1": 0.0, "recall@5": 0.0}


def test_the_same_row_for_all_ties_exactly_whatever_its_values(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    image, caption = generator.normal(size=(2, 300)) * 10.0 ** generator.integers(-30, 30, (2, 300))
    result = scored(tmp_path, np.tile(image, (97, 1)), np.tile(caption, (97, 1)), identity(97))
    assert result.metric == 97


def test_duplicated_rows_count_against_the_candidate(tmp_path: Path) -> None:
    rows = np.repeat(np.eye(10), 2, axis=0)  # items 2k and 2k + 1 are the same
    assert scored(tmp_path, rows, rows, identity(20)).metric == 2.0


def test_reversed_similarities_score_the_worst(tmp_path: Path) -> None:
    rows = np.eye(30)
    assert scored(tmp_path, rows, -rows, identity(30)).metric == 30


def test_ranks_are_those_of_a_plain_implementation(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    images = generator.integers(-3, 4, (40, 5)).astype(np.float32)  # whole numbers: many ties
    captions = generator.integers(-3, 4, (40, 5)).astype(np.float32)
    targets = generator.permutation(40)
    similarity = images @ captions[targets].T
    ranks = [
        [1 + sum(row[j] >= row[i] for j in range(40) if j != i) for i, row in enumerate(matrix)]
        for matrix in (similarity, similarity.T)
    ]
    result = scored(tmp_path, images, captions, targets)
    assert result.metric == pytest.approx(np.mean(ranks))
    assert result.secondary["median_rank"] == np.mean([np.median(side) for side in ranks])
    assert result.secondary["recall@1"] == pytest.approx(np.mean(np.array(ranks) <= 1))
    assert result.secondary["recall@5"] == pytest.approx(np.mean(np.array(ranks) <= 5))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_score_does_not_depend_on_the_secret_orders(folder: Path, data: st.DataObject) -> None:
    pairs, dimensions = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 9))
    numbers = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 0.1, 1 / 3, 1e-310, -0.1])
    rows = hnp.arrays(np.float64, (pairs, dimensions), elements=numbers)
    images, captions = data.draw(rows), data.draw(rows)
    seeds = st.integers(0, 2**32 - 1)
    image_order = np.random.default_rng(data.draw(seeds)).permutation(pairs)
    caption_order = np.random.default_rng(data.draw(seeds)).permutation(pairs)
    targets = np.argsort(caption_order)[image_order]
    plain = scored(folder, images, captions, identity(pairs))
    assert scored(folder, images[image_order], captions[caption_order], targets) == plain
    assert 1 <= plain.metric <= pairs
    assert 0 <= plain.secondary["recall@1"] <= plain.secondary["recall@5"] <= 1


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_arrays_are_read_as_numpy_reads_them(
    tmp_path: Path, kind: type[np.floating], order: str
) -> None:
    array = np.asarray(np.random.default_rng(3).normal(size=(11, 4)), dtype=kind, order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "predictions.npy", array)
    assert np.array_equal(read_predictions(tmp_path, "images", 11), array.astype(np.float64))


def file_of(array: npt.NDArray[np.generic], version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return file.getvalue()


def file_with_header(header: str, body: bytes = b"\0" * 80) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def header_of(shape: str, kind: str = "<f4", fortran: str = "False") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}"


HOSTILE = {
    "empty": b"",
    "text": b"0.1 0.2\n",
    "a pickle": pickle.dumps(np.zeros((10, 2))),
    "objects": file_of(np.array([[{}, 1]] * 10, dtype=object)),
    "records": file_of(np.zeros((10, 2), dtype=[("a", "<f4")])),
    "whole numbers": file_of(np.zeros((10, 2), dtype=np.int64)),
    "complex": file_of(np.zeros((10, 2), dtype=np.complex64)),
    "big-endian": file_of(np.zeros((10, 2), dtype=">f4")),
    "long double": file_of(np.zeros((10, 2), dtype=np.longdouble)),
    "strings": file_of(np.zeros((10, 2), dtype="U4")),
    "version 2": file_of(np.zeros((10, 2)), (2, 0)),
    "one dimension": file_of(np.zeros(10)),
    "three dimensions": file_of(np.zeros((10, 2, 1))),
    "a scalar": file_of(np.array(1.0)),
    "too few rows": file_of(np.zeros((9, 2))),
    "too many rows": file_of(np.zeros((11, 2))),
    "no columns": file_of(np.zeros((10, 0))),
    "too many columns": file_of(np.zeros((10, MAX_DIMENSIONS + 1), dtype=np.float16)),
    "cut off": file_of(np.zeros((10, 2)))[:-1],
    "too long": file_of(np.zeros((10, 2))) + b"\0",
    "header only": file_of(np.zeros((10, 2)))[:128],
    "gigantic shape": file_with_header(header_of("(10, 999999999)")),
    "overflowing shape": file_with_header(header_of("(10, 1844674407370955162)")),
    "negative shape": file_with_header(header_of("(10, -2)")),
    "nested header": file_with_header("(" * 900 + ")" * 50),
    "code in the header": file_with_header(header_of("(__import__('os').abort(), 2)")),
    "header longer than the file": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 50,
    "not a number": file_of(np.full((10, 2), np.nan)),
    "infinite": file_of(np.full((10, 2), -np.inf, dtype=np.float16)),
    "one infinite": file_of(np.where(np.arange(20).reshape(10, 2) == 19, np.inf, 0.0)),
    "would overflow": file_of(np.full((10, 2), 1e200)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_with_one_short_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "predictions.npy").write_bytes(content)
    with pytest.raises(InvalidOutput, match=r"^images/predictions\.npy [^\n]{5,150}$"):
        read_predictions(tmp_path, "images", 10)


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_damage_is_refused_or_read_as_numbers(folder: Path, noise: bytes, at: int) -> None:
    whole = bytearray(file_of(np.ones((10, 2), dtype=np.float32)))
    whole[at : at + len(noise)] = noise
    (folder / "predictions.npy").write_bytes(whole)
    with contextlib.suppress(InvalidOutput):
        assert np.isfinite(read_predictions(folder, "images", 10)).all()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOutput, match=r"captions/predictions\.npy is missing"):
        read_predictions(tmp_path, "captions", 10)


def test_links_pipes_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    np.save(tmp_path / "elsewhere.npy", np.zeros((10, 2)))
    path = tmp_path / "predictions.npy"
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(InvalidOutput):
        read_predictions(tmp_path, "images", 10)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InvalidOutput, match="not a regular file"):
        read_predictions(tmp_path, "images", 10)
    path.unlink()
    path.mkdir()
    with pytest.raises(InvalidOutput, match="not a regular file"):
        read_predictions(tmp_path, "images", 10)


def test_a_sparse_gigantic_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "predictions.npy").open("wb") as file:
        file.write(file_with_header(header_of("(10, 4)"), b""))
        file.truncate(1 << 42)
    with pytest.raises(InvalidOutput, match="header announces"):
        read_predictions(tmp_path, "images", 10)


def test_groups_of_different_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOutput, match="3 dimensions, captions 4"):
        scored(tmp_path, np.zeros((9, 3)), np.zeros((9, 4)), identity(9))


def test_the_largest_allowed_values_stay_finite(tmp_path: Path) -> None:
    rows = np.where(np.eye(4, MAX_DIMENSIONS) > 0, 1e100, -1e100)
    assert np.isfinite(scored(tmp_path, rows, rows, identity(4)).metric)
    rows = np.full((4, MAX_DIMENSIONS), 1e100)
    assert scored(tmp_path, rows, -rows, identity(4)).metric == 4


def test_denormal_numbers_count_as_zero(tmp_path: Path) -> None:
    tiny = np.eye(8) * 1e-300
    assert scored(tmp_path, tiny, tiny, identity(8)).metric == 8


@pytest.mark.parametrize("bad", [[0, 0], [1, 2], [], [[0]], [-1, 0]])
def test_targets_must_be_a_permutation(bad: list[int]) -> None:
    with pytest.raises(ValueError, match="permutation"):
        Targets(np.array(bad, dtype=np.int64))
