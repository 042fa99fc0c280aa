from __future__ import annotations

from pathlib import Path

import pytest

from bot.actions import Measure
from bot.decide import decide
from bot.forge.base import Conflict
from bot.git import NoIdentity
from bot.open import CannotOpen, open_branch
from bot.people.plan import Review
from tests.bot.lab import TRAIN, Lab, git

IDEA = {"train.py": TRAIN.replace("1.0", "2.5")}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def test_a_persons_branch_becomes_an_experiment_in_their_name(lab: Lab) -> None:
    head = lab.branch("my-idea", IDEA, "Raise the rate")
    pull = open_branch(lab.place, "my-idea", None, "")
    assert (pull.number, pull.title, pull.head) == (1, "Raise the rate", head)
    assert (pull.author.name, pull.author.is_bot) == ("Person", False)
    assert lab.act() == Review(1)
    assert isinstance(decide(lab.view().snapshot)[0], Measure)


def test_the_branch_that_is_checked_out_is_meant_when_none_is_named(lab: Lab) -> None:
    lab.branch("my-idea", IDEA)
    git(lab.folder, "switch", "-q", "my-idea")
    assert open_branch(lab.place, None, "A title", "").branch == "my-idea"


def test_the_base_branch_itself_cannot_be_opened(lab: Lab) -> None:
    with pytest.raises(CannotOpen, match="git switch -c"):
        open_branch(lab.place, None, None, "")


def test_a_detached_head_asks_for_the_branch(lab: Lab) -> None:
    git(lab.folder, "switch", "-q", "--detach")
    with pytest.raises(CannotOpen, match="detached"):
        open_branch(lab.place, None, None, "")


@pytest.mark.parametrize("name", ["nowhere", "--help", "a b", "x..y", "\x1b[31m"])
def test_a_branch_that_is_not_there_is_named_safely(lab: Lab, name: str) -> None:
    with pytest.raises(CannotOpen, match="no branch"):
        open_branch(lab.place, name, None, "")


def test_forbidden_changes_are_listed_and_nothing_is_opened(lab: Lab) -> None:
    lab.branch("my-idea", {**IDEA, "README.md": "Mine.\n"})
    with pytest.raises(CannotOpen, match=r"README\.md"):
        open_branch(lab.place, "my-idea", None, "")
    assert lab.place.forge.pulls() == ()


def test_the_same_branch_is_not_opened_twice(lab: Lab) -> None:
    lab.branch("my-idea", IDEA)
    open_branch(lab.place, "my-idea", None, "")
    with pytest.raises(Conflict):
        open_branch(lab.place, "my-idea", None, "")


def test_nobody_without_a_name_opens_anything(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.branch("my-idea", IDEA)
    for key in ("user.name", "user.email"):
        git(lab.folder, "config", "--unset", key)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    with pytest.raises(NoIdentity, match=r"git config user\.name"):
        open_branch(lab.place, "my-idea", None, "")
