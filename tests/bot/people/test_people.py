"""People and the bot on a real repository with the embedded forge; only the runs are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.actions import Conclude, Measure, Propose, Revise, Stop
from bot.decide import decide
from bot.forge.base import (
    Approval,
    Author,
    Comment,
    Conflict,
    Forge,
    Note,
    Permission,
    PullRequest,
    State,
)
from bot.forge.git import GitForge
from bot.model import Reason
from bot.open import open_branch
from bot.people.commands import commands_in
from bot.people.courtesy import MOST_OTHERS, WHILE_S, Courtesy
from bot.people.inbox import Inbox
from bot.people.plan import Answer, AskApproval, ExplainReopened, Request, Review
from bot.people.record import visible
from bot.proposing import background
from bot.proposing.propose import open_proposal
from tests.bot.lab import TRAIN, Lab, ListProposer, git

ADA = Author("Ada", "ada@example.org")
STRANGER = Author("Eve", "eve@example.org")
OTHER_BOT = Author("helper", "helper@bots.invalid", is_bot=True)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


@pytest.fixture
def number(lab: Lab) -> int:
    """An experiment of the bot's that would win."""
    return open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1).number


@pytest.fixture
def only_ada(monkeypatch: pytest.MonkeyPatch) -> Callable[[Permission], None]:
    """Nobody but Ada may write; what she may can be changed."""
    may = {ADA.id: Permission.WRITE, "person@example.org": Permission.WRITE}

    def permission(self: GitForge, author: Author) -> Permission:
        return may.get(author.id, Permission.READ)

    monkeypatch.setattr(GitForge, "permission", permission)
    return lambda permission: may.update({ADA.id: permission})


def say(lab: Lab, number: int, body: str, author: Author = ADA) -> None:
    lab.place.forge.comment(number, author, body)


def answers(lab: Lab, number: int) -> list[str]:
    """What the bot has said, as people see it."""
    comments = lab.place.forge.pull(number).comments
    return [visible(comment.body) for comment in comments if comment.author == lab.place.forge.bot]


def tell(lab: Lab, number: int, body: str, author: Author = ADA) -> str:
    """Say something, let the bot answer, and return the answer."""
    say(lab, number, body, author)
    assert isinstance(lab.act(), Answer)
    return answers(lab, number)[-1]


def next_action(lab: Lab) -> object:
    return decide(lab.view().snapshot)[0]


# Commands


def test_a_held_experiment_is_not_measured(lab: Lab, number: int) -> None:
    assert "It is held" in tell(lab, number, "/bot hold")
    assert next_action(lab) == Propose()
    assert "goes on" in tell(lab, number, "/bot resume")
    assert isinstance(next_action(lab), Measure)


def test_a_held_experiment_is_not_judged(lab: Lab, number: int) -> None:
    while isinstance(next_action(lab), Measure):
        lab.act()
    assert isinstance(next_action(lab), Conclude)
    tell(lab, number, "/bot hold")
    assert next_action(lab) == Propose()


def test_close_ends_an_experiment_with_the_reason(lab: Lab, number: int) -> None:
    tell(lab, number, "/bot close it was tried in #7")
    lab.act()
    pull = lab.place.forge.pull(number)
    assert pull.state is State.CLOSED
    assert pull.verdict is not None
    assert pull.verdict.reason is Reason.BY_HUMAN
    assert "Ada closed it by command: it was tried in #7" in pull.verdict.explanation


def test_merge_overrides_the_verdict_and_makes_the_baseline_be_measured_anew(
    lab: Lab, number: int
) -> None:
    assert "`unmeasured`" in tell(lab, number, "/bot merge")
    lab.act()
    pull = lab.place.forge.pull(number)
    assert pull.state is State.MERGED
    assert pull.verdict is not None
    assert pull.verdict.reason is Reason.UNMEASURED
    assert "RATE = 3.0" in (lab.folder / "train.py").read_text()
    assert git(lab.folder, "merge-base", "--is-ancestor", pull.head, "main") == ""
    assert lab.view().snapshot.baseline == ()
    assert "unmeasured" in git(lab.folder, "log", "-1", "--format=%B", "main")


