from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import AskPerson, Conclude, Measure, Propose, Resume, Revise, Stop
from bot.audits.plan import (
    AuditRule,
    AuditState,
    BeginAudit,
    ConcludeAudit,
    ContinueAudit,
    OpenAudit,
    Revert,
)
from bot.decide import OpenExperiment, Snapshot, decide
from bot.model import Direction, Purpose, Reason, Run
from bot.people.commands import Command, Verb
from bot.people.orders import Asked, Orders
from bot.people.plan import Answer, AskApproval, Footing, Request, Review
from bot.people.record import Order
from bot.ruling import Rules

RULES = Rules()


def run(seed: int, value: float | None = 12.0, status: str = "ok", subject: str = "new") -> Run:
    return Run(subject, seed, status, value, Purpose.TEST, "class", f"a{seed}")


def snapshot(*experiments: OpenExperiment, baseline: tuple[Run, ...] = ()) -> Snapshot:
    return Snapshot("base", "old", Direction.LOWER, RULES, baseline=baseline, open=experiments)


def experiment(**changes: object) -> OpenExperiment:
    facts: dict[str, object] = {"number": 1, "head": "head", "subject": "new", **changes}
    return OpenExperiment(**facts)  # type: ignore[arg-type]


def reason(state: Snapshot) -> Reason:
    (action,) = decide(state)
    assert isinstance(action, Conclude)
    return action.verdict.reason


def test_proposes_when_nothing_is_open() -> None:
    assert decide(snapshot()) == (Propose(),)


def test_a_new_experiment_is_measured_beside_repeated_runs_of_the_baseline() -> None:
    (action,) = decide(snapshot(experiment()))
    assert isinstance(action, Measure)
    assert action.candidate_runs == 1
    assert action.baseline_runs >= 2


def test_one_good_run_never_merges() -> None:
    old = tuple(run(seed, 12.0 + seed / 10, subject="old") for seed in range(4))
    (action,) = decide(snapshot(experiment(runs=(run(9, 2.0),)), baseline=old))
    assert isinstance(action, Measure)


def test_finishes_an_interrupted_attempt_before_it_asks_for_more() -> None:
    assert decide(snapshot(experiment(unfinished_attempt="1.1"))) == (Resume(1, "1.1"),)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"merged_by_hand": True}, Reason.UNMEASURED),
        ({"branch_lost": True}, Reason.BY_HUMAN),
        ({"violations": ("README.md: is not allowed",)}, Reason.FORBIDDEN_CHANGE),
        ({"conflicts": ("train.py",)}, Reason.STALE),
        ({"subject": "old"}, Reason.STALE),
        ({"duplicate_of": 3}, Reason.DUPLICATE),
    ],
)
def test_a_change_that_cannot_be_measured_gets_its_verdict_without_runs(
    changes: dict[str, object], expected: Reason
) -> None:
    assert reason(snapshot(experiment(**changes))) is expected


def test_what_a_person_did_outranks_every_other_reason() -> None:
    everything = experiment(
        merged_by_hand=True, branch_lost=True, violations=("x",), conflicts=("y",), duplicate_of=1
    )
    assert reason(snapshot(everything)) is Reason.UNMEASURED


def test_a_candidate_that_crashed_is_closed_as_crashed() -> None:
    state = snapshot(
        experiment(runs=(run(1, None, "crashed"),)), baseline=(run(1, 12.0, subject="old"),)
    )
    assert reason(state) is Reason.CRASHED


def test_a_revert_that_conflicts_is_told_to_a_person_once_and_then_left_alone() -> None:
    conflict = experiment(reverts=3, conflicts=("train.py",))
    assert decide(snapshot(conflict)) == (AskPerson(1),)
    assert decide(snapshot(replace(conflict, asked_person=True))) == (Propose(),)


statuses = st.sampled_from(["ok", "crashed", "timed-out", "out-of-memory", "invalid-output"])


@st.composite
def runs(draw: st.DrawFn, subject: str) -> tuple[Run, ...]:
    seeds = draw(st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=10))
    made = []
    for seed in seeds:
        status = draw(statuses)
        value = draw(st.floats(0.5, 1e6)) if status == "ok" else None
        purpose = draw(st.sampled_from(list(Purpose)))
        attempt = draw(st.sampled_from(string.ascii_letters))
        made.append(Run(subject, seed, status, value, purpose, "class", attempt))
    return tuple(made)


@st.composite
def experiments(draw: st.DrawFn, number: int) -> OpenExperiment:
    words = st.lists(st.text(max_size=5), max_size=2).map(tuple)
    return OpenExperiment(
        number=number,
        head="head",
        subject=draw(st.sampled_from(["new", "old", "other"])),
        runs=draw(runs("new")),
        violations=draw(words),
        conflicts=draw(words),
        duplicate_of=draw(st.none() | st.integers(1, 9)),
        merged_by_hand=draw(st.booleans()),
        branch_lost=draw(st.booleans()),
        unfinished_attempt=draw(st.none() | st.just("1.1")),
        tokens=draw(st.integers(0, 200)),
        reverts=draw(st.none() | st.just(7)),
        asked_person=draw(st.booleans()),
        footing=draw(footings()),
    )


orders_to_end = st.sampled_from([Verb.CLOSE, Verb.MERGE]).map(
    lambda verb: Order(verb=verb, by="Ada", head="head")
)


