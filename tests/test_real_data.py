"""Real data in the ODVG form, from its files to a baseline, as docs/task.md tells it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.project import TOP, Project

THINGS = {"boat": "navy", "crane": "white", "pine": "darkgreen", "bridge": "brown", "moon": "gold"}


def sample(path: Path, pictures: Path, count: int) -> None:
    """`count` prints and their lines, in the form in which such data is published.

    Every tenth has a box that reaches out of the print by a pixel, every seventh one in a list of
    boxes, as a phrase has that is drawn several times; keys of other tools stand beside them.
    """
    dice = random.Random(path.name)
    pictures.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        width, height = dice.randint(150, 260), dice.randint(150, 260)
        picture = Image.new("RGB", (width, height), "beige")
        caption, regions = "", []
        for side, thing in enumerate(dice.sample(sorted(THINGS), 2)):
            x, y = side * width // 2 + dice.randint(0, 20), dice.randint(0, height // 2)
            box = [float(x), float(y), float(x + 50), float(y + 60)]
            ImageDraw.Draw(picture).rectangle(box, fill=THINGS[thing])
            if number % 10 == side == 0:
                box[1] = -1.0
            caption += (
                f"{' and ' if caption else ''}a {thing} {dice.choice(['by night', 'at dawn'])}"
            )
            boxes = [box] if number % 7 == side == 0 else box
            tokens = [[caption.rindex("a "), len(caption)]]
            regions.append({"bbox": boxes, "phrase": f"a {thing}", "tokens_positive": tokens})
        file = f"{path.stem}-{number:05d}.jpg"
        picture.save(pictures / file, quality=90)
        line = {"filename": file, "height": height, "width": width}
        lines.append(line | {"grounding": {"caption": caption, "regions": regions}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def told(kind: str) -> str:
    """The code block of this kind in the section about real data of docs/task.md."""
    section = (TOP / "docs" / "task.md").read_text().partition("### From published files")[2]
    found = re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL)
    assert found, kind
    return found[1]


@pytest.mark.slow
def test_published_files_become_a_baseline_of_the_shipped_script(tmp_path: Path) -> None:
    project = Project.make(
        tmp_path / "project", tmp_path / "cache", (TOP / "train.py").read_text(), told("toml")
    )
    (project.folder / "evaluate.py").write_text(told("python"))
    (project.folder / ".gitignore").write_text("real/\npublished/\n")
    budget = "[budget]\nprofile = 'cpu'\ncpu_s = 40\ngrace_s = 60\nsmoke_s = 0\n"
    python = f'python = "{TOP / ".venv-candidate" / "bin" / "python"}"'
    settings = (project.folder / "bot.toml").read_text()
    settings = settings.replace("[candidate]\n", f"[candidate]\n{python}\n") + budget
    (project.folder / "bot.toml").write_text(settings)
    project.git("add", "-A")
    project.git("commit", "-qm", "Measure on real data")
    published = project.folder / "published"
    for line in told("text").splitlines():
        words = line.split()
        name = Path(words[7]).name
        sample(published / words[4], published / words[5], {"train": 300, "val": 60}[name])
        words[4:6] = [str(published / words[4]), str(published / words[5])]
        subprocess.run(
            [sys.executable, *words[1:]], cwd=project.folder, env=project.environment, check=True
        )
    measured = subprocess.run(
        [sys.executable, "-m", "runner", "measure", "--candidate", "train.py", "--json"],
        cwd=project.folder, env=project.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    result = json.loads(measured.stdout)
    assert result["status"] == "ok", (result["message"], result["log_tail"])
    assert result["self_reported"]
    assert 1 <= result["metric"] < 30.5, "no better than chance"
    assert 0 < result["secondary"]["recall@5"] <= 1
