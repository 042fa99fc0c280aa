"""Phases at work: with a real repository, its forge and its ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.actions import BeginPhase, Propose, Stop
from bot.commands.phase import command
from bot.decide import decide
from bot.forge.base import Conflict
from bot.forge.git import GitForge
from bot.phases import marks
from bot.phases.begin import NoSuchPhase, begin_by_person
from bot.phases.marks import PhaseMark
from bot.proposing.context import context
from bot.proposing.propose import open_proposal
from tests.bot.lab import TRAIN, Lab, ListProposer, git

SETTINGS = """
[[phase]]
name = "tune"
patience = 1

[[phase]]
name = "build"
tools = ["view", "edit", "web_search"]
web_domains = ["arxiv.org"]
model = "claude-fable-5"
effort = "low"
max_changed_lines = 2
max_experiments = 1
min_effect = 0.9
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project", SETTINGS)


def lose(lab: Lab, value: float = -9.0) -> None:
    open_proposal(lab.place, lab.view(), ListProposer([value]), lambda: 1)
    lab.until_idle_or_phase()


def test_the_next_phase_begins_when_one_is_over_and_the_log_tells(lab: Lab) -> None:
    assert decide(lab.view().snapshot) == (Propose(),)
    lose(lab)
    before = lab.place.forge.base()
    action = lab.act()
    assert isinstance(action, BeginPhase) and action.name == "build"
    assert decide(lab.view().snapshot) == (Propose(),)
    (mark,) = marks.read(lab.folder, "main")
    assert (mark.name, mark.by, mark.after) == ("build", "Mergelab", 1)
    assert "without a win" in mark.why
    assert git(lab.folder, "log", "-1", "--format=%s") == "Begin phase build"
    assert lab.place.repository.changed_paths(before, lab.place.forge.base()) == ()


def test_a_proposer_is_granted_what_its_phase_allows(lab: Lab) -> None:
    lose(lab)
    lab.act()
    told = context(lab.place, lab.view())
    assert told.phase.name == "build"
    assert told.phase.tools == {"view", "edit", "web_search", "submit"}
    assert told.phase.web_domains == ("arxiv.org",)
    assert (told.phase.model, told.phase.effort) == ("claude-fable-5", "low")
    assert told.allowed.max_changed_lines == 2


def test_after_the_last_phase_nothing_is_proposed_and_it_is_said(lab: Lab) -> None:
    lose(lab)
    lab.act()
    lose(lab, -8.0)
    (action,) = decide(lab.view().snapshot)
    assert isinstance(action, Stop)
    assert "programme is finished" in action.why and "bot phase NAME" in action.why


def test_the_minimum_effect_of_its_phase_decides_an_experiment(lab: Lab) -> None:
    begin_by_person(lab.place.repository, lab.place.forge, lab.place.settings, "build", 5)
    open_proposal(lab.place, lab.view(), ListProposer([2.5]), lambda: 1)  # gains a quarter
    lab.until_idle_or_phase()
    pull = lab.place.forge.pull(1)
    assert pull.record["phase"] == "build"
    assert pull.verdict is not None and not pull.verdict.merged


def test_the_same_gain_wins_in_a_phase_without_a_minimum_of_its_own(lab: Lab) -> None:
    open_proposal(lab.place, lab.view(), ListProposer([2.5]), lambda: 1)
    lab.until_idle_or_phase()
    verdict = lab.place.forge.pull(1).verdict
    assert verdict is not None and verdict.merged


def test_a_persons_experiment_belongs_to_the_phase_in_which_it_is_opened(lab: Lab) -> None:
    number = lab.experiment({"train.py": TRAIN.replace("1.0", "2.0")})
    assert lab.place.forge.pull(number).record["phase"] == "tune"


def test_a_person_can_begin_any_phase_at_any_time(lab: Lab) -> None:
    begun = begin_by_person(lab.place.repository, lab.place.forge, lab.place.settings, "build", 5)
    assert begun.by == "Person"
    stands = lab.view().snapshot.phase
    assert stands is not None and stands.phase.name == "build"
    with pytest.raises(NoSuchPhase, match="tune, build"):
        begin_by_person(lab.place.repository, lab.place.forge, lab.place.settings, "dream", 6)


def test_of_two_bots_that_begin_a_phase_one_does(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(lab)
    view = lab.view()
    action = decide(view.snapshot)[0]
    assert isinstance(action, BeginPhase)
    lab.executor.begin_phase(action, view)
    with pytest.raises(Conflict):
        lab.executor.begin_phase(action, view)
    assert len(marks.read(lab.folder, "main")) == 1


class Killed(BaseException):
    """The process is gone."""


def test_killed_before_the_commit_counts_the_phase_begins_at_the_next_step(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    lose(lab)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(GitForge, "advance", killed)
        lab.act()
    assert isinstance(lab.act(), BeginPhase)
    assert len(marks.read(lab.folder, "main")) == 1


def test_a_persons_commit_that_quotes_a_beginning_is_none(lab: Lab) -> None:
    quoted = marks.message(PhaseMark("build", "Ann", "why", 0))
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", f"Look at this\n\n{quoted}")
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", "Begin phase build\n\nWithout trailers.")
    assert marks.read(lab.folder, "main") == ()


def test_the_command_shows_and_begins_phases(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    git(lab.folder, "add", "-A")
    monkeypatch.chdir(lab.folder)
    shown = CliRunner().invoke(command, ["--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["phase"] == "tune" and told["patience_left"] == 1 and told["begun"] is None
    begun = CliRunner().invoke(command, ["build", "--json"])
    told = json.loads(begun.stdout)
    assert told["phase"] == "build" and told["begun"]["by"] == "Person"
    assert "-> build" in CliRunner().invoke(command, []).output
