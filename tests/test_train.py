"""The shipped candidate, run for real through both phases on a tiny data set."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "train.py"
PYTHON = os.environ.get(
    "MERGELAB_CANDIDATE_PYTHON", str(ROOT / ".venv-candidate" / "bin" / "python")
)
BUDGET_S = 4.0
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220), "gray": (120,) * 3}
THINGS = ("ball", "box")


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the runner does: with nothing but the contract in its environment."""
    return subprocess.run(
        [PYTHON, str(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def write_scenes(folder: Path, scenes: int, side: int) -> list[str]:
    """Squares on coloured grounds with captions; every third scene has a region."""
    folder.mkdir()
    generator = np.random.default_rng(7)
    images = np.empty((scenes, side, side, 3), np.uint8)
    captions, lines = [], []
    for row in range(scenes):
        colour = list(COLOURS)[row % 4]
        thing = THINGS[row // 4 % 2]
        left, top = (int(value) for value in generator.integers(0, side - 16, 2))
        box = [left, top, left + 16, top + 16]
        images[row] = COLOURS[colour]
        images[row, box[1] : box[3], box[0] : box[2]] = 255 if thing == "box" else 10
        captions.append(f"a {thing} on {colour}, number {row}")
        regions = [{"bbox": box, "phrase": thing}] if row % 3 == 0 else []
        lines.append(
            {
                "filename": f"images.npy#{row}",
                "width": side,
                "height": side,
                "grounding": {"caption": captions[-1], "regions": regions},
            }
        )
    np.save(folder / "images.npy", images)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "annotations.jsonl").write_text(text, encoding="utf-8")
    return captions


@dataclass(frozen=True)
class Trained:
    """A finished training run, and inputs to predict: the scenes that it was trained on."""

    output: str
    model: Path
    images: npt.NDArray[np.uint8]
    captions: list[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    captions = write_scenes(folder / "data", scenes=48, side=48)
    (folder / "out").mkdir()
    ended = run(
        PHASE="train",
        DATA_DIR=str(folder / "data"),
        OUT_DIR=str(folder / "out"),
        SEED="3",
        TIME_BUDGET_S=str(BUDGET_S),
    )
    assert ended.returncode == 0, ended.stderr
    images = np.load(folder / "data" / "images.npy")
    return Trained(ended.stdout, folder / "out", images, captions)


def predict(
    trained: Trained, folder: Path, group: str, order: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """What the script predicts for one group of the training scenes, in the given order."""
    data, out = folder / f"{group}-in", folder / f"{group}-out"
    data.mkdir(parents=True)
    out.mkdir()
    if group == "images":
        np.save(data / "images.npy", trained.images[order])
    else:
        texts = [trained.captions[row] for row in order]
        (data / "captions.json").write_text(json.dumps(texts), encoding="utf-8")
    ended = run(
        PHASE="predict",
        MODEL_DIR=str(trained.model),
        DATA_DIR=str(data),
        GROUP=group,
        OUT_DIR=str(out),
    )
    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in out.iterdir()] == ["predictions.npy"]
    return np.asarray(np.load(out / "predictions.npy", allow_pickle=False))


def test_training_prints_a_curve_that_the_runner_can_read(trained: Trained) -> None:
    points = re.findall(r"loss (\d+\.\d+)  elapsed (\d+\.\d+) s", trained.output)
    seconds = [float(second) for _, second in points]
    assert len(points) >= 2
    assert seconds == sorted(seconds)
    assert "16 with regions" in trained.output


@pytest.mark.parametrize("group", ["images", "captions"])
def test_predictions_are_unit_rows_that_follow_their_inputs(
    trained: Trained, tmp_path: Path, group: str
) -> None:
    rows = len(trained.captions)
    order = np.random.default_rng(1).permutation(rows)
    straight = predict(trained, tmp_path / "straight", group, np.arange(rows))
    permuted = predict(trained, tmp_path / "permuted", group, order)
    assert straight.dtype == np.float32
    assert straight.ndim == 2
    assert len(straight) == rows
    assert np.isfinite(straight).all()
    np.testing.assert_allclose(np.linalg.norm(straight, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(permuted, straight[order], atol=1e-4)
    assert len(np.unique(straight.round(3), axis=0)) > 1


def test_a_budget_that_is_over_at_once_still_leaves_a_model_for_any_image_size(
    tmp_path: Path,
) -> None:
    captions = write_scenes(tmp_path / "data", scenes=5, side=96)
    (tmp_path / "out").mkdir()
    ended = run(
        PHASE="train",
        DATA_DIR=str(tmp_path / "data"),
        OUT_DIR=str(tmp_path / "out"),
        SEED="0",
        TIME_BUDGET_S="0.1",
    )
    assert ended.returncode == 0, ended.stderr
    assert "step 1 " in ended.stdout
    images = np.load(tmp_path / "data" / "images.npy")
    trained = Trained(ended.stdout, tmp_path / "out", images, captions)
    assert predict(trained, tmp_path / "predict", "images", np.arange(5)).shape[0] == 5


def test_missing_images_end_the_run_with_the_reason(tmp_path: Path) -> None:
    ended = run(
        PHASE="train",
        DATA_DIR=str(tmp_path),
        OUT_DIR=str(tmp_path),
        SEED="0",
        TIME_BUDGET_S="3",
    )
    assert ended.returncode != 0
    reason = f"FileNotFoundError: {tmp_path}/images.npy is missing"
    assert ended.stderr.strip().splitlines()[-1].startswith(reason)


def test_an_annotation_without_its_image_ends_the_run_with_its_line(tmp_path: Path) -> None:
    write_scenes(tmp_path / "data", scenes=4, side=48)
    np.save(tmp_path / "data" / "images.npy", np.zeros((3, 48, 48, 3), np.uint8))
    ended = run(
        PHASE="train",
        DATA_DIR=str(tmp_path / "data"),
        OUT_DIR=str(tmp_path),
        SEED="0",
        TIME_BUDGET_S="3",
    )
    assert ended.returncode != 0
    assert "annotations.jsonl, line 4: there is no image images.npy#3" in ended.stderr


def inside(program: str) -> None:
    """Run a program with the script's names at hand."""
    command = [PYTHON, "-B", "-c", f"import torch, train as t\n{program}"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, cwd=SCRIPT.parent
    )
    assert ended.returncode == 0, ended.stderr


def test_patches_are_squares_in_reading_order_and_the_image_comes_back() -> None:
    inside("""
image = torch.arange(2 * 3 * 16 * 24.0).reshape(2, 3, 16, 24)
patches = t.to_patches(image, 8)
assert patches.shape == (2, 2, 3, 192)
assert torch.equal(patches[1, 0, 2], image[1, :, :8, 16:].permute(1, 2, 0).flatten())
assert torch.equal(t.from_patches(patches, 8), image)
""")


def test_expert_pairs_come_in_few_different_numbers() -> None:
    inside("""
for size in (33, 64, 100, 512, 2048):
    numbers = [t.expert_pairs(step / 1000, size) for step in range(1001)]
    assert len(set(numbers)) <= min(128, size) * t.EXPERT_SHARE + 2
    assert numbers[0] == numbers[199] == numbers[901] == 0
    assert abs(max(numbers) - t.EXPERT_SHARE * size) <= max(size / 64, 0.5)
    assert abs(numbers[350] - t.EXPERT_SHARE * size / 2) <= max(size / 64, 0.5)
    assert numbers[200:501] == sorted(numbers[200:501])
    assert numbers[500:] == sorted(numbers[500:], reverse=True)
""")


def test_the_file_stays_short() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) < 400


def test_every_constant_of_the_block_is_a_literal_with_a_range_that_holds_it() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    first = lines.index("# --- constants (tunable) ---")
    last = lines.index("# --- end of constants ---")
    block = lines[first:last]
    statements = ast.parse("\n".join(block)).body
    assert len(statements) >= 20
    for statement in statements:
        assert isinstance(statement, ast.Assign)
        target, line = statement.targets[0], block[statement.lineno - 1]
        assert isinstance(target, ast.Name)
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", target.id)
        value = ast.literal_eval(statement.value)
        hint = line.split("  # ", 1)[1].split(";")[0]
        if hint.startswith("one of: "):
            assert value in ast.literal_eval(f"[{hint.removeprefix('one of: ')}]"), line
        else:
            found = re.fullmatch(r"(\S+) \.\. (\S+?)(, log)?", hint)
            assert found, line
            low, high = float(found[1]), float(found[2])
            assert low <= value <= high, line
            assert not found[3] or low > 0, line
            assert isinstance(value, int) is found[1].isdigit(), line
