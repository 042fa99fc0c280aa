"""Taking a winner back: may the code without it replace the present baseline?

A winner that did not replicate has lost its claim, so its revert need not be better, only not
worse by more than the margin. As with simplifications, the number of runs is fixed from the
noise that is known beforehand and looked at once.
"""

from __future__ import annotations

from bot.model import Purpose, Reason
from bot.text.figures import number
from bot.verdict.evidence import OK, Accept, Decision, Evidence, MoreRuns, Reject, check
from bot.verdict.explain import difference, failed
from bot.verdict.judge import FAILURES
from bot.verdict.rule import VerdictRule
from bot.verdict.simplify import SimplicityRule, runs_needed
from bot.verdict.study import study


def judge_revert(evidence: Evidence, rule: VerdictRule, *, margin: float, alpha: float) -> Decision:
    """Say which runs to make next, or whether the revert is as good as the present baseline.

    `margin` is relative to the baseline's mean, `alpha` the level. At most `rule.max_seeds`
    runs are made; where noise would need more, the test has less power, never another level.
    Its `Accept` means `Reason.DID_NOT_REPLICATE`.

    Raises:
        InvalidEvidence: see `judge`.
    """
    check(evidence)
    broken = next((run for run in evidence.candidate if run.status != OK), None)
    if broken:
        reason = FAILURES.get(broken.status, Reason.CRASHED)
        return Reject(reason, None, failed(broken, len(evidence.candidate)))
    if not evidence.candidate:
        return MoreRuns(1, rule.baseline_seeds, Purpose.SCREEN)
    facts = study(evidence, rule)
    if not facts.baseline:
        if len(evidence.baseline) < rule.max_seeds:
            return MoreRuns(0, rule.baseline_seeds, Purpose.TEST)
        text = "No run of the baseline produced a value: nothing to compare with."
        return Reject(Reason.NO_EVIDENCE, None, text)
    test = SimplicityRule(margin=margin, alpha=alpha)
    wanted = 1 if facts.noise_free else min(runs_needed(facts, test), rule.max_seeds)
    missing = wanted - len(evidence.candidate)
    if missing > 0:
        return MoreRuns(missing, missing, Purpose.TEST)
    comparison = facts.everything()
    allowed = margin * facts.level
    needed = comparison.gain_at(alpha) - allowed
    passes = comparison.gain >= needed
    outcome = "not worse" if passes else "possibly worse"
    text = "\n".join(
        [
            difference(comparison, rule.interval),
            f"The winner did not replicate, and the code without it is {outcome} by more than "
            f"{margin:.1%} (level {alpha:g}).",
            f"The line is at a gain of {number(needed)}; it was {number(comparison.gain)}.",
        ]
    )
    estimate = comparison.estimate(rule.interval)
    return Accept(estimate, text) if passes else Reject(Reason.NO_EVIDENCE, estimate, text)
