"""A whole project for end-to-end tests: a real candidate that learns, tiny data, tiny budgets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]

TRAIN = '''"""Ridge regression from pixels to words: small, quick, and better with fewer pixels."""

import json
import os
import pathlib

import numpy as np

# --- constants (tunable) ---
PIXELS = 6  # 1 .. 8, log; the image is averaged to so many by so many pixels
# --- end of constants ---

out, data = pathlib.Path(os.environ["OUT_DIR"]), pathlib.Path(os.environ["DATA_DIR"])


def words(captions, vocabulary):
    rows = np.zeros((len(captions), len(vocabulary)))
    for row, caption in zip(rows, captions):
        for word in caption.lower().replace(".", " ").split():
            if word in vocabulary:
                row[vocabulary[word]] = 1
    return rows


def pixels(images):
    side = images.shape[1] // PIXELS
    cut = images[:, : side * PIXELS, : side * PIXELS] / 255
    small = cut.reshape(len(cut), PIXELS, side, PIXELS, side, 3).mean(axis=(2, 4))
    return np.hstack([small.reshape(len(cut), -1), np.ones((len(cut), 1))])


if os.environ["PHASE"] == "train":
    lines = (data / "annotations.jsonl").read_text().splitlines()
    captions = [json.loads(line)["grounding"]["caption"] for line in lines]
    known = sorted({word for c in captions for word in c.lower().replace(".", " ").split()})
    vocabulary = {word: index for index, word in enumerate(known)}
    rng = np.random.default_rng(int(os.environ["SEED"]))
    chosen = rng.permutation(len(captions))[: len(captions) * 9 // 10]
    x = pixels(np.load(data / "images.npy")[chosen])
    y = words([captions[i] for i in chosen], vocabulary)
    mean = y.mean(axis=0)
    weights = np.linalg.solve(x.T @ x + 0.01 * np.eye(x.shape[1]), x.T @ (y - mean))
    np.savez(out / "model.npz", weights=weights, mean=mean)
    (out / "vocabulary.json").write_text(json.dumps(vocabulary))
    print(f"step 1  loss {((x @ weights + mean - y) ** 2).mean():.4f}  elapsed 0.1 s")
else:
    saved = pathlib.Path(os.environ["MODEL_DIR"])
    model = np.load(saved / "model.npz")
    if os.environ["GROUP"] == "images":
        rows = pixels(np.load(data / "images.npy")) @ model["weights"]
    else:
        vocabulary = json.loads((saved / "vocabulary.json").read_text())
        captions = json.loads((data / "captions.json").read_text())
        rows = words(captions, vocabulary) - model["mean"]
    rng = np.random.default_rng(0)
    rows = rows + 1e-9 * rng.standard_normal(rows.shape)
    np.save(out / "predictions.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
'''

SETTINGS = """
[candidate]
python = "PYTHON"

[task]
size = "tiny"

[sandbox]
backend = "bubblewrap"

[budget]
profile = "cpu"
cpu_s = 10
grace_s = 10
smoke_s = 5

[verdict]
min_effect = 0.01
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Standard output as one JSON object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True)
class Project:
    """A repository in which `python -m bot` is run as a person would run it."""

    folder: Path
    cache: Path

    @classmethod
    def make(cls, folder: Path, cache: Path, train: str = TRAIN, settings: str = "") -> Project:
        folder.mkdir(parents=True)
        project = cls(folder, cache)
        project.git("init", "-q", "-b", "main")
        project.git("config", "user.name", "Person")
        project.git("config", "user.email", "person@example.org")
        for name, text in {
            "train.py": train,
            "bot.toml": settings or SETTINGS.replace("PYTHON", sys.executable),
            "program.md": "# Programme\n",
            "scratchpad.md": "# Scratchpad\n",
            "README.md": "A project.\n",
        }.items():
            (folder / name).write_text(text)
        project.git("add", "-A")
        project.git("commit", "-q", "-m", "Begin")
        return project

    @property
    def environment(self) -> dict[str, str]:
        variables = {**os.environ, "MERGELAB_CACHE": str(self.cache), "PYTHONPATH": str(TOP)}
        variables.pop("MERGELAB_CANDIDATE_PYTHON", None)
        return variables

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.rstrip("\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def bot(self, *arguments: str, **variables: str) -> Done:
        return self._program("bot", *arguments, **variables)

    def runner(self, *arguments: str) -> Done:
        return self._program("runner", *arguments)

    def _program(self, *arguments: str, **variables: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def open(self, branch: str, pixels: int) -> Done:
        """A person's idea: another number of pixels, on a branch of its own."""
        elsewhere = self.folder.with_name(f"{self.folder.name}-{branch}")
        self.git("worktree", "add", "-q", "-b", branch, str(elsewhere), "main")
        source = TRAIN.replace("PIXELS = 6 ", f"PIXELS = {pixels} ")
        (elsewhere / "train.py").write_text(source)
        subject = f"Look at {pixels} by {pixels} pixels"
        subprocess.run(["git", "-C", elsewhere, "commit", "-qam", subject], check=True)
        self.git("worktree", "remove", str(elsewhere))
        return self.bot("open", branch, "--json")