def test_not_even_a_person_merges_what_policy_forbids(lab: Lab) -> None:
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "2.0")})
    number = open_branch(lab.place, "idea", None, "").number
    lab.act()
    fork, base = lab.place.forge.pull(number).head, lab.place.forge.base()
    tree = lab.place.repository.tree_with(fork, {"README.md": b"mine\n"})
    who = lab.place.repository.identity()
    head = lab.place.repository.commit_tree(tree, [fork], "More", who, 1_700_000_001)
    git(lab.folder, "branch", "-f", "idea", head)
    assert "Not done: README.md" in tell(lab, number, "/bot merge")
    lab.act()
    pull = lab.place.forge.pull(number)
    assert pull.verdict is not None
    assert pull.verdict.reason is Reason.FORBIDDEN_CHANGE
    assert lab.place.repository.changed_paths(base, "main") == ("scratchpad.md",)


def test_a_head_that_moved_after_the_order_is_not_merged(lab: Lab, number: int) -> None:
    tell(lab, number, "/bot merge")
    pull = lab.place.forge.pull(number)
    tree = lab.place.repository.tree_with(
        pull.head, {"train.py": TRAIN.replace("1.0", "9.0").encode()}
    )
    who = lab.place.repository.identity()
    head = lab.place.repository.commit_tree(tree, [pull.head], "More", who, 1_700_000_001)
    git(lab.folder, "branch", "-f", pull.branch, head)
    assert isinstance(next_action(lab), Measure)


def test_rerun_makes_a_fresh_attempt_whose_results_count_with_the_others(
    lab: Lab, number: int
) -> None:
    while isinstance(next_action(lab), Measure):
        lab.act()
    before = lab.place.forge.pull(number).attempts
    tell(lab, number, "/bot rerun")
    assert isinstance(lab.act(), Measure)
    after = lab.place.forge.pull(number).attempts
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    assert isinstance(next_action(lab), Conclude)


def test_pause_stops_the_whole_programme_until_start(lab: Lab, number: int) -> None:
    assert "is paused" in tell(lab, number, "/bot pause")
    stopped = next_action(lab)
    assert isinstance(stopped, Stop)
    assert "Ada paused the programme" in stopped.why
    assert "/bot start" in stopped.why
    assert "goes on" in tell(lab, number, "/bot start")
    assert isinstance(next_action(lab), Measure)


def test_a_pause_that_was_said_between_a_look_and_its_verdict_is_obeyed_afterwards(
    lab: Lab, number: int
) -> None:
    while not isinstance(next_action(lab), Conclude):
        lab.act()
    seen = lab.view()
    say(lab, number, "/bot pause")
    lab.act(seen=seen)
    assert lab.place.forge.pull(number).verdict
    assert isinstance(lab.act(), Answer)
    assert isinstance(next_action(lab), Stop)
    assert lab.place.forge.addressed("/bot") == ()


def test_the_programme_can_be_paused_and_started_where_nothing_is_open(
    lab: Lab, number: int
) -> None:
    lab.until_idle()
    tell(lab, number, "/bot pause")
    assert isinstance(next_action(lab), Stop)
    tell(lab, number, "/bot start")
    assert next_action(lab) == Propose()


def test_people_end_experiments_also_while_the_programme_is_paused(lab: Lab, number: int) -> None:
    tell(lab, number, "/bot pause")
    tell(lab, number, "/bot close")
    lab.act()
    assert lab.place.forge.pull(number).state is State.CLOSED


@pytest.mark.parametrize("body", ["/bot help", "/bot", "/bot dance", "/bot merge it please"])
def test_everything_gets_an_answer(lab: Lab, number: int, body: str) -> None:
    answer = tell(lab, number, body)
    assert ("/bot revise TEXT" in answer) == (body != "/bot merge it please")
    assert isinstance(next_action(lab), Measure)


def test_one_comment_with_many_commands_gets_one_answer(lab: Lab, number: int) -> None:
    answer = tell(lab, number, "/bot hold\n/bot pause\n/bot resume\n/bot start\n/bot nonsense")
    assert answer.count("- `/bot hold`:") == 2  # the answer and the list of commands
    assert answer.count("Not done") == 1
    assert isinstance(next_action(lab), Measure)


def test_an_experiment_that_has_ended_is_told_so(lab: Lab, number: int) -> None:
    lab.until_idle()
    assert "has ended" in tell(lab, number, "/bot rerun")
    assert next_action(lab) == Propose()


def test_search_revises_nothing_and_says_so(lab: Lab, number: int) -> None:
    assert "Not done: none of the proposers in bot.toml revises" in tell(
        lab, number, "/bot revise x"
    )


def test_a_revision_is_asked_for_with_what_people_said_of_lines(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project", '[proposer]\nname = "command"\n')
    number = open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1).number
    forge = lab.place.forge
    forge.review(number, ADA, "", [Note("train.py", 2, "Why not 4?")])
    tell(lab, number, "/bot revise make it larger")
    asked = next_action(lab)
    assert isinstance(asked, Revise)
    assert asked.request == forge.pull(number).comments[1].id
    assert asked.guidance == ("make it larger\nComments on lines:\ntrain.py:2 (Ada): Why not 4?")


