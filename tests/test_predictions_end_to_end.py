"""The project of docs/import.md whose predictions are scored: init, a step, and what is refused."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.imported.projects import Shape
from tests.project import TOP, Project
from tests.test_audit_end_to_end import sealed_scores
from tests.test_import_end_to_end import make

GUIDE = (TOP / "docs" / "import.md").read_text().partition("## Scored predictions")[2]
TRAIN, SCORE, SETTINGS, SEALED = re.findall(r"```(?:python|toml)\n(.*?)```", GUIDE, re.DOTALL)[:4]
IGNORED = {".gitignore": "data/\nhidden/\nprivate/\nsealed/\n"}
ASKED = ("--inputs", "hidden/inputs.npy", "--targets", "private/targets.npy")
SCORED = (*ASKED, "--metric", "mean_squared_error", "--python", sys.executable)


def project_of(folder: Path, files: dict[str, str]) -> Project:
    project = make(folder, Shape(files=files | IGNORED))
    random = np.random.default_rng(0)
    weights = random.standard_normal(8)
    x, hidden = random.standard_normal((400, 8)), random.standard_normal((200, 8))
    for name in ("data", "hidden", "private"):
        (project.folder / name).mkdir()
    np.savez(project.folder / "data/train.npz", x=x, y=x @ weights + random.standard_normal(400))
    np.save(project.folder / "hidden/inputs.npy", hidden)
    np.save(project.folder / "private/targets.npy", hidden @ weights)
    return project


def keep_a_sealed_split(project: Project) -> None:
    """As the guide says, of the same kind as the other data of `project_of`."""
    random = np.random.default_rng(0)
    weights = random.standard_normal(8)
    inputs = np.random.default_rng(1).standard_normal((150, 8))
    (project.folder / "sealed").mkdir()
    np.save(project.folder / "sealed/inputs.npy", inputs)
    np.save(project.folder / "private/sealed-targets.npy", inputs @ weights)
    settings = project.folder / "bot.toml"
    settings.write_text(settings.read_text().replace("[task]\n", SEALED, 1))


def test_init_proposes_what_the_guide_shows_and_proves_it(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", {"train.py": TRAIN, "score.py": SCORE})
    wrong = project.bot("init", "--yes", *ASKED, "--metric", "loss", "--python", sys.executable)
    assert "called loss, but largest_error, mean_squared_error" in wrong.err
    done = project.bot("init", "--yes", "--json", *SCORED, "--lower")
    assert done.code == 0, done.err
    told = done.json()
    assert told["metric"]["value"] > 0
    assert "(self-reported)" not in done.err
    written = tomllib.loads((project.folder / "bot.toml").read_text())
    shown = tomllib.loads(SETTINGS)
    del written["candidate"]["python"], written["budget"], written["repository"]
    assert written == shown
    assert "PHASE=predict" in (project.folder / "program.md").read_text()


@pytest.mark.slow
def test_a_whole_step_and_its_audit_are_judged_by_the_scorer(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", {"train.py": TRAIN, "score.py": SCORE})
    assert project.bot("init", "--yes", *SCORED, "--no-baseline").code == 0
    keep_a_sealed_split(project)
    project.git("add", "-A")
    project.git("commit", "-qm", "Let the bot experiment")
    project.git("switch", "-qc", "less-shrinkage")
    better = TRAIN.replace("RIDGE = 300.0", "RIDGE = 0.1")
    (project.folder / "train.py").write_text(better + "print('mean_squared_error: 0')\n")
    project.git("commit", "-qam", "Shrink less")
    project.git("switch", "-qc", "judge", "trunk")
    (project.folder / "score.py").write_text("print('{\"mean_squared_error\": 0}')\n")
    project.git("commit", "-qam", "Judge for myself")
    project.git("switch", "-q", "trunk")
    assert project.bot("open", "less-shrinkage").code == 0
    done = project.bot("step", "--json")
    assert (done.json()["verdict"], done.json()["reason"]) == ("merged", "improvement"), done.err
    assert "(self-reported)" not in done.err
    refused = project.bot("open", "judge")
    assert refused.code == 1 and "score.py: may not be changed" in refused.err
    assert project.git("show", "trunk:train.py").startswith(better.strip())
    told = {one["name"]: one for one in project.bot("doctor", "--json").json()["checks"]}
    assert told["task.targets"]["state"] == told["task.sealed_targets"]["state"] == "ok"
    done = project.bot("audit", "--json")
    assert done.code == 0, done.err
    (audit,) = done.json()["audits"]
    assert audit["replicated"] is True
    assert min(audit["claimed"], audit["confirmed"], audit["sealed"]) > 0
    public = project.git("log", "-p", "--branches", "--glob=refs/forge/pulls")
    public += project.bot("show", "1", "--json").out + project.bot("log", "--json").out
    scores = sealed_scores(project)
    assert scores and not [score for score in scores if score in public]


def test_a_scorer_to_begin_with_is_proposed_and_scores(tmp_path: Path) -> None:
    script = TRAIN.replace(
        'np.save(out / "predictions.npy", inputs @ weights)',
        'np.savetxt(out / "predictions.txt", inputs @ weights)',
    )
    project = project_of(tmp_path / "project", {"train.py": script})
    targets = np.load(project.folder / "private/targets.npy")
    np.savetxt(project.folder / "private/answers.txt", targets)
    done = project.bot(
        "init", "--yes", "--json", "--python", sys.executable,
        "--inputs", "hidden/inputs.npy", "--targets", "private/answers.txt",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "score.py" in done.json()["written"] and done.json()["seconds"] is None
    assert "python -m runner measure" in done.err
    measured = project.runner("measure", "--candidate", "train.py", "--json").json()
    assert measured["status"] == "ok", measured
    assert measured["metric"] > 0 and measured["secondary"]["largest_error"] > 0


def test_who_prints_no_number_is_told_of_scored_predictions(tmp_path: Path) -> None:
    project = make(tmp_path / "project", Shape(files={"train.py": "print('loss is low')\n"}))
    done = project.bot("init", "--yes", "--budget", "5", "--python", sys.executable)
    assert done.code == 1
    assert "--inputs PATH --targets PATH" in done.err
    asks = "import os\nprint('in phase', os.environ.get('PHASE'))\nraise SystemExit('loss')\n"
    (project.folder / "train.py").write_text(asks)
    project.git("commit", "-qam", "Ask for the phase")
    assert "It asks for PHASE" in project.bot("init", "--yes", "--python", sys.executable).err
    missing = project.bot("init", "--yes", "--inputs", "train.py", "--targets", "nowhere")
    assert missing.code == 1 and "--targets nowhere: there is no such file" in missing.err
    (guide,) = re.findall(r'docs/import\.md, "([^"]+)"', done.err)
    assert f"\n## {guide}\n" in (TOP / "docs" / "import.md").read_text()
