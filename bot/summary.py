"""The few lines that end a step, and the same as data."""

from __future__ import annotations

from typing import Any

from bot import texts
from bot.figures import number
from bot.step import Concluded


def summary(done: Concluded, metric: str) -> str:
    """Hypothesis, difference with its interval, verdict and why, where to look next."""
    pull, verdict = done.pull, done.verdict
    lines = ["", f"Experiment #{pull.number}: {pull.title}"]
    estimate = verdict.estimate
    if estimate:
        lines.append(
            f"  {metric}: {number(estimate.candidate_mean)} against "
            f"{number(estimate.baseline_mean)}, difference {texts.difference(estimate)} "
            f"({estimate.level:.0%} interval)"
        )
    lines.append(f"  {str(verdict.outcome).capitalize()}: {verdict.reason}")
    lines += [f"  {line}" for line in verdict.explanation.splitlines()]
    lines += [
        "",
        f"  python -m bot show {pull.number}   the whole story     "
        f"python -m bot diff {pull.number}   what was changed",
        "  python -m bot log      all experiments     python -m bot step     the next one",
    ]
    return "\n".join(lines)


def concluded_json(done: Concluded, metric: str) -> dict[str, Any]:
    """The verdict of a step as data; the keys are documented in docs/commands.md."""
    pull, verdict = done.pull, done.verdict
    estimate = verdict.estimate
    return {
        "number": pull.number,
        "title": pull.title,
        "verdict": str(verdict.outcome),
        "reason": str(verdict.reason),
        "explanation": verdict.explanation,
        "metric": metric,
        "difference": estimate.difference if estimate else None,
        "interval": [estimate.low, estimate.high] if estimate else None,
        "merged": verdict.merged,
    }
