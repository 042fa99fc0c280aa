"""Whether a winner replicates: fresh runs of it and of its parent, judged by a bound."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.model import Estimate, Purpose
from bot.text.figures import number
from bot.verdict.evidence import OK, Evidence, MoreRuns, check
from bot.verdict.rule import VerdictRule
from bot.verdict.study import study


@dataclass(frozen=True)
class Replication:
    """What an audit says. `estimate` comes from the audit's runs alone."""

    replicated: bool
    estimate: Estimate | None
    explanation: str


def replication(
    evidence: Evidence,
    rule: VerdictRule,
    *,
    runs: int = 5,
    margin: float = 0.02,
    alpha: float = 0.1,
) -> MoreRuns | Replication:
    """Ask for `runs` fresh runs of winner and parent, then say whether the gain is there.

    Evidence: the winner as candidate, its parent as baseline; runs of other purposes than
    AUDIT only tell how much runs spread. The winner has not replicated when the lower
    one-sided bound of its gain, at level `alpha`, lies below minus `margin`
    (relative to the parent's mean), or when a fresh run of it fails. On sealed scores the
    caller hands over these instead of the values; nothing else changes.

    Raises:
        InvalidEvidence: see `judge`.
    """
    check(evidence)
    winner = tuple(run for run in evidence.candidate if run.purpose is Purpose.AUDIT)
    parent = tuple(run for run in evidence.baseline if run.purpose is Purpose.AUDIT)
    failed = next((run for run in winner if run.status != OK), None)
    if failed:
        text = f"The winner's fresh run with seed {failed.seed} ended as {failed.status}."
        return Replication(replicated=False, estimate=None, explanation=text)
    missing, missing_parent = max(0, runs - len(winner)), max(0, runs - len(parent))
    if missing or missing_parent:
        return MoreRuns(missing, missing_parent, Purpose.AUDIT)
    if not any(run.value is not None for run in parent):
        text = "No fresh run of the parent produced a value: nothing to compare with."
        return Replication(replicated=True, estimate=None, explanation=text)
    others = [values for values in _earlier(evidence) if len(values) > 1]
    fresh = replace(
        evidence,
        candidate=winner,
        baseline=parent,
        repeats=(*evidence.repeats, *others),
    )
    facts = study(fresh, rule)
    comparison = facts.tested()
    allowed = margin * facts.level
    bound = comparison.gain - comparison.gain_at(alpha)
    replicated = bound >= -allowed
    text = (
        f"Fresh runs show a gain of {number(comparison.gain)}, at least {number(bound)}: "
        f"{'no worse' if replicated else 'possibly worse'} than the parent by "
        f"{number(allowed)}, so the winner {'stands' if replicated else 'did not replicate'}."
    )
    return Replication(replicated, comparison.estimate(rule.interval), text)


def _earlier(evidence: Evidence) -> list[tuple[float, ...]]:
    """Repeated runs made before the audit: they tell of noise, not of the gain."""
    return [
        tuple(
            run.value for run in runs if run.value is not None and run.purpose is not Purpose.AUDIT
        )
        for runs in (evidence.candidate, evidence.baseline)
    ]
