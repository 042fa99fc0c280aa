"""`python -m bot init` in projects of several shapes, and a whole step in each afterwards.

They are the recipes of docs/import.md: what init proposes there is what the document shows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.imported.projects import NANO, PERL, PYTORCH, SKLEARN, Shape
from tests.project import TOP, Done, Project

CANDIDATE = TOP / ".venv-candidate" / "bin" / "python"


def make(folder: Path, shape: Shape) -> Project:
    folder.mkdir()
    project = Project(folder, folder.with_name("cache"))
    project.git("init", "-q", "-b", "trunk")
    project.git("config", "user.name", "Person")
    project.git("config", "user.email", "person@example.org")
    for path, text in shape.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "Begin")
    return project


def recipe(name: str) -> dict[str, Any]:
    """The bot.toml that docs/import.md shows for a recipe."""
    text = (TOP / "docs" / "import.md").read_text()
    section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
    found = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found, name
    return tomllib.loads(found[1])


def proposed(project: Project, name: str) -> None:
    """What init wrote is what the document shows, but for what depends on the machine."""
    written = tomllib.loads((project.folder / "bot.toml").read_text())
    shown = recipe(name)
    for document in (written, shown):
        document["candidate"].pop("python", None)
        document.pop("budget", None)
        document.pop("repository", None)
        document.pop("proposer", None)
    assert written == shown


def step_after(project: Project) -> dict[str, Any]:
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "Let the bot experiment")
    done = project.bot("step", "--json")
    assert done.code == 0, done.err
    assert "(self-reported)" in done.err
    assert project.git("status", "--porcelain") == ""
    return done.json()


def initiated(project: Project, *arguments: str) -> Done:
    done = project.bot("init", "--yes", "--json", *arguments)
    assert done.code == 0, done.err
    assert set(done.json()["written"]) == {"bot.toml", "program.md", "scratchpad.md"}
    return done


@pytest.mark.slow
def test_a_script_in_another_language_is_found_run_and_improved(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    told = initiated(project, "--budget", "20")
    assert told.json()["metric"]["value"] > 0
    assert told.json()["told_in"] == "README"
    assert any("Python scripts only" in remark for remark in told.json()["remarks"])
    assert any("did not train on" in remark for remark in told.json()["remarks"])
    proposed(project, "A script in another language")
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "Let the bot experiment")
    refused = project.bot("step")
    assert refused.code == 1
    assert "bin/train.pl is no Python script" in refused.err
    project.git("switch", "-qc", "longer-steps")
    script = PERL.files["bin/train.pl"].replace("$step = 0.005", "$step = 0.03")
    (project.folder / "bin/train.pl").write_text(script)
    project.git("commit", "-qam", "Take longer steps")
    project.git("switch", "-q", "trunk")
    assert project.bot("open", "longer-steps").code == 0
    done = project.bot("step", "--json").json()
    assert (done["verdict"], done["reason"]) == ("merged", "improvement"), done
    assert project.git("show", "trunk:bin/train.pl").strip() == script.strip()


@pytest.mark.slow
def test_a_script_like_nanogpt(tmp_path: Path) -> None:
    project = make(tmp_path / "project", NANO)
    subprocess.run([sys.executable, "data/chars/prepare.py"], cwd=project.folder, check=True)
    (project.folder / "out").mkdir()
    (project.folder / "out" / "ckpt.npy").write_text("of an earlier run")
    told = initiated(project, "--python", sys.executable).json()
    assert told["command"] == ["python", "train.py", "config/train_chars.py"]
    assert told["metric"]["value"] > 0
    proposed(project, "A script like nanoGPT")
    done = step_after(project)
    assert done["metric"] == "val_loss"


@pytest.mark.slow
def test_an_example_of_pytorch(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PYTORCH)
    subprocess.run(
        [CANDIDATE, "make_data.py"], cwd=project.folder / "digits", check=True, env=os.environ
    )
    told = initiated(
        project, "digits/main.py", "--metric", "Average loss", "--python", str(CANDIDATE)
    ).json()
    assert told["metric"]["name"] == "Average_loss"
    assert told["remarks"] == []
    proposed(project, "An example of PyTorch")
    assert step_after(project)["verdict"] in {"merged", "closed"}


@pytest.mark.slow
def test_an_analysis_with_scikit_learn_in_an_environment_of_its_own(tmp_path: Path) -> None:
    project = make(tmp_path / "project", SKLEARN)
    (project.folder / ".gitignore").write_text(".venv/\n")
    project.git("add", "-A")
    project.git("commit", "-qm", "Ignore the environment")
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=project.folder, check=True)
    pip = [".venv/bin/python", "-m", "pip", "install", "-q", "scikit-learn"]
    subprocess.run(pip, cwd=project.folder, check=True)
    told = initiated(project).json()
    assert told["metric"]["direction"] == "higher"
    written = tomllib.loads((project.folder / "bot.toml").read_text())
    assert written["candidate"]["python"] == ".venv/bin/python"
    proposed(project, "An analysis with scikit-learn")
    assert step_after(project)["metric"] == written["metric"]["name"]


def test_nothing_is_written_before_it_was_shown_and_agreed_to(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    before = project.git("status", "--porcelain", "--ignored")
    done = project.bot("init", "--no-baseline")
    assert done.code == 0
    assert "--- bot.toml" in done.err and 'command = ["perl", "bin/train.pl"]' in done.err
    assert "Nothing was written" in done.err
    assert project.git("status", "--porcelain", "--ignored") == before


def test_what_is_there_is_never_overwritten_and_the_remote_is_told(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    (project.folder / "program.md").write_text("Mine.\n")
    project.git("remote", "add", "origin", str(tmp_path / "elsewhere"))
    done = project.bot("init", "--no-baseline", "--yes", "--json")
    told = done.json()
    (guide,) = re.findall(r'docs/import\.md,\n"(.+)"', done.err)
    assert f"\n## {guide}\n" in (TOP / "docs" / "import.md").read_text()
    assert (told["written"], told["kept"]) == (["bot.toml", "scratchpad.md"], ["program.md"])
    assert (project.folder / "program.md").read_text() == "Mine.\n"
    assert any("refs/forge/pulls" in setting for setting in told["refspecs"])
    assert "refs/forge/pulls" in project.git("config", "--get-all", "remote.origin.push")
    again = project.bot("init", "--yes")
    assert again.code == 1
    assert "nothing is overwritten" in again.err


def test_a_scorer_that_is_there_is_committed_with_the_rest(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    for name in ("hidden", "private"):
        (project.folder / name).mkdir()
    (project.folder / "judge.py").write_text("print('{}')\n")
    done = project.bot(
        "init", "--no-baseline", "--yes", "--inputs", "hidden", "--targets", "private",
        "--scorer", "judge.py",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "judge.py is there already" in done.err
    assert "git add bot.toml program.md scratchpad.md judge.py && git commit" in done.err


SOURCE = "git+https://example.org/lab/mergelab.git@" + "0123456789" * 4
WORKFLOW_FILES = [
    ".github/mergelab.txt",
    ".github/workflows/measure.yml",
    ".github/workflows/step.yml",
]


def test_the_workflows_are_proposed_when_they_are_asked_for(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    project.git("remote", "add", "origin", "git@github.com:my-lab/research.git")
    (project.folder / "corpus").mkdir()
    done = project.bot(
        "init", "--no-baseline", "--yes", "--json", "--workflows", "--source", SOURCE,
        "--data", "corpus",
    )  # fmt: skip
    assert done.code == 0, done.err
    told = done.json()
    assert told["written"] == ["bot.toml", "program.md", "scratchpad.md", *WORKFLOW_FILES]
    assert all(f"--- {path}\n" in done.err for path in told["written"])
    assert told["refspecs"] == []
    assert any(remark.startswith("corpus is not committed") for remark in told["remarks"])
    written = tomllib.loads((project.folder / "bot.toml").read_text())
    assert written["forge"] == {"kind": "github", "repository": "my-lab/research"}
    assert written["report"] == {"svg": "docs/progress.svg"}, "what summaries on GitHub show"
    assert SOURCE in (project.folder / ".github/mergelab.txt").read_text()
    assert "python -m bot init --github" in done.err


def test_workflows_come_beside_a_bot_toml_and_replace_nothing(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    assert project.bot("init", "--no-baseline", "--yes").code == 0
    mine = project.folder / ".github" / "workflows" / "step.yml"
    mine.parent.mkdir(parents=True)
    mine.write_text("name: Mine\n")
    shown = project.bot("init", "--workflows", "--source", SOURCE)
    assert "Nothing was written" in shown.err
    assert not (project.folder / ".github" / "mergelab.txt").exists()
    told = project.bot("init", "--workflows", "--source", SOURCE, "--yes", "--json").json()
    assert told["written"] == [WORKFLOW_FILES[0], WORKFLOW_FILES[1]]
    assert told["kept"] == [WORKFLOW_FILES[2]]
    assert any("[forge]" in remark for remark in told["remarks"])
    assert mine.read_text() == "name: Mine\n"


def test_workflows_that_would_install_from_nowhere_are_refused(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    done = project.bot("init", "--no-baseline", "--yes", "--workflows", "--source", "mergelab")
    assert (done.code, (project.folder / "bot.toml").exists()) == (1, False)
    assert "git+https://HOST/OWNER/NAME@COMMIT" in done.err


def test_a_baseline_that_fails_is_shown_with_what_to_do(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    (project.folder / "bin/train.pl").write_text('print "loss\\n"; die "no data here\\n";')
    project.git("commit", "-qam", "Break it")
    done = project.bot("init", "--yes", "--budget", "5")
    assert done.code == 1
    assert "The baseline run failed" in done.err and "no data here" in done.err
    assert not (project.folder / "bot.toml").exists()


def test_an_output_without_a_metric_is_shown(tmp_path: Path) -> None:
    project = make(tmp_path / "project", PERL)
    (project.folder / "bin/train.pl").write_text('print "hello 3\\n";')
    project.git("commit", "-qam", "Say hello")
    done = project.bot("init", "--yes", "--budget", "5")
    assert done.code == 1
    assert "no metric was recognised" in done.err and "hello 3" in done.err