@st.composite
def footings(draw: st.DrawFn) -> Footing:
    return Footing(
        orders=Orders(
            held=draw(st.booleans()),
            ending=draw(st.none() | st.none() | orders_to_end),
            rerun=draw(st.none() | st.just(Order(verb=Verb.RERUN))),
            revisions=tuple(draw(st.lists(st.just(Asked("c1", "Do it.")), max_size=2))),
        ),
        unreviewed=draw(st.booleans()),
        unapproved=draw(st.booleans()),
        asked=draw(st.booleans()),
    )


@st.composite
def audit_states(draw: st.DrawFn) -> AuditState:
    open_ones = tuple(
        OpenAudit(
            session=number,
            number=number,
            runs=draw(st.integers(2, 3)),
            complete=draw(st.booleans()),
            winner=draw(runs("winner")),
            parent=draw(runs("parent")),
        )
        for number in range(1, 1 + draw(st.integers(0, 2)))
    )
    winners = tuple(range(1, 1 + draw(st.integers(0, 5))))
    return AuditState(
        rule=AuditRule(every=draw(st.integers(0, 3))),
        winners=winners,
        audited=frozenset(draw(st.lists(st.integers(1, 5)))),
        merges_since=draw(st.integers(0, 5)),
        open=open_ones,
        refuted=tuple(draw(st.lists(st.just((1, 1)), max_size=1))),
    )


def waits(item: OpenExperiment) -> bool:
    """Whether a person has to act: it is held, not approved, or a revert that conflicts."""
    footing = item.footing
    if item.merged_by_hand or item.branch_lost or ordered_to_end(item) or footing.unreviewed:
        return False
    if footing.orders.revisions:
        return False
    if footing.orders.held:
        return True
    if footing.unapproved:
        return footing.asked
    return bool(item.reverts and item.conflicts and not item.violations and item.asked_person)


def ordered_to_end(item: OpenExperiment) -> bool:
    """Whether a person's order to close or merge it can be carried out."""
    order = item.footing.orders.ending
    if order is None or order.verb is Verb.CLOSE:
        return order is not None
    fine = not (item.violations or item.conflicts or item.subject == "old")
    return fine and not item.footing.unapproved


@given(data=st.data(), count=st.integers(0, 4))
def test_every_state_has_exactly_one_next_action_for_each_experiment(
    data: st.DataObject, count: int
) -> None:
    open_ones = tuple(data.draw(experiments(number)) for number in range(1, count + 1))
    state = replace(
        snapshot(*open_ones, baseline=data.draw(runs("old"))),
        tokens=data.draw(st.integers(0, 200)),
        audited=data.draw(runs("audited")),
        audits=data.draw(audit_states()),
    )
    actions = decide(state)
    assert decide(state) == actions
    concerning = (Measure, Resume, Revise, Conclude, AskPerson, Review, AskApproval)
    numbers = [action.number for action in actions if isinstance(action, concerning)]
    assert numbers == [item.number for item in open_ones if not waits(item)]
    if not numbers:
        (action,) = actions
        auditing = (BeginAudit, ContinueAudit, ConcludeAudit, Revert)
        assert isinstance(action, (Propose, *auditing))
    for action in actions:
        if isinstance(action, Measure):
            assert action.candidate_runs + action.baseline_runs > 0
        if isinstance(action, Conclude) and action.verdict.merged:
            assert action.verdict.reason is Reason.UNMEASURED or action.verdict.estimate


@given(data=st.data(), count=st.integers(0, 4))
def test_a_paused_programme_only_does_what_people_ordered_and_says_why_it_waits(
    data: st.DataObject, count: int
) -> None:
    open_ones = tuple(data.draw(experiments(number)) for number in range(1, count + 1))
    paused = replace(snapshot(*open_ones, baseline=data.draw(runs("old"))), paused_by="Ada")
    actions = decide(paused)
    assert actions
    for action in actions:
        assert isinstance(action, (Conclude, Review, Stop))
        if isinstance(action, Conclude):
            item = open_ones[action.number - 1]
            assert item.merged_by_hand or item.branch_lost or ordered_to_end(item)
        if isinstance(action, Stop):
            assert "Ada" in action.why


commands = st.builds(
    Command,
    verb=st.sampled_from([None, *Verb]),
    word=st.text("abc", max_size=5),
    text=st.sampled_from(["", "head", "some words"]),
)
requests = st.builds(
    Request,
    number=st.integers(1, 3),
    comment=st.text("0123456789abcdef", min_size=1, max_size=5),
    by=st.text(max_size=5),
    commands=st.lists(commands, min_size=1, max_size=4).map(tuple),
    may_write=st.booleans(),
    edited=st.booleans(),
)


@given(data=st.data(), asked=st.lists(requests, min_size=1, max_size=4), paused=st.booleans())
def test_everybody_is_answered_before_anything_else_and_only_who_may_is_obeyed(
    data: st.DataObject, asked: list[Request], paused: bool
) -> None:
    open_ones = tuple(data.draw(experiments(number)) for number in (1, 2))
    state = replace(
        snapshot(*open_ones), requests=tuple(asked), paused_by="Ada" if paused else None
    )
    actions = decide(state)
    assert len(actions) == len(asked)
    for action, request in zip(actions, asked, strict=True):
        assert isinstance(action, Answer)
        assert (action.number, action.comment) == (request.number, request.comment)
        assert [reply.command for reply in action.replies] == list(request.commands)
        assert all(reply.words for reply in action.replies)
        orders = [reply.order for reply in action.replies if reply.order]
        assert not orders or (request.may_write and not request.edited)
        for order in orders:
            assert request.number <= 2 or order.verb in {Verb.PAUSE, Verb.START}
            assert order.verb is not Verb.APPROVE or order.text == "head"
