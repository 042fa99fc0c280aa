"""Equal but simpler: a non-inferiority test at its own level.

For candidates that `judge` has closed for want of evidence and whose file is smaller. The
number of runs is fixed from the noise that is known beforehand and looked at once (Stein
1945), so that the level holds without a correction. The margin is counted from the last
audited baseline: many small losses, each within the margin, cannot add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.model import Estimate, Purpose, Reason, Run
from bot.text.figures import number
from bot.verdict.compare import Comparison
from bot.verdict.evidence import OK, Accept, Decision, Evidence, MoreRuns, Reject, check
from bot.verdict.explain import difference
from bot.verdict.rule import VerdictRule
from bot.verdict.student import normal_quantile
from bot.verdict.study import Study, study


class SimplicityRule(BaseModel):
    """When a smaller file may replace an equally good one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """The largest loss that passes as equal, relative to the baseline's mean."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Probability of merging a candidate that is worse by exactly the margin."""
    power: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    """Probability of merging one that is exactly equal; sets the number of runs."""
    min_saving: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The smallest share of the code's tokens worth saving."""


def judge_simplification(
    evidence: Evidence,
    rule: VerdictRule,
    simplicity: SimplicityRule,
    *,
    tokens_before: int,
    tokens_after: int,
    audited: Sequence[Run] = (),
    improved: Sequence[Run] = (),
) -> Decision:
    """Say which runs to make next, or whether the smaller file is as good.

    `audited` are runs of the last audited baseline, `improved` those of the last improvement
    that was merged after it: the margin is counted from each of them, and from the present
    baseline. Tokens are those of code, not of comments. Its `Accept` means `Reason.SIMPLER`.

    Raises:
        InvalidEvidence: see `judge`.
    """
    check(evidence)
    if tokens_after > tokens_before * (1 - simplicity.min_saving) or tokens_after >= tokens_before:
        return _no("The file does not shrink by enough to be a simplification.", None)
    usable = [run for run in evidence.candidate if run.status == OK]
    if len(usable) < len(evidence.candidate) or not usable:
        return _no("A simplification needs runs, and all of them without failure.", None)
    facts = study(evidence, rule)
    if not facts.baseline:
        if len(evidence.baseline) < rule.max_seeds:
            return MoreRuns(0, rule.baseline_seeds, Purpose.TEST)
        return _no("No run of the baseline produced a value.", None)
    wanted = 1 if facts.noise_free else runs_needed(facts, simplicity)
    if wanted > rule.max_seeds:
        text = (
            f"Smaller, but showing that it is not worse by more than {simplicity.margin:.1%} "
            f"would need about {wanted} runs of each side; max_seeds is {rule.max_seeds}."
        )
        return _no(text, facts.everything().estimate(rule.interval))
    missing = wanted - len(usable)
    if missing > 0:
        baseline = min(missing, max(0, wanted - len(facts.baseline)))
        return MoreRuns(missing, baseline, Purpose.TEST)
    references = [("the baseline", facts)]
    earlier = (("the last audited baseline", audited), ("the last improvement", improved))
    references += [
        (name, study(replace(evidence, baseline=tuple(runs)), rule))
        for name, runs in earlier
        if any(run.value is not None for run in runs)
    ]
    return _decide(references, rule, simplicity, tokens_after / tokens_before)


def runs_needed(facts: Study, simplicity: SimplicityRule) -> int:
    """Runs of each side for the power asked for, from what is known of the noise.

    It depends on how much runs spread and never on the difference, so that asking for them
    is no optional stopping.
    """
    comparison = facts.everything()
    deviates = normal_quantile(1 - simplicity.alpha) + normal_quantile(simplicity.power)
    margin = simplicity.margin * facts.level
    if margin <= 0:
        return 10**6
    return max(2, math.ceil(2 * comparison.baseline.variance * (deviates / margin) ** 2))


def _decide(
    references: Sequence[tuple[str, Study]],
    rule: VerdictRule,
    simplicity: SimplicityRule,
    size: float,
) -> Decision:
    """The candidate must be as good as every reference, of which the first is the baseline."""
    estimate = references[0][1].everything().estimate(rule.interval)
    for name, reference in references:
        against = reference.everything()
        margin = simplicity.margin * reference.level
        if against.gain - against.gain_at(simplicity.alpha) < -margin:
            return _no(_too_uncertain(against, name, margin, simplicity), estimate)
    names = " and ".join(name for name, _ in references)
    present = references[0][1].everything()
    limit = present.gain_at(simplicity.alpha) - simplicity.margin * references[0][1].level
    text = (
        f"{difference(present, rule.interval)}\n"
        f"{size:.0%} of the code, and not worse than {names} by more than "
        f"{simplicity.margin:.1%} (level {simplicity.alpha:g}).\n"
        f"A gain below {number(limit)} would have closed it; it was {number(present.gain)}."
    )
    return Accept(estimate, text)


def _too_uncertain(
    comparison: Comparison, name: str, margin: float, simplicity: SimplicityRule
) -> str:
    needed = comparison.gain_at(simplicity.alpha) - margin
    return (
        f"Smaller, but a loss of more than {number(margin)} against {name} is not excluded.\n"
        f"A gain of {number(needed)} would have; it was {number(comparison.gain)}."
    )


def _no(text: str, estimate: Estimate | None) -> Reject:
    return Reject(Reason.NO_EVIDENCE, estimate, text)
