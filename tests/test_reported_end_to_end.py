"""A project whose script prints its own metric, through whole steps of the bot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.project import Project

SCRIPT = """
import json, os, random

# --- constants (tunable) ---
RATE = 0.5  # 0.4 .. 2.0; how far a step goes
# --- end of constants ---

goal = float(open("data/goal.txt").read())
scale = json.load(open("conf/scale.json"))
noise = random.Random(int(os.environ["SEED"])).gauss(0, 0.001)
print(f"accuracy: {scale * (1 - (RATE - goal) ** 2) + noise:.6f}  seconds: 3")
"""
SETTINGS = """
[candidate]
paths = ["src/train.py"]
entry = "src/train.py"
needs = ["conf"]
python = "PYTHON"

[task]
kind = "reported"

[metric]
name = "accuracy"
direction = "higher"
pattern = 'accuracy: (\\S+)'
secondary = { seconds = 'seconds: (\\S+)' }

[budget]
profile = "cpu"
cpu_s = 10
smoke_s = 1

[[guard]]
name = "seconds"
max_factor = 1.1

[[mount]]
source = "data"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.make(
        tmp_path / "project",
        tmp_path / "cache",
        "print('not this one')\n",
        SETTINGS.replace("PYTHON", sys.executable),
    )
    for path, text in {
        "src/train.py": SCRIPT,
        "conf/scale.json": "100",
        "data/goal.txt": "1.2",
        ".gitignore": "data/\n",
    }.items():
        (made.folder / path).parent.mkdir(exist_ok=True)
        (made.folder / path).write_text(text)
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "Add the script")
    return made


def test_a_higher_accuracy_is_merged_and_everything_says_who_reported_it(project: Project) -> None:
    done = project.bot("step", "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert (told["verdict"], told["reason"]) == ("merged", "improvement"), told
    assert told["difference"] > 0
    assert "accuracy (self-reported)" in done.err
    merged = project.git("show", "main:src/train.py")
    assert "RATE = 0.5 " not in merged
    shown = project.bot("show", "1", "--json").json()
    (check,), (comment,) = shown["checks"], shown["comments"]
    for text in (check["title"], check["summary"], comment["body"]):
        assert "self-reported" in text
    runs = [run["result"] for attempt in shown["attempts"] for run in attempt["runs"]]
    assert all(run["self_reported"] for run in runs)
    assert all(run["secondary"] == {"seconds": 3} for run in runs)
    assert "Scored: self-reported" in project.git("log", "-1", "--format=%B")
    assert "(self-reported)" in (project.folder / "scratchpad.md").read_text()
    assert "(self-reported)" in project.bot("log").err
    assert project.bot("log", "--json").json()["metric"]["self_reported"] is True
    assert project.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_what_the_script_needs_is_part_of_what_was_measured(project: Project) -> None:
    first = project.bot("step", "--json").json()
    assert first["merged"]
    (project.folder / "conf" / "scale.json").write_text("1000")
    project.git("commit", "-qam", "Count otherwise")
    second = project.bot("step", "--json")
    assert second.code == 0, second.err
    shown = project.bot("show", "2", "--json").json()
    runs = [run for attempt in shown["attempts"] for run in attempt["runs"]]
    assert "baseline" in {run["side"] for run in runs}, "the baseline was not measured anew"
    assert all(run["result"]["metric"] > 200 for run in runs)
