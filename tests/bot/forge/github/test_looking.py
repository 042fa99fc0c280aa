"""What a look costs, how long it holds, and that nothing hides behind the end of a page."""

from __future__ import annotations

import dataclasses

import pytest

from bot.forge.base import Check, Conclusion, Conflict, ForgeError, State
from bot.forge.github.forge import GitHubForge
from bot.forge.github.memory import OWN_HOLDS_S
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import CLOSED, MERGED, attempt, close, merge, merge_commit, open_one, run
from tests.github.pulls import add_line, review_by
from tests.github.state import GitHub, Pull

HOLDS_S = 100.0


@pytest.fixture
def holding(on_github: GitHubHub) -> GitHubForge:
    """A bot whose looks hold for a while; `on_github.forge` is another one, which always looks."""
    return on_github.another_bot(holds_s=HOLDS_S)


def reads(github: GitHub) -> list[str]:
    """What was read since the last time, without the name of the repository."""
    found = [
        call.path.removeprefix("/repos/lab/research/")
        for call in github.calls
        if call.method == "GET"
    ]
    github.calls.clear()
    return found


def test_a_look_takes_three_calls_and_one_for_the_reviews_of_each_experiment(
    on_github: GitHubHub, github: GitHub
) -> None:
    for name, text in (("one", b"rate = 2\n"), ("two", b"rate = 5\n"), ("three", b"rate = 6\n")):
        open_one(on_github, name, text)
    github.calls.clear()
    assert len(on_github.another_bot().pulls(State.OPEN)) == 3
    asked = [path for path in reads(github) if "/users/" not in path]
    assert asked[:3] == ["pulls", "issues/comments", "pulls/comments"]
    assert asked[3:] == [f"pulls/{number}/reviews" for number in (1, 2, 3)]


