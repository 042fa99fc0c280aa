"""Whole experiments on GitHub: step.yml and measure.yml really run, `act` plays GitHub Actions.

Everything is real but GitHub itself: the bot, git's transport, the gate, the sandbox, the report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.digests import candidate_digest
from tests.actions.place import BETTER, LabOnGitHub, free_port, git
from tests.github.server import running
from tests.project import TRAIN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Iterator[LabOnGitHub]:
    port = free_port()
    made = LabOnGitHub.make(tmp_path / "lab", cache, port, "[run]\nmax_in_flight = 1\n")
    with running(made.github, port):
        yield made


def test_the_bot_s_own_idea_goes_from_proposal_to_verdict(lab: LabOnGitHub) -> None:
    lab.step()
    ran = lab.until_closed(1) if lab.engine.next() and lab.github.pulls else []
    assert ran, lab.engine.logs
    assert {run.path.rsplit("/", 1)[-1] for run in ran} == {"measure.yml", "step.yml"}
    pull = lab.github.pulls[1]
    assert pull.branch.startswith("exp/") and pull.state == "closed"
    assert "### #1 " in lab.show("scratchpad.md")
    checks = [check for check in lab.github.checks.values() if check.head == pull.head]
    assert any(check.external_id == "1.1" for check in checks)
    logged = json.loads(lab.bot("log", "--json").stdout)["experiments"]
    assert logged[0]["number"] == 1


def test_a_better_idea_is_merged_as_it_was_measured(lab: LabOnGitHub) -> None:
    number = lab.experiment("fewer-pixels", BETTER)
    lab.until_closed(number)
    pull = lab.github.pulls[number]
    assert pull.merged is not None
    assert lab.show("train.py") == BETTER.strip()
    subject = git(lab.github.repository.path, "log", "-1", "--format=%s", "main")
    assert subject == f"Merge experiment #{number} (improvement): Work on fewer-pixels"
    logs = "\n".join(lab.engine.logs.values())
    assert "Success - Main Show where the programme stands" in logs, logs
    assert f"### #{number} " in lab.show("scratchpad.md")


def test_a_losing_a_crashing_and_a_tampered_idea_are_closed_each_with_its_reason(
    lab: LabOnGitHub,
) -> None:
    losing = lab.experiment("backwards", TRAIN.replace("rows = pixels(", "rows = -pixels("))
    crashing = lab.experiment("crash", TRAIN.replace("out, data =", "raise KeyError\nout, data ="))
    tampered = lab.experiment("scorer", BETTER)
    head = lab.github.pulls[tampered].head
    scorer = lab.show("runner/task/score.py") + "\n\ndef score(*_): return 1.0\n"
    lab.push("scorer", {"runner/task/score.py": scorer}, head)
    before = lab.show("train.py")
    ran = lab.until_closed(losing, crashing, tampered)
    log = json.loads(lab.bot("log", "--json").stdout)["experiments"]
    reasons = {entry["number"]: entry["reason"] for entry in log}
    assert reasons == {losing: "worse", crashing: "crashed", tampered: "forbidden-change"}
    assert lab.show("train.py") == before
    assert all(lab.github.pulls[number].merged is None for number in reasons)
    notes = lab.show("scratchpad.md")
    assert all(f"### #{number} " in notes for number in reasons)
    measured = {run.inputs["pr"] for run in ran if run.path.endswith("/measure.yml")}
    assert measured == {str(losing), str(crashing)}, "what is forbidden reaches no machine"
    shown = [check for check in lab.github.checks.values() if check.name == "measurement"]
    assert {check.conclusion for check in shown} == {"neutral", "failure"}


def test_when_the_base_branch_moves_during_training_the_new_merge_is_measured(
    lab: LabOnGitHub,
) -> None:
    number = lab.experiment("fewer-pixels", BETTER)
    lab.step()
    while not any(run.path.endswith("/measure.yml") for run in lab.github.runs.values()):
        assert lab.engine.next()
    moved = TRAIN.replace("0.01 * np.eye", "0.02 * np.eye")
    lab.push("main", {"train.py": moved})
    ran = lab.until_closed(number)
    measures = [run for run in ran if run.path.endswith("/measure.yml")]
    assert {run.inputs["attempt"] for run in measures} > {f"{number}.1"}
    both = moved.replace("PIXELS = 6 ", "PIXELS = 1 ")
    assert lab.github.pulls[number].merged is not None
    assert lab.show("train.py") == both.strip()
    shown = json.loads(lab.bot("show", str(number), "--json").stdout)
    last = [run["result"] for run in shown["attempts"][-1]["runs"] if run["side"] == "candidate"]
    digest = candidate_digest({"train.py": both.encode()})
    assert {result["digests"]["candidate"] for result in last} == {digest}