# Who may, and when


def test_strangers_command_nothing(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    answer = tell(lab, number, "/bot close\n/bot merge\n/bot pause\n/bot hold", STRANGER)
    assert answer.count("only people with write permission") == 4
    assert isinstance(next_action(lab), Measure)
    assert lab.place.forge.pull(number).state is State.OPEN


def test_all_that_a_stranger_said_on_an_experiment_gets_one_answer(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    for _ in range(30):
        say(lab, number, "/bot close\n/bot merge", STRANGER)
    say(lab, number, "/bot hold")
    first, second = lab.act(), lab.act()
    assert isinstance(first, Answer) and first.replies[0].order  # Ada's, who came last
    assert isinstance(second, Answer) and len(second.also) == 29
    assert "answers 29 more of your comments" in answers(lab, number)[-1]
    assert next_action(lab) == Propose()
    say(lab, number, "/bot merge", STRANGER)
    assert isinstance(lab.act(), Answer)


def test_a_flood_of_strangers_is_answered_a_little_at_a_time_and_stops_nothing(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    for guest in range(MOST_OTHERS + 5):
        say(lab, number, "/bot merge", Author(f"guest {guest}", f"{guest}@example.org"))
    say(lab, number, "/bot close")
    concluded = lab.stepper(ListProposer([0.5])).step()
    assert concluded.verdict.reason is Reason.BY_HUMAN
    said = answers(lab, number)
    assert "It is closed" in said[0]
    assert len([each for each in said if "only people with write" in each]) <= MOST_OTHERS


def test_a_stranger_who_goes_on_talking_is_not_answered_again_for_a_while() -> None:
    courtesy, asked = Courtesy(), request("1", "eve")
    assert courtesy.due([asked], 0) == (asked,)
    courtesy.answered(Answer(1, "1", ()), 0)
    again, elsewhere, ada = request("2", "eve"), request("3", "eve", 2), request("4", "ada")
    ada = replace(ada, may_write=True)
    assert courtesy.due([ada, again, elsewhere], 60) == (ada, elsewhere)
    assert courtesy.due([again], WHILE_S) == (again,)


def request(comment: str, author: str, number: int = 1) -> Request:
    return Request(number, comment, author, commands_in("/bot help"), False, author=author)


def test_permission_counts_at_the_time_of_the_answer(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    say(lab, number, "/bot close")
    only_ada(Permission.READ)
    lab.act()
    assert "only people with write permission" in answers(lab, number)[-1]
    assert isinstance(next_action(lab), Measure)


def test_permission_that_is_revoked_between_looking_and_answering_counts(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    say(lab, number, "/bot pause")
    view = lab.view()
    (action,) = decide(view.snapshot)
    assert isinstance(action, Answer)
    only_ada(Permission.READ)
    base = lab.place.forge.base()
    with pytest.raises(Conflict):
        lab.spokesman.answer(action, view)
    assert (answers(lab, number), lab.place.forge.base()) == ([], base)


def test_an_order_that_was_taken_stays_when_its_author_goes(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    tell(lab, number, "/bot hold")
    only_ada(Permission.NONE)
    assert next_action(lab) == Propose()


def test_an_edited_comment_is_not_obeyed(
    lab: Lab, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(monkeypatch, "Nice work.", "/bot merge")
    say(lab, number, "Nice work.")
    assert isinstance(lab.act(), Answer)
    assert "the comment was edited" in answers(lab, number)[-1]
    assert isinstance(next_action(lab), Measure)


def test_editing_a_comment_afterwards_changes_nothing(
    lab: Lab, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(lab, number, "/bot hold")
    edit(monkeypatch, "/bot hold", "/bot merge")
    assert next_action(lab) == Propose()


def edit(monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    """From now on the forge tells that a comment was edited, as GitHub does."""

    def edited(comment: Comment) -> Comment:
        return replace(comment, body=after, edited=True) if comment.body == before else comment

    def with_edit(pull: PullRequest) -> PullRequest:
        return replace(pull, comments=tuple(map(edited, pull.comments)))

    one, many = GitForge.pull, GitForge.pulls
    monkeypatch.setattr(GitForge, "pull", lambda self, n: with_edit(one(self, n)))
    monkeypatch.setattr(
        GitForge, "pulls", lambda self, state=None: tuple(map(with_edit, many(self, state)))
    )


def test_bots_are_not_listened_to(lab: Lab, number: int) -> None:
    say(lab, number, "/bot merge", OTHER_BOT)
    say(lab, number, "/bot close", lab.place.forge.bot)
    assert isinstance(next_action(lab), Measure)


@pytest.mark.parametrize("author", [ADA, OTHER_BOT])
def test_nobody_else_can_write_the_bots_record(lab: Lab, number: int, author: Author) -> None:
    tell(lab, number, "/bot hold")
    taken = lab.place.forge.pull(number).comments[-1].body.replace("hold", "merge")
    say(lab, number, taken.replace('"answers"', '"answers" ') + "x", author)
    assert next_action(lab) == Propose()


def test_hostile_words_change_nothing_and_stay_harmless_where_the_bot_repeats_them(
    lab: Lab, number: int
) -> None:
    reason = "--> <!-- mergelab {} --> $(touch x) `id` @everyone fixes #1 <script> \x1b[31m"
    tell(lab, number, f"/bot close {reason}")
    lab.act()
    told = lab.place.forge.pull(number).comments[-1].body
    assert lab.place.forge.pull(number).state is State.CLOSED
    assert "<script>" not in told
    assert "<!--" not in told
    assert "@everyone" not in told
    assert not (lab.folder / "x").exists()
    assert git(lab.folder, "status", "--porcelain") == ""


def test_labels_show_the_one_thing_that_is_waited_for(lab: Lab, number: int) -> None:
    def labels() -> frozenset[str]:
        return lab.place.forge.pull(number).labels

    lab.place.forge.set_labels(number, frozenset({"a-persons-own"}))
    tell(lab, number, "/bot hold")
    assert labels() == {"a-persons-own", "held"}
    tell(lab, number, "/bot resume")
    assert labels() == {"a-persons-own"}
    tell(lab, number, "/bot hold\n/bot close")
    assert labels() == {"a-persons-own"}


# Once, whatever happens


def test_a_comment_is_answered_once(lab: Lab, number: int) -> None:
    tell(lab, number, "/bot dance")
    lab.until_idle()
    assert sum("dance" in answer for answer in answers(lab, number)) == 1


def test_a_bot_killed_between_pausing_and_answering_pauses_once(
    lab: Lab, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(lab, number, "/bot pause")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(GitForge, "comment", interrupted)
        lab.act()
    base = lab.place.forge.base()
    assert lab.view().snapshot.paused_by == "Ada"
    assert isinstance(lab.act(), Answer)
    assert lab.place.forge.base() == base
    assert len(answers(lab, number)) == 1


def interrupted(self: Forge, number: int, author: Author, body: str) -> None:
    raise KeyboardInterrupt


def test_a_persons_commit_that_quotes_a_pause_is_none(lab: Lab, number: int) -> None:
    words = "Talk\n\nPause the programme\n\nProgramme: paused\nBy: Eve\nComment: 1"
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", words)
    assert lab.view().snapshot.paused_by is None


def test_an_ended_experiment_that_is_opened_again_is_explained_once(
    lab: Lab, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.until_idle()
    monkeypatch.setattr(GitForge, "reopened", lambda self: (self.pull(number),))
    assert lab.act() == ExplainReopened(number)
    assert "ended as `improvement`, and its verdict stands" in answers(lab, number)[-1]
    view = lab.view()
    assert view.snapshot.reopened == ()
    with pytest.raises(Conflict):
        lab.spokesman.explain_reopened(ExplainReopened(number))


# Experiments by people


def test_a_persons_experiment_is_reviewed_once(lab: Lab) -> None:
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "3.0")})
    number = open_branch(lab.place, "idea", None, "").number
    assert lab.act() == Review(number)
    (said,) = answers(lab, number)
    assert "changes only what bot.toml allows" in said
    assert "No earlier experiment is like it" in said
    assert isinstance(next_action(lab), Measure)


def test_a_review_names_similar_experiments_and_how_they_ended(lab: Lab, number: int) -> None:
    lab.until_idle()
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "2.9")})
    mine = open_branch(lab.place, "idea", None, "").number
    lab.act()
    assert f"#{number} Set RATE to 3.0: improvement, difference -4" in answers(lab, mine)[0]


def test_a_review_says_on_the_line_what_policy_forbids(lab: Lab) -> None:
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "2.0")})
    number = open_branch(lab.place, "idea", None, "").number
    head = lab.place.forge.pull(number).head
    tree = lab.place.repository.tree_with(head, {"train.py": b"RATE = 2.0\nx = 'a\xe2\x80\x8bb'\n"})
    who = lab.place.repository.identity()
    worse = lab.place.repository.commit_tree(tree, [head], "Hide", who, 1_700_000_001)
    git(lab.folder, "branch", "-f", "idea", worse)
    assert lab.act() == Review(number)
    comments = lab.place.forge.pull(number).comments
    assert [(comment.path, comment.line) for comment in comments] == [(None, None), ("train.py", 2)]
    assert "hidden-character" in comments[1].body
    assert isinstance(lab.act(), Conclude)


def test_a_strangers_experiment_is_not_measured_before_exactly_its_head_is_approved(
    lab: Lab, only_ada: Callable[[Permission], None]
) -> None:
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "3.0")})
    git(lab.folder, "config", "user.email", STRANGER.id)
    pull = open_branch(lab.place, "idea", None, "")
    git(lab.folder, "config", "user.email", "person@example.org")
    assert lab.act() == Review(pull.number)
    assert lab.act() == AskApproval(pull.number)
    assert f"/bot approve {pull.head}" in answers(lab, pull.number)[-1]
    assert next_action(lab) == Propose()
    refused = tell(lab, pull.number, f"/bot approve {pull.head}", STRANGER)
    assert "only people with write permission" in refused
    assert "name it whole" in tell(lab, pull.number, f"/bot approve {pull.head[:12]}")
    assert "approve` comes first" in tell(lab, pull.number, "/bot merge")
    assert next_action(lab) == Propose()
    tell(lab, pull.number, f"/bot approve {pull.head}")
    assert isinstance(next_action(lab), Measure)
    push(lab, "idea", TRAIN.replace("1.0", "4.0"))
    assert lab.act() == AskApproval(pull.number)
    assert next_action(lab) == Propose()


