from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Direction, Purpose, Reason
from bot.verdict import Accept, Evidence, InvalidEvidence, MoreRuns, Reject, VerdictRule, judge
from tests.bot.verdict.helpers import play, run, runs

RULE = VerdictRule()
QUIET = ((11.4, 11.5, 11.6, 11.5, 11.55, 11.45),)  # repeated runs of other code

values = (
    st.floats(0.01, 1e6)
    | st.floats(-1e6, 1e6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(0, 3).map(float)
)
outcomes = values | st.none()


def test_nothing_known_asks_for_baseline_and_one_screening_run() -> None:
    assert judge(Evidence((), ()), RULE) == MoreRuns(1, 2, Purpose.SCREEN)


def test_a_known_baseline_costs_one_run_of_the_candidate_only() -> None:
    assert judge(Evidence((), runs([11.4, 11.5, 11.7])), RULE) == MoreRuns(1, 0, Purpose.SCREEN)


def test_a_baseline_not_run_for_long_is_run_beside_the_candidate() -> None:
    evidence = Evidence((), runs([11.4, 11.5, 11.7]), experiments_since_baseline=15)
    assert judge(evidence, RULE) == MoreRuns(1, 1, Purpose.SCREEN)


def test_clearly_worse_is_closed_after_one_run() -> None:
    decision = judge(Evidence(runs([14.0]), runs([11.4, 11.5]), repeats=QUIET), RULE)
    assert isinstance(decision, Reject)
    assert decision.reason is Reason.WORSE
    assert decision.estimate
    assert decision.estimate.difference == pytest.approx(2.55)
    assert decision.estimate.low < 2.55 < decision.estimate.high


def test_no_better_is_closed_for_want_of_evidence() -> None:
    decision = judge(Evidence(runs([11.5]), runs([11.4, 11.5]), repeats=QUIET), RULE)
    assert isinstance(decision, Reject)
    assert decision.reason is Reason.NO_EVIDENCE


def test_promising_is_run_again() -> None:
    decision = judge(Evidence(runs([11.33]), runs([11.4, 11.5]), repeats=QUIET), RULE)
    assert decision == MoreRuns(1, 1, Purpose.TEST)


def test_a_threefold_gain_in_a_first_experiment_takes_six_runs() -> None:
    ours, theirs = iter([12.2, 11.1, 12.9]), iter([35.2, 37.9, 33.1])
    decision, evidence, asked = play(lambda: next(ours), lambda: next(theirs), RULE)
    assert isinstance(decision, Accept)
    assert [more.purpose for more in asked] == [Purpose.SCREEN, Purpose.CONFIRM]
    assert len(evidence.candidate) + len(evidence.baseline) == 6
    assert decision.estimate.difference == pytest.approx(12.0 - 33.1)
    assert decision.estimate.candidate_runs == 2


def test_the_claim_comes_from_the_confirmation_runs_alone() -> None:
    ours = iter([10.0, 10.1, 10.0, 10.9, 11.0, 11.1, 11.0, 11.0])
    decision, evidence, _ = play(lambda: next(ours), lambda: 11.5, RULE, repeats=QUIET)
    confirmed = [item.value for item in evidence.candidate if item.purpose is Purpose.CONFIRM]
    assert isinstance(decision, Accept)
    assert decision.estimate.candidate_mean == pytest.approx(
        sum(value for value in confirmed if value) / len(confirmed)
    )


def test_a_candidate_that_does_not_hold_up_is_closed() -> None:
    noise = random.Random(4)
    ours = iter([10.6, 10.7])

    def candidate() -> float:
        return next(ours, 11.5 + noise.gauss(0, 0.1))

    decision, evidence, _ = play(candidate, lambda: 11.5 + noise.gauss(0, 0.1), RULE, repeats=QUIET)
    assert any(item.purpose is Purpose.CONFIRM for item in evidence.candidate)
    assert isinstance(decision, Reject)
    assert decision.reason is Reason.NO_EVIDENCE


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("crashed", Reason.CRASHED),
        ("timed-out", Reason.TIMED_OUT),
        ("out-of-memory", Reason.OUT_OF_MEMORY),
        ("invalid-output", Reason.INVALID_OUTPUT),
    ],
)
def test_one_failed_seed_closes_however_good_the_others_are(status: str, reason: Reason) -> None:
    candidate = (*runs([1.0, 1.0]), run(None, 9, Purpose.CONFIRM, status=status))
    decision = judge(Evidence(candidate, runs([35.0, 36.0])), RULE)
    assert isinstance(decision, Reject)
    assert decision.reason is reason


def test_a_baseline_that_never_runs_is_given_up() -> None:
    decision, evidence, _ = play(lambda: 1.0, lambda: None, RULE)
    assert isinstance(decision, Reject)
    assert len(evidence.baseline) <= RULE.max_seeds + RULE.baseline_seeds


def test_a_metric_without_noise_needs_one_run_of_the_candidate() -> None:
    known = runs([11.5, 11.5, 11.5])
    for value, reason in [(11.4, None), (11.499, Reason.NO_EVIDENCE), (11.6, Reason.WORSE)]:
        decision, evidence, _ = play(lambda value=value: value, lambda: 0.0, RULE, known=known)  # type: ignore[misc]
        assert len(evidence.candidate) == 1
        assert len(evidence.baseline) == 3
        assert isinstance(decision, Accept) == (reason is None)
        assert reason is None or (isinstance(decision, Reject) and decision.reason is reason)


