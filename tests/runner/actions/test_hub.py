"""Approvals are asked of a model of GitHub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.people import plan
from bot.people.commands import Verb, commands_in
from bot.people.plan import Footing, Request, Subject
from runner.actions.hub import Hub
from runner.actions.rules import ask
from tests.bot.lab import git, make_repository
from tests.github.faults import Fault
from tests.github.pulls import add_line, review_by
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


def test_however_often_strangers_name_the_head_each_costs_one_call(
    hub: Hub, github: GitHub, say: Say
) -> None:
    for _ in range(20):
        say("mallory", "/bot approve HEAD")
    say("grace", "/bot approve HEAD")
    assert approver(hub) == "grace"
    asked = [call.path for call in github.calls if call.path.endswith("/permission")]
    assert len(asked) == 2


def test_a_stranger_whom_github_does_not_know_any_more_refuses_nothing(
    hub: Hub, github: GitHub, say: Say
) -> None:
    say("mallory", "/bot approve HEAD")
    say("grace", "/bot approve HEAD")
    github.faults.append(
        Fault("GET /repos/lab/research/collaborators/mallory/permission", status=404)
    )
    assert approver(hub) == "grace"


@pytest.mark.parametrize(
    "body",
    ["> /bot approve HEAD", "```\n/bot approve HEAD\n```", "    /bot approve HEAD",
     "<!--\n/bot approve HEAD\n-->", "/bot approve HEAD and more", "please /bot approve HEAD",
     "/bot approve " + "0" * 40, "/bot approve", "~~~\n/bot approve HEAD\n~~~",
     "- /bot approve HEAD", "* a list\n/bot approve HEAD", "# /bot approve HEAD",
     "> quoted\n/bot approve HEAD", "[x]: y\n    /bot approve HEAD", "**/bot approve HEAD**"],
)  # fmt: skip
def test_a_quoted_or_other_command_approves_nothing(hub: Hub, say: Say, body: str) -> None:
    say("grace", body)
    assert approver(hub) is None


def test_a_comment_that_was_edited_approves_nothing(hub: Hub, github: GitHub, say: Say) -> None:
    say("grace", "/bot approve HEAD")
    comment = next(iter(github.comments.values()))
    comment.updated += 60
    assert approver(hub) is None


@pytest.mark.parametrize(
    "body",
    ["Looks fine to me, see `train.py`.\n\n/bot approve HEAD", "/BOT   Approve HEAD",
     "> is it safe?\n\nIt is.\n/bot approve HEAD\n- and a list"],
)  # fmt: skip
def test_what_the_bot_takes_for_an_approval_the_gate_takes_for_one(
    hub: Hub, say: Say, body: str
) -> None:
    say("grace", body)
    assert approver(hub) == "grace"


def test_an_approval_may_stand_in_a_review_or_on_a_line(hub: Hub, github: GitHub) -> None:
    pull, grace = github.pulls[1], github.user("grace")
    line = {"body": f"/bot approve {pull.head}", "path": "train.py", "line": 1}
    made = add_line(github, pull, grace, line, None)
    assert approver(hub) == "grace"
    del github.review_comments[made.id]
    assert approver(hub) is None
    review = review_by(github, pull, grace, "COMMENTED", f"Good.\n\n/bot approve {pull.head}", "")
    assert approver(hub) == "grace"
    review.edited = github.tick()
    assert approver(hub) is None


def test_where_nobody_tells_whether_a_review_was_edited_it_approves_nothing(
    hub: Hub, github: GitHub
) -> None:
    pull = github.pulls[1]
    review_by(github, pull, github.user("grace"), "COMMENTED", f"/bot approve {pull.head}", "")
    github.faults.append(Fault("POST /graphql", status=403, times=9))
    assert approver(hub) is None


HEAD = "a" * 40
marks = st.sampled_from([*"`~>#-*_[]()<>!|\\&\n\t 1.", f"/bot approve {HEAD}", "\n\n", "    "])


@settings(max_examples=3)
@given(st.lists(st.lists(marks, max_size=12).map("".join), min_size=30, max_size=60))
def test_gate_and_bot_read_every_comment_alike(bodies: list[str]) -> None:
    answers = ask("bot.people.checkapproval", told={"head": HEAD, "bodies": bodies})
    assert answers == [taken_by_the_bot(body) for body in bodies]


def taken_by_the_bot(body: str) -> bool:
    """Whether the bot takes the order to approve from a comment of somebody who may write."""
    request = Request(1, "1", "Grace", commands_in(body), may_write=True)
    subject = Subject(HEAD, Footing())
    replies = plan.answer(request, subject, paused=False).replies
    return any(reply.order and reply.order.verb is Verb.APPROVE for reply in replies)