def test_what_a_bot_wrote_itself_it_does_not_read_again(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    (pull,) = holding.pulls(State.OPEN)
    github.calls.clear()
    holding.start(1, attempt(on_github, pull))
    holding.record(1, "a1", 0, {"metric": 1.5})
    holding.comment(1, holding.bot, "Half of it.")
    holding.sync_heads()
    (seen,) = holding.pulls(State.OPEN)
    assert seen.attempts[0].results == {0: {"metric": 1.5}}
    assert [comment.body for comment in seen.comments] == ["Half of it."]
    assert holding.addressed("/bot") == ()
    assert reads(github) == []
    assert seen == on_github.another_bot().pulls(State.OPEN)[0]


def test_a_look_holds_for_a_while_and_no_longer(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    holding.pulls(State.OPEN)
    github.comment(1, github.user("grace"), "/bot hold")
    assert holding.pulls(State.OPEN)[0].comments == ()
    github.now += int(HOLDS_S)
    assert [comment.body for comment in holding.pulls(State.OPEN)[0].comments] == ["/bot hold"]


def test_one_that_is_asked_for_by_its_number_is_read_anew(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    holding.pulls(State.OPEN)
    github.comment(1, github.user("grace"), "/bot hold")
    assert [comment.body for comment in holding.pull(1).comments] == ["/bot hold"]


def test_a_check_about_results_of_this_process_is_shown_once_without_looking_for_it(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    pull = open_one(on_github)
    holding.pulls(State.OPEN)
    holding.start(1, attempt(on_github, pull))
    holding.record(1, "a1", 0, {"metric": 1.5})
    github.calls.clear()
    check = Check("a1", pull.head, Conclusion.NEUTRAL, "35.2 (+0.1)", "It is worse.")
    holding.post(1, check)
    assert reads(github) == []
    holding.post(1, check)
    on_github.forge.post(1, check)
    assert len(github.checks) == 1


@pytest.mark.parametrize("end", [merge, close])
def test_before_a_merge_it_is_read_anew_what_another_bot_wrote(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge, end: object
) -> None:
    pull = open_one(on_github)
    holding.pulls(State.OPEN)
    other = close(on_github, pull) if end is close else merge(on_github, pull)
    assert other == holding.base()
    commit = merge_commit(on_github, pull)
    with pytest.raises(Conflict):
        holding.merge(1, head=pull.head, base=other, commit=commit, verdict=MERGED, comment="")
    assert holding.base() == other
    assert holding.pulls(State.OPEN) == ()


def test_an_own_result_is_known_where_the_list_has_it_not_yet(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    pull = open_one(on_github)
    holding.pulls(State.OPEN)
    holding.start(1, attempt(on_github, pull))
    holding.record(1, "a1", 0, {"metric": 1.5})
    del github.comments[max(github.comments)]  # as in an older list
    github.now += int(HOLDS_S)
    assert holding.pulls(State.OPEN)[0].attempts[0].results == {0: {"metric": 1.5}}
    github.now += int(OWN_HOLDS_S)
    assert holding.pulls(State.OPEN)[0].attempts[0].results == {}, "it was deleted"


def test_what_a_person_closed_since_the_look_is_not_merged(
    on_github: GitHubHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    (pull,) = holding.pulls(State.OPEN)
    base = holding.base()
    on_github.new_client("grace-token").patch("issues/1", {"state": "closed"})
    with pytest.raises(Conflict, match="closed"):
        merge(on_github, pull, holding)
    assert holding.base() == base
    assert [stray.number for stray in holding.sync_heads()] == [1]


def test_what_was_said_since_the_look_is_heard_before_a_merge_and_holds_it_up_once(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    (pull,) = holding.pulls(State.OPEN)
    base = holding.base()
    github.comment(1, github.user("grace"), "/bot hold")
    holding.pull(1)  # whoever reads it for something else has not decided upon it
    with pytest.raises(Conflict, match="said"):
        merge(on_github, pull, holding)
    assert holding.base() == base
    assert [each.body for each in holding.pulls(State.OPEN)[0].comments] == ["/bot hold"]
    holding.comment(1, holding.bot, "Fine.")
    assert merge(on_github, pull, holding) == holding.base() != base


@pytest.mark.parametrize("on_a_line", [True, False])
def test_what_a_review_said_since_the_look_is_heard_before_a_merge_too(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge, on_a_line: bool
) -> None:
    open_one(on_github)
    (pull,) = holding.pulls(State.OPEN)
    shown, grace = github.pulls[1], github.user("grace")
    if on_a_line:
        said = {"body": "/bot hold", "path": "train.py", "line": 1}
        add_line(github, shown, grace, said, None)
    else:
        review_by(github, shown, grace, "COMMENTED", "/bot hold", shown.head)
    with pytest.raises(Conflict, match="said"):
        merge(on_github, pull, holding)
    assert [each.body for each in holding.pulls(State.OPEN)[0].comments] == ["/bot hold"]
    merge(on_github, pull, holding)


def test_a_bot_that_was_refused_looks_again(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    pull = open_one(on_github)
    holding.pulls(State.OPEN)
    base = holding.base()
    close(on_github, pull)
    commit = on_github.commit({"scratchpad.md": b"lost too\n"}, base)
    with pytest.raises(Conflict):
        holding.close(1, head=pull.head, base=base, commit=commit, verdict=CLOSED, comment="")
    assert holding.pulls(State.OPEN) == ()


def test_an_approval_is_still_known_when_somebody_spoke_as_an_attempt_was_started(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    open_one(on_github)
    shown = github.pulls[1]
    shown.user = github.user("mallory")
    shown.labels.append("experiment")
    review_by(github, shown, github.user("grace"), "APPROVED", "", shown.head)
    (pull,) = holding.pulls(State.OPEN)
    github.comment(1, github.user("grace"), "Go on.")
    holding.start(1, attempt(on_github, pull))
    (seen,) = holding.pulls(State.OPEN)
    assert [each.body for each in seen.comments] == ["Go on."]
    assert seen.approvals == pull.approvals != ()
    holding.set_labels(1, frozenset({"mine"}))
    assert "experiment: measuring" in shown.labels


def test_two_bots_that_start_the_same_attempt_from_old_looks_are_told_apart(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    pull = open_one(on_github)
    other = on_github.another_bot(holds_s=HOLDS_S)
    holding.pulls(State.OPEN)
    other.pulls(State.OPEN)
    holding.start(1, attempt(on_github, pull))
    with pytest.raises(Conflict, match="first"):
        other.start(1, attempt(on_github, pull))
    (kept,) = other.pulls(State.OPEN)[0].attempts
    assert kept.id == "a1"


def test_two_results_of_one_run_from_old_looks_are_one_result(
    on_github: GitHubHub, github: GitHub, holding: GitHubForge
) -> None:
    pull = open_one(on_github)
    on_github.forge.start(1, attempt(on_github, pull))
    other = on_github.another_bot(holds_s=HOLDS_S)
    holding.pulls(State.OPEN)
    other.pulls(State.OPEN)
    holding.record(1, "a1", 0, {"metric": 1.0})
    other.record(1, "a1", 0, {"metric": 2.0})
    assert on_github.forge.pull(1).attempts[0].results == {0: {"metric": 1.0}}
    with pytest.raises(Conflict):
        on_github.another_bot().record(1, "a1", 0, {"metric": 3.0})


def test_what_was_said_behind_the_latest_page_is_read_as_well(
    on_github: GitHubHub, github: GitHub
) -> None:
    one = open_one(on_github)
    on_github.forge.start(1, attempt(on_github, one))
    open_one(on_github, "two", b"rate = 5\n")
    for _ in range(5):
        github.comment(2, github.user("grace"), "x")
    github.page_limit = 3
    first, second = on_github.another_bot().pulls(State.OPEN)
    assert [each.id for each in first.attempts] == ["a1"]
    assert len(second.comments) == 5


@pytest.mark.parametrize("verdict_before", [False, True])
def test_however_many_others_closed_since_none_hides_what_a_person_closed(
    on_github: GitHubHub, github: GitHub, verdict_before: bool
) -> None:
    hub = on_github
    if verdict_before:
        close(hub, open_one(hub, "zero", b"rate = 7\n"))
        hub.verdicts[1] = CLOSED
        github.now += 7200
    pull = open_one(hub)
    still = open_one(hub, "two", b"rate = 5\n")
    github.now += 7200
    hub.new_client("grace-token").patch(f"issues/{pull.number}", {"state": "closed"})
    for number in range(100, 250):
        github.pulls[number] = dataclasses.replace(
            github.pulls[pull.number], number=number, id=github.new_id(), labels=[], fork=True,
            user=github.user("mallory"), updated=github.tick(),
        )  # fmt: skip
    forge = hub.another_bot()
    assert [stray.number for stray in forge.sync_heads()] == [pull.number]
    assert [each.number for each in forge.pulls(State.OPEN)] == [pull.number, still.number]


def test_numbers_of_another_forge_that_github_has_yet_to_give_are_refused(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub = on_github
    hub.verdicts |= {1: CLOSED, 2: MERGED}
    for refused in (hub.forge.sync_heads, lambda: open_one(hub)):
        with pytest.raises(ForgeError, match="Open issues there and close them, 2 in all"):
            refused()
    assert hub.branch("exp/one") is None
    head, grace, at = hub.forge.base(), github.user("grace"), github.tick()
    for number in (1, 2):  # no experiment, but GitHub counts it
        github.pulls[number] = Pull(
            number, github.new_id(), grace, "Docs", "", "docs", "other", head, head, at, at
        )
    assert open_one(hub).number == 3
    github.calls.clear()
    assert [pull.number for pull in hub.another_bot().pulls(State.OPEN)] == [3]
    assert "issues" not in reads(github), "its own pull requests tell as much"


@pytest.mark.parametrize("end", [merge, close])
def test_the_head_of_an_ended_experiment_is_the_one_that_was_judged(
    on_github: GitHubHub, github: GitHub, end: object
) -> None:
    hub = on_github
    first = open_one(hub)
    judged = hub.commit({"train.py": b"rate = 4\n"}, first.head)
    hub.person_pushes(first.branch, judged)
    hub.forge.sync_heads()
    (pull,) = hub.forge.pulls(State.OPEN)
    assert pull.head == judged
    merge(hub, pull) if end is merge else close(hub, pull)
    hub.person_pushes(first.branch, hub.commit({"train.py": b"rate = 9\n"}, judged))
    ended = hub.another_bot().pull(1)
    assert (ended.head, ended.state is State.OPEN) == (judged, False)
    assert run(hub.path, "rev-parse", "main") == hub.forge.base()
