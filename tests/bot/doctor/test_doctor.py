from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from bot import app
from bot.commands import doctor
from bot.doctor import machine
from bot.doctor import place as places
from bot.doctor.examine import examine
from bot.doctor.finding import Finding, State
from bot.doctor.scoring import unpickles
from bot.forge.github.errors import NotFound
from bot.importing.files import Scored
from bot.importing.scorer import scorer_py
from bot.settings import parse
from tests.bot.lab import TRAIN, Lab, git, make_repository
from tests.project import TOP

RUNNER = {
    "chosen": "bubblewrap",
    "why": "no container engine was found",
    "machine": {"GPU": "none", "interpreter": "3.11.7, torch 2", "data": "tiny is prepared"},
    "backends": [{"name": "docker", "identity": "", "reason": "no engine answers"}],
    "problems": [],
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab.build(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    monkeypatch.setattr(machine, "runner", lambda folder, **_: machine.runner_findings(RUNNER))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return made


def told(folder: Path) -> dict[str, Finding]:
    return {one.name: one for one in examine(folder)}


def settle(lab: Lab, text: str) -> None:
    (lab.folder / "bot.toml").write_text(text)
    git(lab.folder, "commit", "-qam", "Change the settings")


def test_a_project_that_is_ready(lab: Lab) -> None:
    found = told(lab.folder)
    assert {one.name for one in found.values() if one.state is State.PROBLEM} == set()
    assert found["forge"].found.startswith("git: ")
    assert "search (the default" in found["proposer"].found
    assert found["identity"].found == "Person <person@example.org>"
    assert found["sandbox docker"].fix == "no engine answers"


def test_every_problem_has_a_fix(lab: Lab) -> None:
    settle(lab, '[proposer]\nname = "claude"\n[caps]\nmax_experiments = 0\n')
    (lab.folder / "train.py").write_text("changed\n")
    found = told(lab.folder)
    problems = {name: one for name, one in found.items() if one.state is State.PROBLEM}
    assert set(problems) == {"proposer", "caps", "working tree"}
    assert all(one.fix for one in problems.values())
    assert "Set ANTHROPIC_API_KEY" in problems["proposer"].fix
    assert "train.py" in problems["working tree"].fix


def test_a_key_that_is_set_is_told_and_never_shown(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(lab, '[proposer]\nname = "claude"\n')
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret-value")
    found = told(lab.folder)
    assert found["proposer"].state is State.OK
    assert "sk-very" not in repr(found)


def test_github_without_a_credential_and_without_workflows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "MERGELAB_APP_ID"):
        monkeypatch.delenv(name, raising=False)
    settle(lab, '[forge]\nkind = "github"\nrepository = "lab/project"\n')
    found = told(lab.folder)
    assert "GITHUB_TOKEN" in found["forge"].fix
    assert found["measure.yml"].state is State.PROBLEM
    assert found["step.yml"].fix.startswith("Commit .github/workflows/step.yml")


def test_numbers_that_github_would_give_again_are_found(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = lab.experiment({"train.py": TRAIN.replace("1.0", "0.5")})
    lab.until_idle()
    answers: dict[str, Any] = {"": {"full_name": "lab/project"}, "issues": []}

    def get(path: str, **_: object) -> Any:
        if path not in answers:
            raise NotFound("GitHub finds nothing.", 404)
        return answers[path]

    client = SimpleNamespace(repository="lab/project", get=get)
    monkeypatch.setattr(app, "make_client", lambda read: client)
    read = parse(b'[forge]\nkind = "github"\nrepository = "lab/project"\n', "bot.toml")

    def found() -> dict[str, Finding]:
        return {one.name: one for one in places.github(lab.place.repository, read)}

    assert "Open issues there and close them, 1 in all" in found()["numbers"].fix
    answers[f"issues/{number}"] = {"number": number}
    assert "numbers" not in found()


def test_outside_of_a_repository_it_says_so_and_ends(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert list(found) == ["python", "git", "disk", "repository"]
    assert found["repository"].state is State.PROBLEM


def test_settings_that_are_wrong_are_named(lab: Lab) -> None:
    (lab.folder / "bot.toml").write_text("[metric]\nnam = 1\n")
    assert "metric.nam" in told(lab.folder)["bot.toml"].fix


def test_a_clock_that_is_behind_is_found(lab: Lab) -> None:
    repository = lab.place.repository
    assert places.clock(repository, "main").state is State.OK
    late = places.clock(repository, "main", now=time.time() - 3600)
    assert late.state is State.PROBLEM


def test_an_old_git_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.25.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.git().state is State.PROBLEM
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert machine.git().found == "not found"


def test_what_the_runner_lacks_is_a_problem() -> None:
    lacking = RUNNER | {
        "chosen": "",
        "why": "no backend confines here",
        "machine": {"GPU": "none", "interpreter": "none", "data": "unknown"},
        "problems": ["no backend confines here", "No interpreter. Run make install."],
    }
    found = list(machine.runner_findings(lacking))
    problems = [one for one in found if one.state is State.PROBLEM]
    assert {one.name for one in problems} == {"sandbox", "interpreter"}
    assert all(one.fix for one in problems)


def test_data_that_is_missing_is_a_problem_where_it_is_measured() -> None:
    words = "data/corpus, which a [[mount]] of bot.toml names, is not there."
    lacking = RUNNER | {"machine": {**RUNNER["machine"], "data": words}, "problems": [words]}  # type: ignore[dict-item]
    for measures, state in ((True, State.PROBLEM), (False, State.NOTE)):
        found = machine.runner_findings(lacking, measures=measures)
        assert [one.state for one in found if one.found == words] == [state]


def test_the_command_exits_with_one_where_there_is_a_problem(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = CliRunner().invoke(doctor.command, ["--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["ready"] is True
    (lab.folder / "train.py").write_text("changed\n")
    done = CliRunner().invoke(doctor.command, ["--json"])
    assert isinstance(done.exception, doctor.NotReady)
    assert json.loads(done.stdout)["ready"] is False


@pytest.mark.slow
def test_the_real_runner_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    folder = make_repository(tmp_path / "project")
    names = {one.name for one in machine.runner(folder)}
    assert {"sandbox", "gpu", "interpreter", "data"} <= names


def test_answers_that_are_committed_are_found_before_a_candidate_copies_them(lab: Lab) -> None:
    settle(
        lab,
        '[candidate]\nneeds = ["score.py"]\n[task]\nkind = "predictions"\nscorer = "score.py"\n'
        'inputs = "hidden"\ntargets = "answers/a.csv"\n',
    )
    (lab.folder / "answers").mkdir()
    (lab.folder / "answers" / "a.csv").write_text("1\n")
    findings = told(lab.folder)
    assert findings["task.targets"].state is State.OK
    assert "not on this machine" in findings["task.inputs"].found
    assert findings["task.inputs"].state is State.PROBLEM
    assert "not on main" in findings["task.scorer"].found
    assert findings["task.scorer"].state is State.PROBLEM
    git(lab.folder, "add", "answers")
    git(lab.folder, "commit", "-qm", "Add the answers")
    assert told(lab.folder)["task.targets"].state is State.NOTE
    assert "copy them into a candidate" in told(lab.folder)["task.targets"].fix


def test_the_sealed_split_is_looked_for_like_the_other(lab: Lab) -> None:
    settle(
        lab,
        '[candidate]\nneeds = ["score.py"]\n[task]\nkind = "predictions"\nscorer = "score.py"\n'
        'inputs = "hidden"\ntargets = "a.csv"\n'
        'sealed_inputs = "sealed"\nsealed_targets = "b.csv"\n',
    )
    findings = told(lab.folder)
    for name in ("task.sealed_inputs", "task.sealed_targets"):
        assert findings[name].state is State.PROBLEM
        assert "not on this machine" in findings[name].found
        assert name in findings[name].fix
    (lab.folder / "sealed").mkdir()
    (lab.folder / "b.csv").write_text("1\n")
    findings = told(lab.folder)
    assert "task.sealed_inputs" not in findings
    assert findings["task.sealed_targets"].state is State.OK
    git(lab.folder, "add", "b.csv")
    git(lab.folder, "commit", "-qm", "Add the answers")
    assert told(lab.folder)["task.sealed_targets"].state is State.NOTE


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import json\nimport numpy as np\nnp.load('x', allow_pickle=False)\n", ""),
        ('"""Never torch.load, nor import pickle."""\n', ""),
        ("import os, pickle\n", "import pickle"),
        ("from joblib import load\n", "from joblib import"),
        ("np.load(path, allow_pickle=True)\n", "allow_pickle=True"),
        ("pd.read_pickle(path)\n", "read_pickle"),
        ("import torch\nx = torch.load(path)\n", "torch.load"),
        ("not python (\n", ""),
    ],
)
def test_a_scorer_that_unpickles_what_candidates_wrote_is_noticed(source: str, how: str) -> None:
    assert unpickles(source.encode()) == how


def test_the_scorer_that_init_proposes_is_none_of_them() -> None:
    assert not unpickles(scorer_py(Scored("in", "out", "score.py"), "error", "train.py").encode())
