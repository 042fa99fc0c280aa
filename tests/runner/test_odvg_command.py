from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from runner.odvg_command import IMPORT_KEYS

TOP = Path(__file__).parents[2]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runner", "import-odvg", "lines.jsonl", "pictures", *options]
    environment = {"PYTHONPATH": str(TOP), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_annotated_pictures_become_a_training_folder_once(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 32), "teal").save(tmp_path / "pictures" / "a.png")
    region = {"bbox": [0, 0, 32, 32], "phrase": "sea"}
    line = {
        "filename": "a.png",
        "width": 64,
        "height": 32,
        "grounding": {"caption": "the sea", "regions": [region]},
    }
    (tmp_path / "lines.jsonl").write_text(json.dumps(line) + "\n")
    done = run(tmp_path, "--out", "made", "--size", "24")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "made: images 1, with regions 1\n"
    assert np.load(tmp_path / "made" / "images.npy").shape == (1, 24, 24, 3)
    made = json.loads((tmp_path / "made" / "annotations.jsonl").read_text())
    assert made["grounding"]["regions"] == [{"bbox": [0.0, 0.0, 12.0, 24.0], "phrase": "sea"}]
    again = run(tmp_path, "--out", "made", "--size", "24")
    assert again.returncode == 3
    assert again.stderr == "error: made exists and is not overwritten: name a new folder\n"
    told = run(tmp_path, "--out", "as-data", "--size", "24", "--json")
    assert json.loads(told.stdout) == {
        "folder": "as-data", "images": 1, "with_regions": 1,
        "clipped_boxes": None, "dropped_boxes": None,
    }  # fmt: skip
    assert json.loads(told.stdout).keys() == IMPORT_KEYS.keys()
    region["bbox"] = [0, -2, 32, 32]
    (tmp_path / "lines.jsonl").write_text(json.dumps(line) + "\n")
    refused = run(tmp_path, "--out", "outside", "--size", "24")
    assert refused.returncode == 3
    assert "line 1" in refused.stderr
    assert "--clip-boxes" in refused.stderr
    told = run(tmp_path, "--out", "clipped", "--size", "24", "--clip-boxes", "--json")
    assert json.loads(told.stdout)["clipped_boxes"] == 1
    assert "boxes clipped 1, dropped 0; the furthest reached out by 2 pixels (line 1, 'sea')" in (
        told.stderr
    )
    (tmp_path / "pictures" / "a.png").unlink()
    missing = run(tmp_path, "--out", "other", "--size", "24", "--clip-boxes")
    assert missing.returncode == 3
    assert "image a.png in pictures is missing or unreadable" in missing.stderr
    assert not (tmp_path / "other").exists()
