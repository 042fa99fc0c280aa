"""The fold is total over what may be written, and refuses everything else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.forge.base import PullRequest, State
from bot.forge.events import (
    Attempted,
    Checked,
    Closed,
    Commented,
    Event,
    Labelled,
    Measured,
    Merged,
    Opened,
    Person,
    Pushed,
    from_json,
    to_json,
)
from bot.forge.fold import FoldError, apply, fold

HEADS = ("a" * 40, "b" * 40)
ADA = Person(name="Ada", id="ada@example.org")
OPENED = Opened(
    at=1, number=7, branch="exp/x", head=HEADS[0], title="T", body="B", author=ADA, record={}
)
MERGED = {"reason": "improvement", "explanation": "", "estimate": None}
CLOSED = {"reason": "worse", "explanation": "", "estimate": None}
RUN = {"side": "candidate", "tree": "c" * 40, "seed": 0, "purpose": "screen"}


def _event(kind: type[Event], **fields: object) -> Event:
    return kind.model_validate({"at": 2, **fields}, strict=False)


heads = st.sampled_from(HEADS)
names = st.sampled_from(["a1", "a2"])
events: st.SearchStrategy[Event] = st.one_of(
    st.just(OPENED),
    st.builds(lambda body: _event(Commented, author=ADA, body=body), st.text(max_size=5)),
    st.builds(lambda labels: _event(Labelled, labels=labels), st.lists(st.text(max_size=3))),
    st.builds(lambda head: _event(Pushed, head=head, author=ADA), heads),
    st.builds(
        lambda name, head, runs: _event(
            Attempted, id=name, base=HEADS[1], head=head, merge_tree="c" * 40, runs=[RUN] * runs
        ),
        names,
        heads,
        st.integers(0, 3),
    ),
    st.builds(
        lambda name, index: _event(Measured, attempt=name, index=index, result={"x": 1}),
        names,
        st.integers(0, 3),
    ),
    st.builds(
        lambda head: _event(
            Checked, attempt="a1", head=head, conclusion="neutral", title="t", summary="s"
        ),
        heads,
    ),
    st.builds(
        lambda head, verdict: _event(
            Merged, head=head, base=HEADS[1], commit="d" * 40, verdict=verdict
        ),
        heads,
        st.sampled_from([MERGED, CLOSED]),
    ),
    st.builds(
        lambda verdict: _event(Closed, base=HEADS[1], commit="d" * 40, verdict=verdict),
        st.sampled_from([MERGED, CLOSED]),
    ),
)


def accepted(candidates: Iterable[Event]) -> list[tuple[str, Event]]:
    """The events of a chain that a writer would have let in, one after the other."""
    chain: list[tuple[str, Event]] = []
    pull: PullRequest | None = None
    for event in candidates:
        commit = f"{len(chain):040x}"
        try:
            pull = apply(pull, commit, event)
        except FoldError:
            continue
        chain.append((commit, event))
    return chain


@given(st.lists(events, max_size=25))
def test_every_prefix_of_what_was_written_is_a_pull_request(candidates: list[Event]) -> None:
    chain = accepted([OPENED, *candidates])
    for length in range(1, len(chain) + 1):
        pull = fold(chain[:length])
        assert pull.number == 7
        assert (pull.verdict is None) == (pull.state is State.OPEN) == (pull.closed_at is None)
        for attempt in pull.attempts:
            assert set(attempt.results) <= set(range(len(attempt.runs)))


@given(st.lists(events, max_size=25))
def test_an_end_stays(candidates: list[Event]) -> None:
    pull: PullRequest | None = None
    ended: PullRequest | None = None
    for commit, event in accepted([OPENED, *candidates]):
        pull = apply(pull, commit, event)
        if ended is not None:
            assert (pull.state, pull.verdict, pull.head) == (
                ended.state,
                ended.verdict,
                ended.head,
            )
            assert len(pull.attempts) == len(ended.attempts)
        elif pull.state is not State.OPEN:
            ended = pull


@given(st.lists(events, max_size=25))
def test_a_result_never_changes(candidates: list[Event]) -> None:
    known: dict[tuple[str, int], object] = {}
    pull: PullRequest | None = None
    for commit, event in accepted([OPENED, *candidates]):
        pull = apply(pull, commit, event)
        if isinstance(event, Measured):
            assert (event.attempt, event.index) not in known
            known[event.attempt, event.index] = event.result
    assert pull is not None
    kept = {(a.id, i): r for a in pull.attempts for i, r in a.results.items()}
    assert kept == known


@given(st.lists(events, max_size=25))
def test_a_chain_reads_the_same_from_its_bytes(candidates: list[Event]) -> None:
    chain = accepted([OPENED, *candidates])
    again = [(commit, from_json(to_json(event))) for commit, event in chain]
    assert fold(again) == fold(chain)


def test_nothing_is_not_a_pull_request() -> None:
    with pytest.raises(FoldError):
        fold([])


@given(events.filter(lambda event: not isinstance(event, Opened)))
def test_the_first_event_opens(event: Event) -> None:
    with pytest.raises(FoldError, match="opened"):
        fold([("0" * 40, event)])


def test_a_pull_request_opens_once() -> None:
    with pytest.raises(FoldError, match="already"):
        fold([("0" * 40, OPENED), ("1" * 40, OPENED)])
