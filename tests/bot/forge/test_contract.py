"""What every forge promises. The fixture `hub` says which ones are put through it."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable

import pytest

from bot.forge.base import (
    Audit,
    AuditedWinner,
    BranchTaken,
    Check,
    Conclusion,
    Conflict,
    Forge,
    ForgeError,
    NoSuchPull,
    Note,
    Permission,
    PlannedRun,
    PullRequest,
    State,
    Stray,
)
from bot.forge.git import GitForge
from bot.forge.git.worktree import MARKER, Worktree
from bot.forge.github.forge import GitHubForge
from bot.git import Create
from bot.model import Estimate, Purpose, Reason, Side, Verdict
from tests.bot.forge.hub import (
    CLOSED,
    MERGED,
    PERSON,
    Hub,
    attempt,
    close,
    merge,
    merge_commit,
    open_one,
    propose,
)

HOSTILE = (
    "\n--exec\r\n\x00\x1b[31m$(touch x); `id` 'q' \"q\" \u202e <a@b> State: closed\n\nState: merged"
)


def test_a_new_repository_has_no_pull_requests(forge: Forge) -> None:
    assert forge.pulls() == ()


def test_open_gives_the_pull_request_and_its_branch(hub: Hub) -> None:
    new = propose(hub, title="Raise the rate")
    pull = hub.forge.open(new)
    assert (pull.number, pull.state, pull.head) == (1, State.OPEN, new.head)
    assert (pull.title, pull.body, pull.branch) == ("Raise the rate", "Because.", "exp/one")
    assert (pull.author, pull.record) == (hub.seen_as(PERSON), {"proposer": "search"})
    assert hub.branch("exp/one") == new.head
    assert hub.forge.pull(1) == pull
    assert hub.forge.pulls(State.OPEN) == (pull,)


def test_what_a_pull_request_takes_the_place_of_ends_with_its_opening(hub: Hub) -> None:
    prefix = "refs/forge/proposals/"
    ref, forge = f"{prefix}1-abc", hub.forge
    assert isinstance(forge, GitForge | GitHubForge)
    commit = hub.commit({"proposal.json": b"{}"}, forge.base())
    forge.repository.update_refs([Create(ref, commit)], "kept")
    forge.own_refs.publish(ref, old=None, new=commit)
    assert forge.own_refs.below(prefix) == {ref: commit}
    forge.open(dataclasses.replace(propose(hub), instead_of=(ref, commit)))
    assert forge.own_refs.below(prefix) == {}
    with pytest.raises(Conflict, match="Another bot"):
        forge.open(dataclasses.replace(propose(hub, "two", b"x"), instead_of=(ref, commit)))
    assert len(forge.pulls()) == 1 and hub.branch("exp/two") is None


def test_numbers_go_up_by_one(hub: Hub) -> None:
    numbers = [open_one(hub, name, name.encode()).number for name in ("one", "two", "three")]
    assert numbers == [1, 2, 3]
    assert [pull.number for pull in hub.forge.pulls()] == [1, 2, 3]


def test_open_takes_a_branch_that_a_person_has_made(hub: Hub) -> None:
    new = propose(hub)
    hub.person_pushes("exp/one", new.head)
    assert hub.forge.open(new).head == new.head


def test_open_refuses_a_branch_that_is_elsewhere(hub: Hub) -> None:
    new = propose(hub)
    elsewhere = hub.forge.base()
    hub.person_pushes("exp/one", elsewhere)
    with pytest.raises(Conflict):
        hub.forge.open(new)
    assert (hub.forge.pulls(), hub.branch("exp/one")) == ((), elsewhere)


def test_open_refuses_a_second_pull_request_for_a_branch(hub: Hub) -> None:
    pull = open_one(hub)
    with pytest.raises(Conflict):
        hub.another_bot().open(propose(hub))
    assert hub.forge.pulls() == (pull,)


def test_a_branch_is_free_again_when_its_pull_request_has_ended(hub: Hub) -> None:
    new = propose(hub)
    close(hub, hub.forge.open(new))
    assert hub.forge.open(new).number == 2


@pytest.mark.parametrize(
    "branch",
    [
        "main",
        "-x",
        "exp/-x",
        "a b",
        "a..b",
        "a\nb",
        "",
        "/",
        "HEAD",
        "x.lock",
        "\udcff",
        "a\u202eb",
    ],
)
def test_open_refuses_a_branch_name_that_is_none(hub: Hub, branch: str) -> None:
    with pytest.raises(ForgeError):
        hub.forge.open(dataclasses.replace(propose(hub), branch=branch))
    assert hub.forge.pulls() == ()


def test_open_refuses_an_empty_title(hub: Hub) -> None:
    with pytest.raises(ForgeError, match="title"):
        hub.forge.open(propose(hub, title=" \n\x00 "))


def test_open_refuses_a_head_that_does_not_exist(hub: Hub) -> None:
    with pytest.raises(ForgeError):
        hub.forge.open(dataclasses.replace(propose(hub), head="0" * 40))


def test_hostile_text_arrives_as_it_was_and_does_nothing(hub: Hub) -> None:
    hub.forge.open(dataclasses.replace(propose(hub, title=HOSTILE), body=HOSTILE))
    hub.forge.comment(1, dataclasses.replace(PERSON, name=HOSTILE), HOSTILE)
    pull = hub.forge.pull(1)
    assert pull.title == "--exec [31m$(touch x); `id` 'q' \"q\" <a@b> State: closed State: merged"
    assert (pull.body, pull.comments[0].body) == (hub.kept(HOSTILE), hub.kept(HOSTILE))
    assert hub.forge.pulls(State.OPEN) == (pull,)


def test_a_title_is_bounded(hub: Hub) -> None:
    assert len(hub.forge.open(propose(hub, title="long " * 10_000)).title) <= 256


def test_text_that_utf8_cannot_hold_is_replaced(hub: Hub) -> None:
    open_one(hub)
    hub.forge.comment(1, PERSON, "a\udcffb")
    assert hub.forge.pull(1).comments[0].body == "a?b"


def test_comments_are_kept_in_order_with_their_authors(hub: Hub) -> None:
    open_one(hub)
    for body in ("first", "second\nline", "x" * 60_000):
        hub.forge.comment(1, PERSON, body)
    comments = hub.forge.pull(1).comments
    assert [comment.body for comment in comments] == ["first", "second\nline", "x" * 60_000]
    assert len({comment.id for comment in comments}) == 3
    assert all(comment.author == hub.seen_as(PERSON) for comment in comments)
    assert list(comments) == sorted(comments, key=lambda comment: comment.created_at)


def test_labels_are_replaced_as_a_whole(hub: Hub) -> None:
    open_one(hub)
    hub.forge.set_labels(1, frozenset({"a", "b"}))
    hub.forge.set_labels(1, frozenset({"b", "c"}))
    assert hub.forge.pull(1).labels == {"b", "c"}


@pytest.mark.parametrize("number", [0, -1, 7, 10**30])
def test_a_number_without_a_pull_request_is_an_error(hub: Hub, number: int) -> None:
    open_one(hub)
    check = Check("a1", "0" * 40, Conclusion.NEUTRAL, "t", "s")
    for act in (
        lambda: hub.forge.pull(number),
        lambda: hub.forge.comment(number, PERSON, "x"),
        lambda: hub.forge.set_labels(number, frozenset()),
        lambda: hub.forge.record(number, "a1", 0, {}),
        lambda: hub.forge.post(number, check),
    ):
        with pytest.raises(NoSuchPull, match=str(number)):
            act()


def test_an_attempt_is_kept_and_filled_with_results(hub: Hub) -> None:
    pull = open_one(hub)
    planned = attempt(hub, pull)
    hub.forge.start(1, planned)
    (kept,) = hub.forge.pull(1).attempts
    assert dataclasses.replace(kept, created_at=0) == planned
    hub.forge.record(1, "a1", 1, {"metric": 1.5, "curve": [[1.0, 2.0]]})
    assert not hub.forge.pull(1).attempts[0].complete
    hub.forge.record(1, "a1", 0, {"metric": None})
    (kept,) = hub.forge.pull(1).attempts
    assert kept.complete
    assert kept.results == {0: {"metric": None}, 1: {"metric": 1.5, "curve": [[1.0, 2.0]]}}


def test_results_are_kept_together_or_not_at_all(hub: Hub) -> None:
    hub.forge.start(1, attempt(hub, open_one(hub)))
    for results in ({0: {"metric": 1.0}, 2: {}}, {0: {"metric": float("nan")}, 1: {}}):
        with pytest.raises(ForgeError):
            hub.forge.record_many(1, "a1", results)
    assert hub.forge.pull(1).attempts[0].results == {}
    hub.forge.record_many(1, "a1", {1: {"metric": 2.0}, 0: {"metric": 1.0}})
    assert hub.forge.pull(1).attempts[0].results == {0: {"metric": 1.0}, 1: {"metric": 2.0}}
    with pytest.raises(Conflict):
        hub.forge.record_many(1, "a1", {1: {"metric": 3.0}})


def test_a_second_result_for_a_run_is_refused(hub: Hub) -> None:
    hub.forge.start(1, attempt(hub, open_one(hub)))
    hub.forge.record(1, "a1", 0, {"metric": 1.0})
    with pytest.raises(Conflict):
        hub.another_bot().record(1, "a1", 0, {"metric": 2.0})
    assert hub.forge.pull(1).attempts[0].results == {0: {"metric": 1.0}}


@pytest.mark.parametrize(("name", "index"), [("a2", 0), ("a1", 2), ("a1", -1)])
def test_a_result_that_nobody_asked_for_is_refused(hub: Hub, name: str, index: int) -> None:
    hub.forge.start(1, attempt(hub, open_one(hub)))
    with pytest.raises(ForgeError):
        hub.forge.record(1, name, index, {})
    assert hub.forge.pull(1).attempts[0].results == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_a_result_that_is_not_json_is_refused(hub: Hub, value: object) -> None:
    hub.forge.start(1, attempt(hub, open_one(hub)))
    with pytest.raises(ForgeError):
        hub.forge.record(1, "a1", 0, {"metric": value})
    assert hub.forge.pull(1).attempts[0].results == {}


def test_an_attempt_of_nonsense_is_refused(hub: Hub) -> None:
    planned = attempt(hub, open_one(hub))
    for nonsense in (
        dataclasses.replace(planned, merge_tree="main"),
        dataclasses.replace(planned, merge_tree="0" * 39 + "1"),
        dataclasses.replace(planned, base="--all"),
    ):
        with pytest.raises(ForgeError):
            hub.forge.start(1, nonsense)
    assert hub.forge.pull(1).attempts == ()


def test_an_attempt_cannot_be_asked_for_twice(hub: Hub) -> None:
    planned = attempt(hub, open_one(hub))
    hub.forge.start(1, planned)
    with pytest.raises(Conflict):
        hub.forge.start(1, planned)
    assert len(hub.forge.pull(1).attempts) == 1


def test_an_attempt_for_another_head_is_refused(hub: Hub) -> None:
    pull = open_one(hub)
    with pytest.raises(Conflict):
        hub.forge.start(1, dataclasses.replace(attempt(hub, pull), head=hub.forge.base()))


def test_an_attempt_on_a_closed_pull_request_is_refused(hub: Hub) -> None:
    pull = open_one(hub)
    close(hub, pull)
    with pytest.raises(Conflict):
        hub.forge.start(1, attempt(hub, pull))


def test_a_result_that_arrives_after_the_verdict_is_kept(hub: Hub) -> None:
    pull = open_one(hub)
    hub.forge.start(1, attempt(hub, pull))
    close(hub, pull)
    hub.forge.record(1, "a1", 0, {"metric": 1.0})
    kept = hub.forge.pull(1)
    assert (kept.state, kept.attempts[0].results) == (State.CLOSED, {0: {"metric": 1.0}})


def test_checks_are_shown(hub: Hub) -> None:
    pull = open_one(hub)
    check = Check("a1", pull.head, Conclusion.SUCCESS, "11.3 (-2.1 ± 0.4)", "| a |\n|---|")
    hub.forge.post(1, check)
    assert hub.forge.pull(1).checks == (check,)


def test_merge_moves_the_base_branch_and_says_why(hub: Hub) -> None:
    pull = open_one(hub)
    commit = merge(hub, pull)
    merged = hub.forge.pull(1)
    assert hub.forge.base() == commit
    assert (merged.state, merged.verdict) == (State.MERGED, MERGED)
    assert [comment.body for comment in merged.comments] == ["Merged."]
    assert merged.closed_at is not None and merged.closed_at > merged.created_at
    assert hub.forge.pulls(State.MERGED) == (merged,)
    assert hub.forge.pulls(State.OPEN) == hub.forge.pulls(State.CLOSED) == ()


def test_close_moves_the_base_branch_to_its_ledger_commit(hub: Hub) -> None:
    pull = open_one(hub)
    commit = close(hub, pull)
    closed = hub.forge.pull(1)
    assert hub.forge.base() == commit
    assert (closed.state, closed.verdict) == (State.CLOSED, CLOSED)
    assert hub.forge.pulls(State.CLOSED) == (closed,)
    assert hub.branch("exp/one") == pull.head


def test_a_verdict_keeps_its_estimate_also_when_an_interval_is_infinite(hub: Hub) -> None:
    estimate = Estimate(-2.0, float("-inf"), float("inf"), 0.95, 9.0, 11.0, 1, 1, 0.0)
    verdict = Verdict(Reason.NO_EVIDENCE, "One run.", estimate)
    head, base = open_one(hub).head, hub.forge.base()
    hub.forge.close(1, head=head, base=base, commit=base, verdict=verdict, comment="")
    assert hub.forge.pull(1).verdict == verdict


def test_a_merge_by_hand_is_written_down_without_moving_the_base(hub: Hub) -> None:
    pull = open_one(hub)
    commit = merge_commit(hub, pull)
    hub.person_pushes("main", commit)
    verdict = Verdict(Reason.UNMEASURED, "Merged by hand.")
    hub.forge.merge(1, head=pull.head, base=commit, commit=commit, verdict=verdict, comment="")
    assert (hub.forge.base(), hub.forge.pull(1).state) == (commit, State.MERGED)
    assert hub.forge.pull(1).comments == ()


def test_merge_on_a_base_that_has_moved_changes_nothing(hub: Hub) -> None:
    pull = open_one(hub)
    commit, base = merge_commit(hub, pull), hub.forge.base()
    moved = hub.commit({"notes.md": b"person\n"}, base)
    hub.person_pushes("main", moved)
    with pytest.raises(Conflict):
        hub.forge.merge(1, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="x")
    assert (hub.forge.base(), hub.forge.pulls()) == (moved, (pull,))


def test_merge_of_another_head_changes_nothing(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    other = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    commit = hub.commit({"train.py": b"rate = 3\n"}, base, other)
    with pytest.raises(Conflict):
        hub.forge.merge(1, head=other, base=base, commit=commit, verdict=MERGED, comment="x")
    assert (hub.forge.base(), hub.forge.pulls()) == (base, (pull,))


@pytest.mark.parametrize("push", ["forward", "back"])
def test_merge_is_refused_when_a_person_has_just_pushed_to_the_branch(hub: Hub, push: str) -> None:
    pull, base = open_one(hub), hub.forge.base()
    forward = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    hub.person_pushes("exp/one", forward if push == "forward" else base)
    with pytest.raises(Conflict):
        merge(hub, pull)
    assert (hub.forge.base(), hub.forge.pull(1).state) == (base, State.OPEN)


def test_merge_never_moves_the_base_branch_by_force(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    beside = hub.commit({"train.py": b"x"}, pull.head)
    orphan = merge_commit(hub, pull)
    merge(hub, open_one(hub, "two", b"rate = 2\n"))
    newer = hub.forge.base()
    for commit in (orphan, beside, base):
        with pytest.raises(ForgeError):
            hub.forge.merge(
                1, head=pull.head, base=newer, commit=commit, verdict=MERGED, comment=""
            )
    assert (hub.forge.base(), hub.forge.pull(1).state) == (newer, State.OPEN)


def test_merge_without_the_head_in_it_is_refused(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    squashed = hub.commit({"train.py": b"rate = 2\n"}, base)
    with pytest.raises(ForgeError):
        hub.forge.merge(1, head=pull.head, base=base, commit=squashed, verdict=MERGED, comment="")
    assert (hub.forge.base(), hub.forge.pulls()) == (base, (pull,))


@pytest.mark.parametrize("end", [merge, close])
def test_an_end_is_final(hub: Hub, end: object) -> None:
    pull = open_one(hub)
    assert callable(end)
    base = end(hub, pull)
    for act in (merge, close):
        with pytest.raises(Conflict):
            act(hub, pull)
    ended = hub.forge.pull(1)
    assert (hub.forge.base(), len(ended.comments)) == (base, 1)


def test_a_verdict_about_another_head_closes_nothing(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    further = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    hub.forge.push(1, old=pull.head, new=further, author=PERSON)
    with pytest.raises(Conflict):
        close(hub, pull)
    assert (hub.forge.pull(1).state, hub.forge.base()) == (State.OPEN, base)


def test_what_is_pushed_after_the_end_changes_nothing_of_what_was_judged(hub: Hub) -> None:
    pull = open_one(hub)
    close(hub, pull)
    hub.person_pushes("exp/one", hub.commit({"train.py": b"rate = 3\n"}, pull.head))
    hub.forge.sync_heads()
    assert hub.forge.pull(1).head == hub.forge.pulls()[0].head == pull.head


def test_a_reason_that_does_not_go_with_the_end_is_refused(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    with pytest.raises(ForgeError):
        hub.forge.close(1, head=pull.head, base=base, commit=base, verdict=MERGED, comment="")
    with pytest.raises(ForgeError):
        hub.forge.merge(
            1,
            head=pull.head,
            base=base,
            commit=merge_commit(hub, pull),
            verdict=CLOSED,
            comment="",
        )
    assert (hub.forge.base(), hub.forge.pulls()) == (base, (pull,))


def test_people_may_talk_about_what_has_ended(hub: Hub) -> None:
    close(hub, open_one(hub))
    hub.forge.comment(1, PERSON, "A pity.")
    hub.forge.set_labels(1, frozenset({"again"}))
    pull = hub.forge.pull(1)
    assert pull.state is State.CLOSED and pull.labels == {"again"}
    assert [comment.body for comment in pull.comments] == ["Closed.", "A pity."]
    assert hub.forge.pulls(State.OPEN) == ()


def test_push_moves_branch_and_head_together(hub: Hub) -> None:
    pull = open_one(hub)
    new = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    hub.forge.push(1, old=pull.head, new=new, author=PERSON)
    assert (hub.forge.pull(1).head, hub.branch("exp/one")) == (new, new)


def test_push_never_rewrites(hub: Hub) -> None:
    pull = open_one(hub)
    beside = hub.commit({"train.py": b"rate = 3\n"}, hub.forge.base())
    with pytest.raises(ForgeError):
        hub.forge.push(1, old=pull.head, new=beside, author=PERSON)
    with pytest.raises(Conflict):
        after = hub.commit({"train.py": b"x"}, beside)
        hub.forge.push(1, old=beside, new=after, author=PERSON)
    assert (hub.forge.pulls(), hub.branch("exp/one")) == ((pull,), pull.head)


def test_push_to_a_closed_pull_request_is_refused(hub: Hub) -> None:
    pull = open_one(hub)
    close(hub, pull)
    new = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    with pytest.raises(Conflict):
        hub.forge.push(1, old=pull.head, new=new, author=PERSON)
    assert hub.branch("exp/one") == pull.head


def test_what_a_person_pushes_becomes_the_head(hub: Hub) -> None:
    pull, other = open_one(hub), open_one(hub, "two", b"rate = 5\n")
    new = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    hub.person_pushes("exp/one", new)
    assert hub.forge.sync_heads() == ()
    assert [pull.head for pull in hub.forge.pulls()] == [new, other.head]
    assert hub.forge.sync_heads() == ()


def test_a_rewritten_or_deleted_branch_is_reported_and_left_alone(hub: Hub) -> None:
    one, two = open_one(hub), open_one(hub, "two", b"rate = 5\n")
    rewritten = hub.commit({"train.py": b"rate = 3\n"}, hub.forge.base())
    hub.person_pushes("exp/one", rewritten)
    hub.person_pushes("exp/two", None)
    for _ in range(2):
        assert hub.forge.sync_heads() == (Stray(1, one.head, rewritten), Stray(2, two.head, None))
    assert hub.forge.pulls() == (one, two)
    assert (hub.branch("exp/one"), hub.branch("exp/two")) == (rewritten, None)


def test_a_pull_request_can_be_closed_when_its_branch_is_gone(hub: Hub) -> None:
    pull = open_one(hub)
    hub.person_pushes("exp/one", None)
    close(hub, pull)
    assert (hub.forge.pull(1).state, hub.branch("exp/one")) == (State.CLOSED, None)


def test_two_bots_see_the_same(hub: Hub) -> None:
    other = hub.another_bot()
    pull = open_one(hub)
    other.comment(1, PERSON, "hello")
    merge(hub, pull, other)
    assert hub.forge.pulls() == other.pulls()


def test_of_two_merges_one_wins_and_the_other_changes_nothing(hub: Hub) -> None:
    one, two = open_one(hub), open_one(hub, "two", b"rate = 5\n")
    base = hub.forge.base()
    first, second = merge_commit(hub, one), merge_commit(hub, two, b"rate = 5\n")
    hub.forge.merge(1, head=one.head, base=base, commit=first, verdict=MERGED, comment="")
    with pytest.raises(Conflict):
        hub.another_bot().merge(
            2, head=two.head, base=base, commit=second, verdict=MERGED, comment=""
        )
    assert (hub.forge.base(), hub.forge.pull(2)) == (first, two)


def test_the_author_of_a_pull_request_may_write(hub: Hub) -> None:
    assert hub.forge.permission(open_one(hub).author) is Permission.WRITE


# Audits and the ledger


def audit_of(hub: Hub, number: int = 1) -> Audit:
    tree = hub.tree(hub.forge.base())
    runs = tuple(PlannedRun(Side.CANDIDATE, tree, seed, Purpose.AUDIT) for seed in (7, 8))
    return Audit(number, "class", (AuditedWinner(3, tree, tree),), runs, {})


def test_an_audit_is_kept_with_every_result(hub: Hub) -> None:
    audit = audit_of(hub)
    hub.forge.audits.begin(audit)
    hub.forge.audits.record(1, 1, {"metric": 2.5, "sealed": {"metric": 3.5}})
    (kept,) = hub.another_bot().audits.read()
    assert (kept.winners, kept.runs, kept.runner_class) == (audit.winners, audit.runs, "class")
    assert kept.results == {1: {"metric": 2.5, "sealed": {"metric": 3.5}}}
    assert not kept.complete
    hub.forge.audits.record(1, 0, {})
    assert hub.forge.audits.read([1])[0].complete
    assert hub.forge.audits.numbers() == (1,)


def test_a_second_result_for_a_run_of_an_audit_is_refused(hub: Hub) -> None:
    hub.forge.audits.begin(audit_of(hub))
    hub.forge.audits.record(1, 0, {"metric": 1.0})
    with pytest.raises(Conflict):
        hub.another_bot().audits.record(1, 0, {"metric": 2.0})
    assert hub.forge.audits.read()[0].results == {0: {"metric": 1.0}}


def test_results_for_runs_that_an_audit_does_not_have_are_refused(hub: Hub) -> None:
    hub.forge.audits.begin(audit_of(hub))
    for number, index in ((1, 2), (1, -1), (2, 0)):
        with pytest.raises(ForgeError):
            hub.forge.audits.record(number, index, {})
    assert hub.forge.audits.read()[0].results == {}


def test_of_two_bots_that_begin_an_audit_one_is_told(hub: Hub) -> None:
    hub.forge.audits.begin(audit_of(hub))
    with pytest.raises(Conflict):
        hub.another_bot().audits.begin(audit_of(hub))
    hub.another_bot().audits.begin(audit_of(hub, 5))  # 2 to 4 may be in another clone
    assert hub.forge.audits.numbers() == (1, 5)


def test_audits_are_no_pull_requests(hub: Hub) -> None:
    hub.forge.audits.begin(audit_of(hub))
    assert hub.forge.pulls() == ()
    assert open_one(hub).number == 1


def test_advance_moves_the_base_branch_alone(hub: Hub) -> None:
    pull, base = open_one(hub), hub.forge.base()
    commit = hub.commit({"scratchpad.md": b"noted\n"}, base)
    hub.forge.advance(base=base, commit=commit)
    assert hub.forge.base() == commit
    assert hub.forge.pull(pull.number) == pull


def test_advance_from_elsewhere_is_a_conflict(hub: Hub) -> None:
    old = hub.forge.base()
    pull = open_one(hub)
    base = close(hub, pull)
    with pytest.raises(Conflict):
        hub.forge.advance(base=old, commit=hub.commit({"notes.md": b"x"}, old))
    assert hub.forge.base() == base


def test_advance_never_moves_backwards(hub: Hub) -> None:
    old = hub.forge.base()
    close(hub, open_one(hub))
    base = hub.forge.base()
    with pytest.raises(ForgeError):
        hub.forge.advance(base=base, commit=old)
    assert hub.forge.base() == base


def test_a_taken_branch_and_one_that_cannot_be_are_told_apart(hub: Hub) -> None:
    open_one(hub)
    with pytest.raises(BranchTaken):
        hub.forge.open(propose(hub, text=b"rate = 5\n"))
    for branch in ("exp/one/two", "exp/one/two/three", "exp"):
        with pytest.raises(ForgeError, match="'exp/one' is in its way") as caught:
            hub.forge.open(dataclasses.replace(propose(hub), branch=branch))
        assert not isinstance(caught.value, Conflict)


# What people say, and the bot to them


def test_a_comment_is_not_edited_when_nobody_edited_it(hub: Hub) -> None:
    open_one(hub)
    hub.forge.comment(1, PERSON, "/bot hold")
    (comment,) = hub.forge.pull(1).comments
    assert (comment.edited, comment.path, comment.line) == (False, None, None)


def test_a_review_says_something_of_the_whole_and_of_lines(hub: Hub) -> None:
    open_one(hub)
    hub.forge.review(1, hub.forge.bot, "Look here.", [Note("train.py", 1, "Too low.")])
    said = hub.forge.pull(1).comments
    assert all(comment.author == hub.forge.bot for comment in said)
    assert said[0].body.startswith("Look here.")
    assert "Too low." in said[-1].body


def test_a_review_of_lines_alone_has_no_empty_comment(hub: Hub) -> None:
    open_one(hub)
    hub.forge.review(1, PERSON, "", [Note("train.py", 1, "Too low.")])
    (comment,) = hub.forge.pull(1).comments
    assert "Too low." in comment.body


def test_a_reaction_is_harmless_and_so_is_another(hub: Hub) -> None:
    open_one(hub)
    hub.forge.comment(1, PERSON, "/bot hold")
    before = hub.forge.pull(1)
    for obeyed in (True, True, False):
        hub.forge.react(1, before.comments[0].id, obeyed=obeyed)
    assert hub.forge.pull(1) == before


def test_what_the_bot_opened_comes_from_no_fork_and_needs_no_approval(hub: Hub) -> None:
    pull = open_one(hub)
    assert (pull.fork, pull.approvals) == (False, ())


@pytest.mark.parametrize("end", [merge, close])
def test_an_interrupt_waits_until_the_files_have_followed(
    hub: Hub, end: Callable[[Hub, PullRequest], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = open_one(hub)
    whole = Worktree.advance

    def interrupted(worktree: Worktree, new: str) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return whole(worktree, new)

    monkeypatch.setattr(Worktree, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        end(hub, pull)
    assert isinstance(hub.forge, GitForge | GitHubForge)
    clone = hub.forge.repository
    assert (clone.path / "scratchpad.md").read_bytes() in (b"won\n", b"lost\n")
    assert (clone.dirty_paths(), clone.ref(MARKER)) == ((), None)
    hub.forge.recover()
    assert hub.forge.pull(pull.number).state is not State.OPEN
