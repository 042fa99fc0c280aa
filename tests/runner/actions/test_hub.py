"""Approvals are asked of a model of GitHub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.actions.hub import Hub
from tests.bot.lab import git, make_repository
from tests.github.pulls import review_by
from tests.github.server import running
from tests.github.setting import ACTIONS_TOKEN, BOT_TOKEN, new_github
from tests.github.state import GitHub


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    make_repository(tmp_path / "work")
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "work"), str(tmp_path / "github.git"))
    return new_github(tmp_path / "github.git")


@pytest.fixture
def hub(github: GitHub, tmp_path: Path) -> Iterator[Hub]:
    work = tmp_path / "work"
    git(work, "checkout", "-q", "-b", "exp/x")
    (work / "train.py").write_text("x = 2\n")
    git(work, "commit", "-qam", "Work")
    git(work, "push", "-q", str(github.repository.path), "exp/x")
    with running(github) as address:
        hub = Hub(github.full_name, ACTIONS_TOKEN, address)
        bot = Hub(github.full_name, BOT_TOKEN, address)
        body = {"title": "x", "body": "", "head": "exp/x", "base": "main"}
        assert bot._ask("POST", "/pulls", body=body)["number"] == 1
        pull = github.pulls[1]
        pull.user, pull.fork = github.user("mallory"), True
        yield hub


Say = Callable[[str, str], None]


@pytest.fixture
def say(github: GitHub) -> Say:
    def comment(login: str, body: str) -> None:
        github.comment(1, github.user(login), body.replace("HEAD", github.pulls[1].head))

    return comment


def approver(hub: Hub) -> str | None:
    return hub.approver(hub.pull(1))


def test_it_is_known_where_a_pull_request_comes_from(hub: Hub, github: GitHub) -> None:
    found = hub.pull(1)
    assert found.head_sha == github.pulls[1].head
    assert found.head_repository == "stranger/research"
    assert found.state == "open" and found.base_branch == "main"


def test_a_review_of_this_head_by_a_writer_approves(hub: Hub, github: GitHub) -> None:
    pull, grace = github.pulls[1], github.user("grace")
    review_by(github, pull, grace, "APPROVED", "", "0" * 40)
    assert approver(hub) is None
    review_by(github, pull, grace, "APPROVED", "", pull.head)
    assert approver(hub) == "grace"


def test_a_later_review_of_the_same_person_takes_it_back(hub: Hub, github: GitHub) -> None:
    pull, grace = github.pulls[1], github.user("grace")
    review_by(github, pull, grace, "APPROVED", "", pull.head)
    review_by(github, pull, grace, "COMMENTED", "", pull.head)
    assert approver(hub) == "grace"
    review_by(github, pull, grace, "CHANGES_REQUESTED", "", pull.head)
    assert approver(hub) is None


@pytest.mark.parametrize("login", ["rita", "mallory", "mergelab[bot]"])
def test_nobody_else_approves(hub: Hub, github: GitHub, say: Say, login: str) -> None:
    review_by(github, github.pulls[1], github.user(login), "APPROVED", "", github.pulls[1].head)
    say(login, "/bot approve HEAD")
    assert approver(hub) is None


def test_a_permission_that_was_revoked_counts_no_more(hub: Hub, github: GitHub, say: Say) -> None:
    say("grace", "/bot approve HEAD")
    assert approver(hub) == "grace"
    github.user("grace").permission = "read"
    assert approver(hub) is None


@pytest.mark.parametrize(
    "body",
    ["> /bot approve HEAD", "```\n/bot approve HEAD\n```", "    /bot approve HEAD",
     "<!--\n/bot approve HEAD\n-->", "/bot approve HEAD and more", "please /bot approve HEAD",
     "/bot approve " + "0" * 40, "/bot approve", "~~~\n/bot approve HEAD\n~~~"],
)  # fmt: skip
def test_a_quoted_or_other_command_approves_nothing(hub: Hub, say: Say, body: str) -> None:
    say("grace", body)
    assert approver(hub) is None


def test_a_comment_that_was_edited_approves_nothing(hub: Hub, github: GitHub, say: Say) -> None:
    say("grace", "/bot approve HEAD")
    comment = next(iter(github.comments.values()))
    comment.updated += 60
    assert approver(hub) is None
