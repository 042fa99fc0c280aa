"""A verdict in words: three lines at most, the last one what would have changed its mind."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model import Run
from bot.text.figures import number
from bot.verdict.boundary import Boundary
from bot.verdict.compare import Comparison
from bot.verdict.rule import VerdictRule


def failed(run: Run, runs: int) -> str:
    """A run of the candidate produced no value."""
    return "\n".join(
        [
            f"The run with seed {run.seed} ended as {run.status}; {runs} made in all.",
            *([f"{run.message[:1].upper()}{run.message[1:]}."] if run.message else []),
            "A winner has to be reliable: every run ending with a value would have changed this.",
        ]
    )


def baseline_fails(runs: Sequence[Run]) -> str:
    """The baseline never produced a value."""
    return "\n".join(
        [
            f"None of {len(runs)} runs of the baseline itself produced a value "
            f"(the last one: {runs[-1].status}), so there is nothing to compare with.",
            "Repair the file on the base branch, then open the experiment again.",
        ]
    )


def difference(comparison: Comparison, level: float) -> str:
    """Both means, their difference, its interval and how well the spread is known."""
    estimate = comparison.estimate(level)
    return (
        f"{number(estimate.candidate_mean)} against {number(estimate.baseline_mean)} "
        f"({estimate.candidate_runs} and {estimate.baseline_runs} runs): difference "
        f"{number(estimate.difference)}, {level:.0%} interval {number(estimate.low)} to "
        f"{number(estimate.high)}, {estimate.degrees_of_freedom:.1f} degrees of freedom."
    )


def rejected(comparison: Comparison, limits: Boundary, rule: VerdictRule, *, worse: bool) -> str:
    """The sequential test gave the candidate up."""
    verdict = (
        "Clearly worse than the baseline."
        if worse
        else "Not promising: going on would probably not show a gain."
    )
    return "\n".join(
        [
            difference(comparison, rule.interval),
            verdict,
            f"It would have been run again with a gain above {number(limits.keeps)}; "
            f"it was {number(comparison.gain)}.",
        ]
    )


def undecided(comparison: Comparison, limits: Boundary, rule: VerdictRule) -> str:
    """The runs are used up without a decision."""
    return "\n".join(
        [
            difference(comparison, rule.interval),
            f"The limit of {rule.max_seeds} seeds is reached and a gain is not shown.",
            f"A gain of {number(limits.accepts_from)} over the same runs would have been; "
            f"it was {number(comparison.gain)}.",
        ]
    )


def not_confirmed(comparison: Comparison, rule: VerdictRule, *, needed: float) -> str:
    """It won the test and did not hold up."""
    return "\n".join(
        [
            difference(comparison, rule.interval),
            "Promising at first, but fresh seeds did not confirm it.",
            f"A confirmed gain of {number(needed)} would have been merged; "
            f"it was {number(comparison.gain)}.",
        ]
    )


def not_together(comparison: Comparison, together: Comparison, rule: VerdictRule) -> str:
    """It held up, but counting every run the gain is not shown after all."""
    return "\n".join(
        [
            difference(comparison, rule.interval),
            "It held up on fresh seeds, but its runs spread so much that all of them together "
            "do not show a gain.",
            f"A gain of {number(together.gain_at(rule.test_alpha))} over all runs would have; "
            f"it was {number(together.gain)}.",
        ]
    )


def accepted(
    comparison: Comparison, together: Comparison, rule: VerdictRule, *, needed: float
) -> str:
    """Shown by the test, held up on fresh seeds.

    `comparison` is of the confirmation runs, which alone are claimed; `together` of all runs,
    which carry the evidence.
    """
    return "\n".join(
        [
            difference(comparison, rule.interval),
            f"These runs on fresh seeds alone are claimed. All {together.candidate.runs} and "
            f"{together.baseline.runs} runs together show a gain of {number(together.gain)}; the "
            f"chance of as much without any is {chance(together.p_better)}.",
            f"A gain below {number(needed)} in the confirmation would have closed it; "
            f"it was {number(comparison.gain)}.",
        ]
    )


def chance(probability: float) -> str:
    """A small probability in words, never 0."""
    return "below 0.0001" if probability < 1e-4 else f"{probability:.2g}"


def without_noise(comparison: Comparison, min_effect: float, *, better: bool) -> str:
    """The metric does not vary: one run each decides."""
    verdict = "it is better" if better else "it is not better by enough"
    return "\n".join(
        [
            f"{number(comparison.candidate.mean)} against {number(comparison.baseline.mean)}: "
            f"a gain of {number(comparison.gain)}.",
            f"Repeated runs have never differed, so one run of each side decides: {verdict}.",
            f"The line is at a gain of {number(min_effect)}.",
        ]
    )
