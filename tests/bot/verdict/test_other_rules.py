from __future__ import annotations

import pytest
from pydantic import ValidationError

from bot.model import Direction, Purpose, Reason
from bot.verdict import (
    Accept,
    Evidence,
    Guard,
    MoreRuns,
    Reject,
    Replication,
    SimplicityRule,
    VerdictRule,
    check_guards,
    expected_false_merges,
    judge_simplification,
    replication,
)
from tests.bot.verdict.helpers import run, runs

RULE = VerdictRule()
SIMPLICITY = SimplicityRule(margin=0.05)
QUIET = ((11.4, 11.5, 11.6, 11.5, 11.55, 11.45),)


def test_expected_false_merges_count_what_the_test_judged() -> None:
    reasons = [Reason.IMPROVEMENT, Reason.WORSE, Reason.NO_EVIDENCE, Reason.CRASHED, Reason.STALE]
    assert expected_false_merges(reasons, 0.01) == pytest.approx(0.03)


def test_impossible_rules_are_refused() -> None:
    with pytest.raises(ValidationError, match="max_seeds"):
        VerdictRule(confirm_seeds=8, max_seeds=8)
    with pytest.raises(ValidationError, match="confirm_alpha"):
        VerdictRule(alpha=0.4, confirm_alpha=0.3)
    with pytest.raises(ValidationError, match="Extra inputs"):
        VerdictRule.model_validate({"alhpa": 0.1})


@pytest.mark.parametrize(("after", "broken"), [(150.0, False), (151.0, True), (50.0, False)])
def test_a_guard_blocks_growth_beyond_its_factor(after: float, broken: bool) -> None:
    evidence = Evidence(
        (run(1.0, 1, secondary=(("memory", after),)),),
        (run(2.0, 1, secondary=(("memory", 100.0),)),),
    )
    (result,) = check_guards(evidence, [Guard(name="memory", max_factor=1.5)])
    assert result.broken is broken
    assert "memory" in result.explanation


def test_a_guard_on_what_nobody_reported_blocks_nothing() -> None:
    guard = Guard(name="memory", max_factor=1.5)
    (result,) = check_guards(Evidence(runs([1.0]), runs([2.0])), [guard])
    assert not result.broken
    (duration,) = check_guards(
        Evidence(runs([1.0]), runs([2.0])), [Guard(name="duration_s", max_factor=1.0)]
    )
    assert duration.candidate_mean == 1.0
    assert not duration.broken


def simplify(evidence: Evidence, **more: object) -> object:
    arguments = {"tokens_before": 1000, "tokens_after": 800} | more
    return judge_simplification(evidence, RULE, SIMPLICITY, **arguments)  # type: ignore[arg-type]


def test_a_smaller_file_that_is_as_good_is_a_win() -> None:
    evidence = Evidence(runs([11.5, 11.45, 11.5]), runs([11.5, 11.4, 11.55]), repeats=QUIET)
    decision = simplify(evidence)
    assert isinstance(decision, Accept)
    assert "80%" in decision.explanation


def test_a_smaller_file_that_is_worse_is_not() -> None:
    evidence = Evidence(runs([12.4, 12.5, 12.4]), runs([11.5, 11.4, 11.55]), repeats=QUIET)
    assert isinstance(simplify(evidence), Reject)


def test_a_larger_file_is_no_simplification() -> None:
    evidence = Evidence(runs([11.5, 11.45]), runs([11.5, 11.4]), repeats=QUIET)
    assert isinstance(simplify(evidence, tokens_after=1000), Reject)


def test_a_simplification_asks_for_the_runs_that_its_margin_needs() -> None:
    evidence = Evidence(runs([11.5]), runs([11.5, 11.4, 11.6]), repeats=QUIET)
    decision = simplify(evidence)
    assert isinstance(decision, MoreRuns)
    assert 1 <= decision.candidate <= RULE.max_seeds


def test_a_margin_that_noise_hides_is_given_up_at_once() -> None:
    loud = ((9.0, 11.0, 13.0, 10.0, 12.0),)
    decision = simplify(Evidence(runs([11.5]), runs([11.0, 12.0]), repeats=loud))
    assert isinstance(decision, Reject)
    assert "max_seeds" in decision.explanation


def test_small_losses_do_not_add_up_past_the_audited_baseline() -> None:
    drifted = Evidence(runs([11.7, 11.72, 11.7]), runs([11.7, 11.68, 11.7]), repeats=QUIET)
    assert isinstance(simplify(drifted), Accept)
    audited = runs([11.0, 11.02, 10.98])
    assert isinstance(simplify(drifted, audited=audited), Reject)


def test_an_audit_asks_for_fresh_runs_of_winner_and_parent() -> None:
    evidence = Evidence(runs([10.0, 10.1]), runs([11.0, 11.1]))
    assert replication(evidence, RULE, runs=3) == MoreRuns(3, 3, Purpose.AUDIT)


@pytest.mark.parametrize(
    ("winner", "replicated"), [([10.0, 10.1, 10.0], True), ([11.9, 12.1, 12.0], False)]
)
def test_an_audit_tells_whether_the_gain_is_there(winner: list[float], replicated: bool) -> None:
    evidence = Evidence(
        (*runs([9.0, 9.1]), *runs(winner, Purpose.AUDIT, first=100)),
        runs([11.0, 11.1, 10.9], Purpose.AUDIT, first=100),
        repeats=QUIET,
    )
    result = replication(evidence, RULE, runs=3)
    assert isinstance(result, Replication)
    assert result.replicated is replicated
    assert result.estimate
    assert result.estimate.candidate_mean == pytest.approx(sum(winner) / 3)


def test_a_winner_that_fails_its_audit_run_has_not_replicated() -> None:
    evidence = Evidence((run(None, 1, Purpose.AUDIT),), (), Direction.LOWER)
    result = replication(evidence, RULE)
    assert isinstance(result, Replication)
    assert not result.replicated
