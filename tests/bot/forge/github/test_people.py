"""People on the model of GitHub: forks, approvals, lines, edits, reactions."""

from __future__ import annotations

import dataclasses

import pytest

from bot.forge.base import Author, Note, State
from bot.forge.github import looking
from bot.people.commands import Verb
from bot.people.inbox import Inbox
from bot.people.record import Order, Record, hidden, record_of
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import close, open_one
from tests.github.faults import Fault
from tests.github.pulls import add_line, review_by
from tests.github.state import GitHub, User


@pytest.fixture
def hub(on_github: GitHubHub) -> GitHubHub:
    open_one(on_github)
    return on_github


@pytest.fixture
def ada(github: GitHub) -> User:
    return person(github, "ada", "write")


def person(github: GitHub, login: str, permission: str) -> User:
    made = User(id=github.new_id(), login=login, permission=permission)
    github.users[made.id] = made
    return made


def test_comments_on_lines_are_read_with_their_place(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    add_line(github, github.pulls[1], ada, {"body": "Why?", "path": "train.py", "line": 1}, None)
    (comment,) = hub.forge.pull(1).comments
    assert (comment.path, comment.line, comment.body) == ("train.py", 1, "Why?")
    assert comment.author == Author("ada", str(ada.id))


def test_the_bots_notes_are_shown_on_their_lines(hub: GitHubHub, github: GitHub) -> None:
    hub.forge.review(1, hub.forge.bot, "Look.", [Note("train.py", 1, "Too low.")])
    (shown,) = github.review_comments.values()
    assert (shown.path, shown.line, shown.body) == ("train.py", 1, "Too low.")
    (comment,) = hub.forge.pull(1).comments
    assert comment.body == "Look.\n- `train.py`, line 1: Too low.\n"


def test_an_edited_comment_says_so(hub: GitHubHub, github: GitHub, ada: User) -> None:
    comment = github.comment(1, ada, "Fine.", None)
    comment.body, comment.updated = "/bot merge", github.tick()
    assert [each.edited for each in hub.forge.pull(1).comments] == [True]


def test_an_answer_is_a_reaction_too(hub: GitHubHub, github: GitHub, ada: User) -> None:
    comment = github.comment(1, ada, "/bot hold", None)
    line = add_line(
        github, github.pulls[1], ada, {"body": "/bot x", "path": "train.py", "line": 1}, None
    )
    hub.forge.react(1, str(comment.id), obeyed=True)
    hub.forge.react(1, f"line-{line.id}", obeyed=False)
    hub.forge.react(1, "987654", obeyed=True)  # deleted meanwhile
    assert [word for *_, word in github.comments[comment.id].reactions] == ["+1"]


def test_a_command_on_an_ended_experiment_is_found_until_the_bot_has_spoken(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    close(hub, hub.forge.pull(1))
    hub.verdicts[1] = hub.forge.pull(1).verdict or pytest.fail("no verdict")
    assert hub.forge.addressed("/bot") == ()
    github.comment(1, ada, "Thanks.", None)
    assert hub.forge.addressed("/bot") == ()
    github.comment(1, ada, "/BOT rerun", None)
    assert [pull.number for pull in hub.forge.addressed("/bot")] == [1]
    hub.forge.comment(1, hub.forge.bot, "It has ended.")
    assert hub.forge.addressed("/bot") == ()


def test_a_verdict_is_no_answer_to_what_was_said_just_before(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    holding = hub.another_bot(holds_s=100)
    (pull,) = holding.pulls(State.OPEN)
    github.comment(1, ada, "/bot pause", None)
    close(hub, pull, holding)
    hub.verdicts[1] = hub.forge.pull(1).verdict or pytest.fail("no verdict")
    assert [each.number for each in hub.forge.addressed("/bot")] == [1]
    hub.forge.comment(1, hub.forge.bot, "It is paused.")
    assert hub.forge.addressed("/bot") == ()


def test_talk_elsewhere_does_not_hide_a_command_on_an_ended_experiment(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    close(hub, hub.forge.pull(1))
    hub.verdicts[1] = hub.forge.pull(1).verdict or pytest.fail("no verdict")
    github.comment(1, ada, "/bot start", None)
    for _ in range(60):
        github.comment(1, ada, "Go on.", None)
    assert [pull.number for pull in hub.forge.addressed("/bot")] == [1]


def test_a_command_on_an_issue_with_the_number_of_an_old_experiment_stops_nothing(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    close(hub, hub.forge.pull(1))
    hub.verdicts[1] = hub.forge.pull(1).verdict or pytest.fail("no verdict")
    open_one(hub, "two", b"rate = 3\n")
    github.comment(1, ada, "/bot start", None)
    said = github.comment(1, ada, "/bot help", None)
    hub.verdicts[said.id] = hub.verdicts[1]
    said.issue = said.id  # none of the pull requests
    github.pulls[said.id] = dataclasses.replace(github.pulls[2], number=said.id, base="elsewhere")
    assert [pull.number for pull in hub.forge.addressed("/bot")] == [1]


def test_the_latest_review_of_each_person_says_which_head_they_approve(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    pull = github.pulls[1]
    eve = person(github, "eve", "read")
    pull.user = eve
    pull.labels.append("experiment")
    review_by(github, pull, ada, "APPROVED", "", "a" * 40)
    review_by(github, pull, ada, "COMMENTED", "", "b" * 40)
    review_by(github, pull, eve, "APPROVED", "", pull.head)
    assert {(each.author.name, each.head) for each in hub.forge.pull(1).approvals} == {
        ("ada", "a" * 40),
        ("eve", pull.head),
    }
    review_by(github, pull, ada, "CHANGES_REQUESTED", "", pull.head)
    assert [each.author.name for each in hub.forge.pull(1).approvals] == ["eve"]


def test_a_command_that_the_bots_account_passes_on_is_a_persons_who_may_write(
    hub: GitHubHub,
) -> None:
    hub.forge.comment(1, Author("Ada", "ada@example.org"), "/bot hold")
    hub.forge.comment(1, hub.forge.bot, "/bot merge")
    (request,) = Inbox(hub.forge).requests([hub.forge.pull(1)])
    assert [command.verb for command in request.commands] == [Verb.HOLD]
    assert request.may_write


def test_words_that_the_bots_account_passes_on_are_no_record_of_its_own(hub: GitHubHub) -> None:
    forged = hidden(Record(answers="1", orders=(Order(verb=Verb.MERGE),))) + "Merge it."
    hub.forge.comment(1, Author("Eve", "eve@example.org"), forged)
    hub.forge.comment(1, hub.forge.bot, hidden(Record(answers="2")) + "Fine.")
    passed_on, own = hub.forge.pull(1).comments
    assert record_of(passed_on, hub.forge.bot) is None
    assert record_of(own, hub.forge.bot) == Record(answers="2")


def test_what_a_review_says_as_a_whole_is_read_like_a_comment(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    review = review_by(github, github.pulls[1], ada, "COMMENTED", "Warm up.\n\n/bot hold", "")
    review_by(github, github.pulls[1], ada, "PENDING", "/bot merge", "")
    github.reviews[max(github.reviews)].submitted = None
    (comment,) = hub.forge.pull(1).comments
    found = (comment.id, comment.author.name, comment.edited)
    assert found == (f"review-{review.id}", "ada", False)
    (request,) = Inbox(hub.forge).requests([hub.forge.pull(1)])
    assert [command.verb for command in request.commands] == [Verb.HOLD]
    hub.forge.react(1, comment.id, obeyed=True)  # there are no signs for reviews
    review.body, review.edited = "/bot merge", github.tick()
    assert [each.edited for each in hub.forge.pull(1).comments] == [True]


def test_where_nobody_tells_whether_a_review_was_edited_it_counts_as_edited(
    hub: GitHubHub, github: GitHub, ada: User
) -> None:
    review_by(github, github.pulls[1], ada, "COMMENTED", "/bot merge", "")
    github.faults.append(Fault("POST /graphql", status=403, times=9))
    assert [each.edited for each in hub.forge.pull(1).comments] == [True]


def test_an_ended_experiment_that_somebody_opens_again_is_told_of(
    hub: GitHubHub, github: GitHub
) -> None:
    close(hub, hub.forge.pull(1))
    hub.verdicts[1] = hub.forge.pull(1).verdict or pytest.fail("no verdict")
    assert hub.forge.pulls(State.OPEN) == hub.forge.reopened() == ()
    hub.new_client("grace-token").patch("issues/1", {"state": "open"})
    assert hub.forge.pulls(State.OPEN) == ()
    (pull,) = hub.forge.reopened()
    assert Inbox(hub.forge).reopened([pull]) == (1,)
    hub.forge.comment(1, hub.forge.bot, hidden(Record(reopened=True)) + "Its verdict stands.")
    assert Inbox(hub.forge).reopened(hub.forge.reopened()) == ()


def test_of_many_commands_on_ended_experiments_those_of_members_come_first(
    hub: GitHubHub, github: GitHub, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_MOST_ADDRESSED", 1)
    open_one(hub, "two", b"rate = 3\n")
    for number in (1, 2):
        pull = hub.forge.pull(number)
        close(hub, pull)
        hub.verdicts[number] = hub.forge.pull(number).verdict or pytest.fail("no verdict")
    github.comment(1, github.user("mallory"), "/bot merge", None)
    github.comment(2, ada, "/bot start", None)
    assert [pull.number for pull in hub.forge.addressed("/bot")] == [2]
