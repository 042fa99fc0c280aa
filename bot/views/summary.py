"""The few lines that end a step, and the same as data."""

from __future__ import annotations

from typing import Any

from bot.run.base import Concluded

CONCLUDED_KEYS = {
    "number": "number of the experiment's pull request; it and what follows is null where "
    "measuring is the work of workflows and nothing has its verdict yet",
    "title": "the hypothesis in one line",
    "verdict": "`merged` or `closed`",
    "reason": "the typed reason (docs/concepts.md)",
    "explanation": "why, in words",
    "metric": "the metric's name",
    "difference": "candidate minus baseline in the metric's units, null if nothing was compared",
    "interval": "[low, high] of the difference, or null",
    "merged": "whether `verdict` is `merged`",
    "expected_false_merges": "how many of all merges so far are expected to be false, at most",
}
"""Every key of `concluded_json` and its meaning."""


def summary(done: Concluded, metric: str) -> str:
    """Hypothesis, difference with its interval, verdict and why, where to look next."""
    pull, verdict = done.pull, done.verdict
    lines = ["", f"Experiment #{pull.number}: {pull.title}"]
    lines.append(f"  {str(verdict.outcome).capitalize()}: {verdict.reason}")
    explanation = verdict.explanation.splitlines()
    if verdict.estimate and explanation:
        explanation[0] = f"{metric} {explanation[0]}"
    lines += [f"  {line}" for line in explanation]
    if done.multiplicity:
        lines.append(f"  {done.multiplicity.text}")
    lines += [
        "",
        f"  python -m bot show {pull.number}   the whole story     "
        f"python -m bot diff {pull.number}   what was changed",
        "  python -m bot log      all experiments     python -m bot step     the next one",
    ]
    return "\n".join(lines)


def concluded_json(done: Concluded | None, metric: str) -> dict[str, Any]:
    """The verdict of a step as data, with the keys of `CONCLUDED_KEYS`; None if there is none."""
    if done is None:
        return {**dict.fromkeys(CONCLUDED_KEYS), "metric": metric, "merged": False}
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
        "expected_false_merges": done.multiplicity.expected if done.multiplicity else None,
    }
