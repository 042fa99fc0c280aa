"""Whole experiments on GitHub: step.yml and measure.yml really run, `act` plays GitHub Actions.

Everything is real but GitHub itself: the bot, git's transport, the gate, the sandbox, the report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actions.place import BETTER, LabOnGitHub, free_port, git
from tests.github.server import running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Iterator[LabOnGitHub]:
    port = free_port()
    made = LabOnGitHub.make(tmp_path / "lab", cache, port, "[workflows]\nin_flight = 1\n")
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
    assert f"### #{number} " in lab.show("scratchpad.md")
