"""Which pull requests of people become experiments where bot.toml says `adopt = "files"`."""

from __future__ import annotations

import pytest

from bot.forge.base import Author, State
from bot.forge.github import adoption
from bot.forge.github.forge import GitHubForge
from bot.people.inbox import Inbox
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import open_one
from tests.github.state import GitHub, Pull

IDEA = {"train.py": b"rate = 5\n"}


@pytest.fixture
def forge(on_github: GitHubHub) -> GitHubForge:
    return on_github.another_bot(adopted_paths=["train.py"])


def opened(hub: GitHubHub, login: str, files: dict[str, bytes], branch: str = "idea") -> Pull:
    """A pull request that somebody opens on GitHub; that of a stranger from a fork."""
    hub.person_pushes(branch, hub.commit(files, hub.forge.base()))
    body = {"title": "Try it", "head": branch, "base": "main"}
    number = hub.new_client().post("pulls", body)["number"]
    pull = hub.github.pulls[number]
    pull.user = hub.github.user(login)
    pull.fork = not pull.user.may_write
    return pull


def experiments(forge: GitHubForge) -> list[int]:
    forge.sync_heads()
    return [pull.number for pull in forge.pulls(State.OPEN)]


@pytest.mark.parametrize("login", ["grace", "mallory"])
def test_one_that_changes_only_allowed_files_becomes_an_experiment(
    on_github: GitHubHub, forge: GitHubForge, login: str
) -> None:
    pull = opened(on_github, login, IDEA)
    assert experiments(forge) == [pull.number]
    assert pull.labels == ["experiment"]


def test_without_that_setting_a_label_decides_and_nothing_more_is_asked(
    on_github: GitHubHub, github: GitHub
) -> None:
    pull = opened(on_github, "grace", IDEA)
    assert experiments(on_github.forge) == []
    assert not any("/files" in call.path for call in github.calls)
    pull.labels.append("experiment")
    pull.updated = github.tick()
    assert experiments(on_github.forge) == [pull.number]


@pytest.mark.parametrize(
    "files", [{"notes.md": b"x\n"}, {**IDEA, "bot.toml": b""}, {".github/workflows/x.yml": b""}]
)
def test_one_that_changes_anything_else_is_left_alone(
    on_github: GitHubHub, forge: GitHubForge, files: dict[str, bytes]
) -> None:
    pull = opened(on_github, "grace", files)
    assert experiments(forge) == experiments(forge) == []
    assert pull.labels == []


def test_drafts_and_pull_requests_of_other_bots_are_left_alone(
    on_github: GitHubHub, forge: GitHubForge, github: GitHub
) -> None:
    opened(on_github, "grace", IDEA).draft = True
    opened(on_github, "github-actions[bot]", IDEA, "other")
    assert experiments(forge) == []


def test_whoever_takes_the_label_away_has_the_last_word(
    on_github: GitHubHub, forge: GitHubForge
) -> None:
    pull = opened(on_github, "mallory", IDEA)
    assert experiments(forge) == [pull.number]
    on_github.new_client("grace-token").delete(f"issues/{pull.number}/labels/experiment")
    assert experiments(forge) == []
    assert experiments(on_github.another_bot(adopted_paths=["train.py"])) == []


def test_a_stranger_brings_one_at_a_time_and_waits_for_an_approval_of_its_head(
    on_github: GitHubHub, forge: GitHubForge
) -> None:
    first = opened(on_github, "mallory", IDEA)
    opened(on_github, "mallory", IDEA, "again")
    grace = [opened(on_github, "grace", IDEA, name) for name in ("one", "two")]
    assert experiments(forge) == [first.number, *(pull.number for pull in grace)]
    footing = {
        pull.number: Inbox(forge).footing(pull, (), "").unapproved
        for pull in forge.pulls(State.OPEN)
    }
    assert footing == {first.number: True, **{pull.number: False for pull in grace}}


def test_many_strangers_together_bring_a_bounded_number(
    on_github: GitHubHub, forge: GitHubForge, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "MOST_OF_OTHERS", 2)
    for number in range(4):
        stranger = github.add_user(f"stranger-{number}")
        opened(on_github, stranger.login, IDEA, f"idea-{number}")
    mine = opened(on_github, "grace", IDEA, "mine")
    found = experiments(forge)
    assert len(found) == 2 + 1
    assert mine.number in found


def test_experiments_of_the_bot_and_of_members_keep_no_stranger_out(
    on_github: GitHubHub, forge: GitHubForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "MOST_OF_OTHERS", 1)
    own = open_one(on_github)
    mine = opened(on_github, "grace", IDEA, "mine")
    assert experiments(forge) == [own.number, mine.number]
    pull = opened(on_github, "mallory", IDEA)
    assert experiments(forge) == [own.number, mine.number, pull.number]


def test_what_was_closed_again_before_anything_happened_was_none(
    on_github: GitHubHub, forge: GitHubForge
) -> None:
    pull = opened(on_github, "mallory", IDEA)
    assert experiments(forge) == [pull.number]
    assert forge.pull(pull.number).author == Author("mallory", "104")
    on_github.new_client("mallory-token")
    pull.state, pull.closed, pull.updated = "closed", pull.updated + 1, pull.updated + 1
    assert experiments(forge) == []
    assert forge.sync_heads() == ()
