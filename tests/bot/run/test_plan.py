from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import Conclude, Measure, Propose, Resume
from bot.audits.plan import BeginAudit, ContinueAudit
from bot.model import Purpose, Reason, Verdict
from bot.run.plan import at_once, in_flight, to_measure, to_propose

SCREEN = Measure(1, 1, 0, Purpose.SCREEN)
TEST = Measure(2, 1, 1, Purpose.TEST)
CONFIRM = Measure(3, 2, 2, Purpose.CONFIRM)
RESUME = Resume(4, "4.1")
AUDIT = BeginAudit((1,))
CLOSE = Conclude(5, Verdict(Reason.WORSE, "worse"))


def test_what_is_nearest_to_its_end_goes_first() -> None:
    actions = (SCREEN, TEST, CONFIRM, RESUME, AUDIT, Propose())
    assert to_measure(actions, 9, ()) == (CONFIRM, RESUME, TEST, AUDIT, SCREEN)


def test_among_equals_the_oldest_goes_first() -> None:
    actions = tuple(Measure(number, 1, 0, Purpose.SCREEN) for number in range(9))
    assert to_measure(actions, 2, ()) == actions[:2]


def test_no_more_is_started_than_there_are_free_slots() -> None:
    assert to_measure((SCREEN, TEST), 1, ()) == (TEST,)
    assert to_measure((SCREEN, TEST), 0, ()) == ()


def test_nothing_is_measured_twice_at_the_same_time() -> None:
    assert to_measure((SCREEN, RESUME), 9, {1, 4}) == ()
    assert to_measure((AUDIT,), 9, (), auditing=True) == ()
    assert to_measure((ContinueAudit(1),), 9, (), auditing=False) == (ContinueAudit(1),)


def test_verdicts_come_before_anything_that_takes_time() -> None:
    assert at_once((SCREEN, CLOSE)) == CLOSE
    assert at_once((SCREEN, Propose())) is None
    assert to_propose((SCREEN, Propose(), Propose())) == 2


@pytest.mark.parametrize(
    ("slots", "proposal_s", "run_s", "expected"),
    [
        *((1, 60, 300, 3), (4, 60, 300, 8), (16, 60, 300, 26), (1, 300, 300, 3)),
        *((4, 600, 300, 15), (1, 300, 60, 7), (2, 60_000, 60, 20)),
    ],
)
def test_enough_is_in_flight_for_the_ratio_of_proposal_to_run_time(
    slots: int, proposal_s: float, run_s: float, expected: int
) -> None:
    assert in_flight(slots, [proposal_s] * 3, [run_s] * 3) == expected


@given(
    st.integers(1, 64),
    st.lists(st.floats(0, 1e6), max_size=60),
    st.lists(st.floats(0, 1e6), max_size=60),
)
def test_there_are_never_fewer_than_slots_and_never_endlessly_many(
    slots: int, proposals_s: list[float], runs_s: list[float]
) -> None:
    assert slots <= in_flight(slots, proposals_s, runs_s) <= 9 * slots + 1.5 * slots**0.5


def test_a_proposer_that_answers_at_once_is_not_asked_ahead() -> None:
    assert in_flight(1, [0.3] * 3, [60.0] * 3) == 1
    assert in_flight(4, [0.3] * 3, [60.0] * 3) == 4
    assert in_flight(1, [0.3] * 2, [60.0] * 3) == 3  # nothing is known yet
    assert in_flight(1, [3.0] * 3, [60.0] * 3) == 3