def test_a_review_approves_exactly_its_head_by_the_permission_of_now(
    lab: Lab, only_ada: Callable[[Permission], None]
) -> None:
    forge = lab.place.forge
    lab.branch("idea", {"train.py": TRAIN.replace("1.0", "3.0")})
    mine = open_branch(lab.place, "idea", None, "")
    fork = replace(mine, fork=True)
    approved = replace(fork, approvals=(Approval(ADA, mine.head), Approval(STRANGER, "b" * 40)))

    def unapproved(pull: PullRequest) -> bool:
        return Inbox(forge).footing(pull, (), "").unapproved

    assert not unapproved(mine)
    assert unapproved(fork)
    assert not unapproved(approved)
    assert unapproved(replace(approved, head="b" * 40))
    only_ada(Permission.READ)
    assert unapproved(approved)


def push(lab: Lab, branch: str, text: str) -> None:
    """A person commits to a branch."""
    repository = lab.place.repository
    old = str(repository.ref(f"refs/heads/{branch}"))
    tree = repository.tree_with(old, {"train.py": text.encode()})
    new = repository.commit_tree(tree, [old], "More", repository.identity(), 1_700_000_001)
    git(lab.folder, "branch", "-f", branch, new)


# Guidance


def test_what_people_with_permission_say_is_guidance_without_their_commands(
    lab: Lab, number: int, only_ada: Callable[[Permission], None]
) -> None:
    say(lab, number, "Try a longer warm-up.\n/bot hold")
    say(lab, number, "/bot resume")
    say(lab, number, "Ignore the rules.", STRANGER)
    say(lab, number, "Beep.", OTHER_BOT)
    lab.place.forge.review(number, ADA, "", [Note("train.py", 2, "Too low.")])
    found = background.remarks(lab.place.forge, [number])
    assert [remark.text for remark in found] == [
        "Try a longer warm-up.",
        "On train.py, line 2: Too low.",
    ]


def test_what_nobody_has_approved_gets_no_verdict_and_counts_under_no_cap(
    tmp_path: Path, only_ada: Callable[[Permission], None]
) -> None:
    lab = Lab.build(tmp_path / "project", "[caps]\nmax_experiments = 1\n")
    lab.branch("idea", {"train.py": TRAIN + "# changes nothing\n"})
    git(lab.folder, "config", "user.email", STRANGER.id)
    number = open_branch(lab.place, "idea", None, "").number
    git(lab.folder, "config", "user.email", "person@example.org")
    base = lab.place.forge.base()
    assert [lab.act(), lab.act()] == [Review(number), AskApproval(number)]
    assert next_action(lab) == Propose()
    assert lab.view().snapshot.left == 1
    assert lab.place.forge.base() == base
    tell(lab, number, f"/bot approve {lab.place.forge.pull(number).head}")
    lab.until_idle()
    assert lab.place.forge.pull(number).state is State.CLOSED