def test_higher_is_better_mirrors_lower_is_better() -> None:
    lower = judge(Evidence(runs([14.0]), runs([11.4, 11.5]), repeats=QUIET), RULE)
    higher = judge(
        Evidence(runs([14.0]), runs([11.4, 11.5]), Direction.HIGHER, repeats=QUIET), RULE
    )
    assert isinstance(lower, Reject)
    assert higher == MoreRuns(3, 3, Purpose.CONFIRM) or higher == MoreRuns(2, 1, Purpose.CONFIRM)


def test_a_repeated_seed_is_refused() -> None:
    with pytest.raises(InvalidEvidence, match="seed 3 occurs twice"):
        judge(Evidence((run(1.0, 3), run(2.0, 3)), ()), RULE)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(InvalidEvidence, match="finite"):
        judge(Evidence((run(value, 3),), ()), RULE)
    with pytest.raises(InvalidEvidence, match="finite"):
        judge(Evidence((), (), repeats=((1.0, value),)), RULE)


def test_runner_classes_are_never_mixed() -> None:
    other = replace(run(1.0, 3), runner_class="other")
    with pytest.raises(InvalidEvidence, match="runner classes"):
        judge(Evidence((other,), (run(1.0, 3),)), RULE)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_it_always_ends_within_the_limit_of_seeds(data: st.DataObject) -> None:
    rule = VerdictRule(max_seeds=data.draw(st.integers(4, 10)))
    draw = lambda: data.draw(outcomes)  # noqa: E731
    decision, evidence, _ = play(draw, draw, rule, direction=data.draw(st.sampled_from(Direction)))
    assert len(evidence.candidate) <= rule.max_seeds
    assert len(decision.explanation.splitlines()) <= 3  # type: ignore[union-attr]
    if isinstance(decision, Accept):
        assert any(item.purpose is Purpose.CONFIRM for item in evidence.candidate)
        assert all(item.status == "ok" for item in evidence.candidate)


any_run = st.builds(
    lambda value, purpose, attempt: (value, purpose, attempt),
    outcomes,
    st.sampled_from(Purpose),
    st.sampled_from(["", "a", "b"]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(any_run, max_size=12),
    st.lists(any_run, max_size=12),
    st.lists(st.lists(values, max_size=4).map(tuple), max_size=3).map(tuple),
    st.sampled_from(Direction),
)
def test_any_evidence_gets_a_decision_or_a_bounded_request(
    ours: list[tuple[float | None, Purpose, str]],
    theirs: list[tuple[float | None, Purpose, str]],
    repeats: tuple[tuple[float, ...], ...],
    direction: Direction,
) -> None:
    candidate = tuple(run(v, i, p, attempt=a) for i, (v, p, a) in enumerate(ours))
    baseline = tuple(run(v, i, p, attempt=a) for i, (v, p, a) in enumerate(theirs))
    decision = judge(Evidence(candidate, baseline, direction, repeats), RULE)
    if isinstance(decision, MoreRuns):
        assert 1 <= decision.candidate + decision.baseline <= 2 * RULE.max_seeds
        assert min(decision.candidate, decision.baseline) >= 0
    elif decision.estimate:
        estimate = decision.estimate
        assert estimate.low <= estimate.difference <= estimate.high
        assert math.isfinite(estimate.difference)
    if isinstance(decision, Accept):
        assert Purpose.CONFIRM in [item.purpose for item in candidate]
        better = decision.estimate.difference < 0
        assert better == (direction is Direction.LOWER)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(8, 11), min_size=6, max_size=12))
def test_runs_better_than_every_baseline_run_are_never_called_worse(ours: list[float]) -> None:
    baseline = runs([11.2, 11.5, 11.6])
    for count in range(1, len(ours) + 1):
        decision = judge(Evidence(runs(ours[:count]), baseline, repeats=QUIET), RULE)
        assert not (isinstance(decision, Reject) and decision.reason is Reason.WORSE)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.001, 1000))
def test_the_unit_of_the_metric_changes_nothing(unit: float) -> None:
    ours, theirs = [11.2, 11.3, 11.1], [11.4, 11.5, 11.9]

    def at(scale: float) -> object:
        repeats = tuple(tuple(value * scale for value in group) for group in QUIET)
        evidence = Evidence(
            runs([v * scale for v in ours]), runs([v * scale for v in theirs]), repeats=repeats
        )
        decision = judge(evidence, RULE)
        return decision if isinstance(decision, MoreRuns) else type(decision)

    assert at(unit) == at(1.0)


def test_the_confirmation_of_an_earlier_winner_is_not_taken_for_this_ones() -> None:
    known = (
        run(11.5, 1, Purpose.CONFIRM, attempt="earlier"),
        run(11.4, 2, Purpose.CONFIRM, attempt="earlier"),
        run(11.6, 3, Purpose.CONFIRM, attempt="earlier"),
    )
    ours = (
        run(10.0, 4, attempt="now"),
        *(run(10.0 + seed / 100, seed, Purpose.CONFIRM, attempt="later") for seed in (5, 6, 7)),
    )
    decision = judge(Evidence(ours, known, repeats=QUIET), RULE)
    assert isinstance(decision, MoreRuns)
    assert decision.candidate == 1  # baseline runs count only beside a run of the candidate
    assert decision.baseline > 0
    assert decision.purpose is Purpose.CONFIRM
