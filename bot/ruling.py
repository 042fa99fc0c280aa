"""From the runs of one experiment to more runs or a verdict: every rule, in its order. Pure.

First the test of an improvement. What it closes for want of evidence and is smaller may still
win as a simplification; what takes a winner back is judged as a revert. Guards come last: they
can block a merge and never cause one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.audits.plan import AuditRule
from bot.model import Purpose, Reason, Run, Verdict
from bot.verdict import (
    Decision,
    Evidence,
    Guard,
    GuardResult,
    MoreRuns,
    Reject,
    SimplicityRule,
    VerdictRule,
    check_guards,
    judge,
    judge_revert,
    judge_simplification,
)


@dataclass(frozen=True)
class Rules:
    """What bot.toml says about verdicts."""

    verdict: VerdictRule = field(default_factory=VerdictRule)
    simplicity: SimplicityRule = field(default_factory=SimplicityRule)
    guards: tuple[Guard, ...] = ()
    audit: AuditRule = field(default_factory=AuditRule)

    def with_min_effect(self, min_effect: float | None) -> Rules:
        """The same with another smallest improvement; None leaves it."""
        if min_effect is None:
            return self
        verdict = self.verdict.model_copy(update={"min_effect": min_effect})
        return replace(self, verdict=verdict)


@dataclass(frozen=True)
class Case:
    """An experiment to be judged.

    `tokens_before` and `tokens_after` are the sizes of the baseline's and the candidate's code;
    `audited` and `improved` are what `judge_simplification` says of them; `revert` tells that
    it takes back a winner that did not replicate.
    """

    evidence: Evidence
    tokens_before: int = 0
    tokens_after: int = 0
    audited: tuple[Run, ...] = ()
    improved: tuple[Run, ...] = ()
    revert: bool = False


@dataclass(frozen=True)
class Ruling:
    """A verdict, and how the guards stand."""

    verdict: Verdict
    guards: tuple[GuardResult, ...] = ()


def rule_on(case: Case, rules: Rules) -> MoreRuns | Ruling:
    """Say which runs to make next, or end the experiment.

    Raises:
        InvalidEvidence: see `bot.verdict.judge`.
    """
    if case.revert:
        margin, alpha = rules.audit.margin, rules.audit.alpha
        decision = judge_revert(case.evidence, rules.verdict, margin=margin, alpha=alpha)
        return _ruling(decision, Reason.DID_NOT_REPLICATE, case, rules)
    first = judge(_before_simplification(case.evidence), rules.verdict)
    if _simplifying(case.evidence):
        # Runs were made to show that it is as good: the test of an improvement, which did not
        # ask for them, must not look at them. They get one look, by the other rule.
        failed = any(run.value is None for run in case.evidence.candidate)
        original = judge(case.evidence, rules.verdict) if failed else first
        if not isinstance(original, Reject):
            # What other experiments showed meanwhile would let the test go on; it had ended.
            original = Reject(Reason.NO_EVIDENCE, None, "A gain was not shown.")
    elif isinstance(first, Reject) and first.reason is Reason.NO_EVIDENCE:
        original = first
    else:
        return _ruling(first, Reason.IMPROVEMENT, case, rules)
    if original.reason is not Reason.NO_EVIDENCE or case.tokens_after >= case.tokens_before:
        return _ruling(original, Reason.IMPROVEMENT, case, rules)
    return _simplified(original, case, rules)


def _simplified(original: Reject, case: Case, rules: Rules) -> MoreRuns | Ruling:
    decision = judge_simplification(
        case.evidence,
        rules.verdict,
        rules.simplicity,
        tokens_before=case.tokens_before,
        tokens_after=case.tokens_after,
        audited=case.audited,
        improved=case.improved,
    )
    if isinstance(decision, MoreRuns):
        return replace(decision, purpose=Purpose.SIMPLIFY)
    if isinstance(decision, Reject):
        text = f"{original.explanation}\n{decision.explanation}"
        estimate = decision.estimate if original.estimate is None else original.estimate
        decision = Reject(original.reason, estimate, text)
    return _ruling(decision, Reason.SIMPLER, case, rules)


def _ruling(decision: Decision, accepted: Reason, case: Case, rules: Rules) -> MoreRuns | Ruling:
    if isinstance(decision, MoreRuns):
        return decision
    guards = check_guards(case.evidence, rules.guards)
    if isinstance(decision, Reject):
        return Ruling(Verdict(decision.reason, decision.explanation, decision.estimate), guards)
    broken = [result.explanation for result in guards if result.broken]
    if not broken:
        return Ruling(Verdict(accepted, decision.explanation, decision.estimate), guards)
    difference = decision.explanation.splitlines()[0]
    text = "\n".join(
        [
            difference,
            f"It would have been merged ({accepted}), but a guard is broken: {'; '.join(broken)}",
            "Staying within the factor would have merged it.",
        ]
    )
    return Ruling(Verdict(Reason.WORSE, text, decision.estimate), guards)


def _simplifying(evidence: Evidence) -> bool:
    return any(run.purpose is Purpose.SIMPLIFY for run in evidence.candidate)


def _before_simplification(evidence: Evidence) -> Evidence:
    """What the test of an improvement has seen: nothing that was run for another rule."""
    own = [run for run in evidence.candidate if run.purpose is Purpose.SIMPLIFY]
    if not own:
        return evidence
    attempts = {run.attempt for run in own}
    return replace(
        evidence,
        candidate=tuple(run for run in evidence.candidate if run not in own),
        baseline=tuple(run for run in evidence.baseline if run.attempt not in attempts),
    )
