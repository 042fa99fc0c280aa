"""What people read on a pull request: its body, its check, and the comment that ends it.

Pure functions that return Markdown. Text from outside is put on one line and stripped before
it comes here or is fenced here.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.figures import number, rounded
from bot.forge.base import Check, Conclusion
from bot.ledger import one_line
from bot.model import Estimate, Proposal, Reason, Run, Side, Verdict

_CONCLUSIONS = {
    Reason.CRASHED: Conclusion.FAILURE,
    Reason.OUT_OF_MEMORY: Conclusion.FAILURE,
    Reason.INVALID_OUTPUT: Conclusion.FAILURE,
    Reason.FORBIDDEN_CHANGE: Conclusion.FAILURE,
    Reason.TIMED_OUT: Conclusion.TIMED_OUT,
    Reason.BY_HUMAN: Conclusion.CANCELLED,
}


def difference(estimate: Estimate) -> str:
    """Candidate minus baseline with its interval, for example `-2.1 ± 0.4`."""
    half = (estimate.high - estimate.low) / 2
    return f"{rounded(estimate.difference, 3, sign=True)} ± {rounded(half, 2)}"


def headline(metric: str, verdict: Verdict) -> str:
    """The number people want, for example `mean_rank 11.3 (-2.1 ± 0.4)`, or the reason."""
    estimate = verdict.estimate
    if estimate is None:
        return str(verdict.reason)
    return f"{metric} {number(estimate.candidate_mean)} ({difference(estimate)})"


def pull_body(proposal: Proposal, phase: str) -> str:
    """The body of a new experiment's pull request."""
    hypothesis = proposal.hypothesis
    parts = [
        f"**Hypothesis.** {_text(hypothesis.title)}",
        f"**Why.** {_text(hypothesis.rationale)}",
    ]
    if hypothesis.expected:
        parts.append(f"**Expected.** {_text(hypothesis.expected)}")
    if hypothesis.falsified_by:
        parts.append(f"**Falsified by.** {_text(hypothesis.falsified_by)}")
    if proposal.notes:
        parts.append(f"**Beliefs.** {_text(proposal.notes)}")
    parts.append(f"Proposed by `{proposal.proposer}` in phase `{phase}`.")
    return "\n\n".join(parts) + "\n"


def check(
    attempt: str, head: str, metric: str, verdict: Verdict, runs: Sequence[tuple[Side, Run]]
) -> Check:
    """The completed check of an experiment that has its verdict."""
    conclusion = (
        Conclusion.SUCCESS
        if verdict.merged
        else _CONCLUSIONS.get(verdict.reason, Conclusion.NEUTRAL)
    )
    summary = f"{verdict.explanation}\n\n{runs_table(metric, runs)}"
    return Check(attempt, head, conclusion, headline(metric, verdict), summary)


def closing_comment(metric: str, verdict: Verdict, runs: Sequence[tuple[Side, Run]]) -> str:
    """The comment that comes with a verdict: what became of it, why, and the numbers."""
    parts = [f"**{str(verdict.outcome).capitalize()}: {verdict.reason}.**", verdict.explanation]
    if verdict.estimate:
        parts.append(_estimate_table(metric, verdict.estimate))
    if runs:
        parts.append(runs_table(metric, runs))
    return "\n\n".join(parts) + "\n"


def _estimate_table(metric: str, estimate: Estimate) -> str:
    return (
        f"| {metric} | candidate | baseline | difference | {estimate.level:.0%} interval |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        f"| mean | {number(estimate.candidate_mean)} | {number(estimate.baseline_mean)} "
        f"| {rounded(estimate.difference, 3, sign=True)} "
        f"| {rounded(estimate.low, 3, sign=True)} to {rounded(estimate.high, 3, sign=True)} |\n"
        f"| runs | {estimate.candidate_runs} | {estimate.baseline_runs} | | |"
    )


def runs_table(metric: str, runs: Sequence[tuple[Side, Run]]) -> str:
    """Every run with its seed, purpose, status and value, in the order in which they were made."""
    rows = [f"| run | seed | purpose | status | {metric} |", "| --- | ---: | --- | --- | ---: |"]
    for side, run in runs:
        value = "" if run.value is None else number(run.value)
        rows.append(f"| {side} | {run.seed} | {run.purpose} | {run.status} | {value} |")
    return "\n".join(rows)


def _text(text: str) -> str:
    """Text of a proposer: one paragraph, bounded, without active Markdown or HTML."""
    plain = one_line(text, 1_500).replace("<", "&lt;")
    return plain.replace("@", "@\u200b").replace("![", "!\\[")
