"""From evidence to a decision: screen, sequential test, confirmation.

Wald's sequential probability ratio test (1945) of "no gain" against "a gain that the run
limit can show", on Student's t compared at equal significance, then an independent
confirmation. docs/verdict.md gives the reasons and the measured error rates.
"""

from __future__ import annotations

import math

from bot.model import Purpose, Reason
from bot.verdict import explain
from bot.verdict.boundary import boundary
from bot.verdict.compare import Comparison
from bot.verdict.evidence import OK, Accept, Decision, Evidence, MoreRuns, Reject, check
from bot.verdict.rule import VerdictRule
from bot.verdict.study import Study, study

_WORSE_LEVEL = 0.05  # a screened candidate is `worse` rather than `no-evidence` at this level
_OVERWHELMING = 8.0  # predicted standard errors that make a short confirmation enough
FAILURES = {
    "crashed": Reason.CRASHED,
    "timed-out": Reason.TIMED_OUT,
    "out-of-memory": Reason.OUT_OF_MEMORY,
    "invalid-output": Reason.INVALID_OUTPUT,
}


def judge(evidence: Evidence, rule: VerdictRule) -> Decision:
    """Say which runs to make next, or end the experiment.

    Total and pure: asked again with the runs that it requested, it ends after at most
    `rule.max_seeds` runs of the candidate.

    Raises:
        InvalidEvidence: a seed occurs twice on a side, runner classes are mixed, or a value
            is not a finite number.
    """
    check(evidence)
    failed = next((run for run in evidence.candidate if run.status != OK), None)
    if failed:
        reason = FAILURES.get(failed.status, Reason.CRASHED)
        return Reject(reason, None, explain.failed(failed, len(evidence.candidate)))
    facts = study(evidence, rule)
    if not facts.baseline:
        return _measure_baseline(evidence, rule)
    if facts.noise_free:
        return _judge_without_noise(facts, rule)
    if facts.confirmation:
        return _judge_confirmation(facts, rule)
    if not facts.candidate:
        return MoreRuns(1, _baseline_runs_to_start(facts, rule), Purpose.SCREEN)
    return _judge_test(facts, rule)


def _measure_baseline(evidence: Evidence, rule: VerdictRule) -> Decision:
    if len(evidence.baseline) >= rule.max_seeds:
        text = explain.baseline_fails(evidence.baseline)
        return Reject(Reason.NO_EVIDENCE, None, text)
    return MoreRuns(0 if evidence.candidate else 1, rule.baseline_seeds, Purpose.SCREEN)


def _baseline_runs_to_start(facts: Study, rule: VerdictRule) -> int:
    missing = max(0, rule.baseline_seeds - len(facts.baseline))
    due = facts.experiments_since_baseline >= rule.baseline_every
    return max(missing, int(due))


def _judge_without_noise(facts: Study, rule: VerdictRule) -> Decision:
    """One run of each side says everything; it is the confirmation at the same time."""
    if not facts.confirmation:
        return MoreRuns(1, 0, Purpose.CONFIRM)
    comparison = facts.confirmed()
    estimate = comparison.estimate(rule.interval)
    better = comparison.gain > 0 and comparison.gain >= facts.min_effect
    text = explain.without_noise(comparison, facts.min_effect, better=better)
    if better:
        return Accept(estimate, text)
    return Reject(Reason.WORSE if comparison.gain < 0 else Reason.NO_EVIDENCE, estimate, text)


def _judge_test(facts: Study, rule: VerdictRule) -> Decision:
    comparison = facts.tested()
    limits = boundary(comparison, facts.min_effect, rule)
    last = len(facts.candidate) >= rule.test_seeds
    if limits.accepts(last):
        return MoreRuns(*_confirmation_runs(comparison, rule), Purpose.CONFIRM)
    estimate = comparison.estimate(rule.interval)
    if limits.rejects:
        worse = comparison.gain < 0 and comparison.p_worse <= _WORSE_LEVEL
        text = explain.rejected(comparison, limits, rule, worse=worse)
        return Reject(Reason.WORSE if worse else Reason.NO_EVIDENCE, estimate, text)
    if last:
        return Reject(Reason.NO_EVIDENCE, estimate, explain.undecided(comparison, limits, rule))
    baseline = int(len(facts.baseline) < 2 * (len(facts.candidate) + 1))
    return MoreRuns(1, baseline, Purpose.TEST)


def _confirmation_runs(tested: Comparison | None, rule: VerdictRule) -> tuple[int, int]:
    """How many runs of candidate and baseline confirm; known before the first of them."""
    if tested:
        spread = tested.candidate.variance / 2 + tested.baseline.variance
        if tested.gain >= _OVERWHELMING * math.sqrt(spread):
            return 2, 1
    return rule.confirm_seeds, rule.confirm_seeds


def _judge_confirmation(facts: Study, rule: VerdictRule) -> Decision:
    tested = facts.tested() if facts.candidate else None
    candidate, baseline = _confirmation_runs(tested, rule)
    candidate = max(0, candidate - len(facts.confirmation))
    baseline = max(0, baseline - facts.baseline_confirmations_tried)
    if candidate or baseline:
        # Baseline runs count beside a confirmation run of the candidate only, so that each
        # batch needs one: without, a lost baseline run would be asked for again and again.
        return MoreRuns(max(1, candidate), baseline, Purpose.CONFIRM)
    comparison = facts.confirmed()
    estimate = comparison.estimate(rule.interval)
    # Runs that no test preceded (the metric seemed to be without noise until other
    # experiments showed some) must carry the whole evidence themselves.
    level = rule.confirm_alpha if tested else rule.alpha
    needed = max(facts.min_effect, comparison.gain_at(level))
    if comparison.gain < needed:
        text = explain.not_confirmed(comparison, rule, needed=needed)
        return Reject(Reason.NO_EVIDENCE, estimate, text)
    together = facts.together()
    if together.p_better > rule.test_alpha:
        text = explain.not_together(comparison, together, rule)
        return Reject(Reason.NO_EVIDENCE, estimate, text)
    return Accept(estimate, explain.accepted(comparison, together, rule, needed=needed))
