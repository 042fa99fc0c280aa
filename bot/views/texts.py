"""What people read on a pull request: its body, its check, and the comment that ends it.

Pure functions that return Markdown. Text from outside, the words of a verdict among it (they
name paths), is made inert here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.audits.ledger import AuditEntry, Gain
from bot.forge.base import Check, Conclusion, PullRequest
from bot.history.beliefs import Change
from bot.history.ledger import LedgerEntry
from bot.history.multiplicity import Multiplicity
from bot.model import Estimate, Proposal, Reason, Run, Side, Verdict
from bot.text.figures import number, rounded
from bot.text.plain import inert_markdown
from bot.verdict import GuardResult

UNAPPLIED = "This revert does not apply to the base branch of now"
"""How the comment begins that leaves a revert to a person."""
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


def pull_body(
    proposal: Proposal,
    phase: str,
    changed: Change | None = None,
    *,
    change: str = "",
    before: str = "",
) -> str:
    """The body of a new experiment's pull request. `changed` are the beliefs that it changes.

    `change` sums the diff up, `before` tells of earlier experiments like it; both are Markdown.
    """
    hypothesis = proposal.hypothesis
    parts = [
        f"**Hypothesis.** {inert_markdown(hypothesis.title)}",
        f"**Why.** {inert_markdown(hypothesis.rationale)}",
    ]
    if hypothesis.expected:
        parts.append(f"**Expected.** {inert_markdown(hypothesis.expected)}")
    if hypothesis.falsified_by:
        parts.append(f"**Falsified by.** {inert_markdown(hypothesis.falsified_by)}")
    if change:
        parts.append(f"**Change.** {change}.")
    if before:
        parts.append(f"**Tried before.** {before}")
    if changed:
        lines = [f"- dropped: {inert_markdown(one)}" for one in changed.removed]
        lines += [f"- new: {one}" for one in changed.added]
        parts.append("\n".join(["**Beliefs.**", *lines]))
    if proposal.sources:
        cited = [
            f"- <{source.url}> {inert_markdown(source.title)}".rstrip()
            for source in proposal.sources
        ]
        parts.append("\n".join(["**Sources.**", *cited]))
    if proposal.cost:
        parts.append(f"**Cost of the proposal.** {proposal.cost}")
    parts.append(f"Proposed by `{proposal.proposer}` in phase `{phase}`.")
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Told:
    """A verdict and what is shown with it."""

    metric: str
    verdict: Verdict
    runs: Sequence[tuple[Side, Run]] = ()
    guards: Sequence[GuardResult] = ()
    multiplicity: Multiplicity | None = None
    drift: str | None = None
    self_reported: bool = False
    trend: str = ""  # Markdown, see bot.views.trend


SELF_REPORTED = (
    "**Self-reported.** The script printed these numbers itself; nothing outside of it checked "
    "them."
)


def check(attempt: str, head: str, told: Told) -> Check:
    """The completed check of an experiment that has its verdict."""
    verdict = told.verdict
    conclusion = (
        Conclusion.SUCCESS
        if verdict.merged
        else _CONCLUSIONS.get(verdict.reason, Conclusion.NEUTRAL)
    )
    return Check(attempt, head, conclusion, headline(told.metric, verdict), _account(told))


def closing_comment(told: Told) -> str:
    """The comment that comes with a verdict: what became of it, why, and the numbers."""
    verdict = told.verdict
    return f"**{str(verdict.outcome).capitalize()}: {verdict.reason}.**\n\n{_account(told)}\n"


def _account(told: Told) -> str:
    """Why, in a few lines; difference, interval, seeds and guards in a table; every run."""
    lines = filter(None, told.verdict.explanation.splitlines())
    parts = ["\n".join(f"- {inert_markdown(line)}" for line in lines)]
    if told.verdict.estimate:
        parts.append(_estimate_table(told.metric, told.verdict.estimate, told.runs))
    if told.self_reported:
        parts.append(SELF_REPORTED)
    if told.guards:
        parts.append(guards_table(told.guards))
    if told.drift:
        parts.append(told.drift)
    if told.multiplicity:
        parts.append(told.multiplicity.text)
    if told.trend:
        parts.append(told.trend)
    if told.runs:
        parts.append(runs_table(told.metric, told.runs))
    return "\n\n".join(parts)


def revert_body(metric: str, entry: LedgerEntry, audit: AuditEntry) -> str:
    """The body of a revert's pull request: what was claimed, and what fresh runs show."""
    unit = f"gain in {metric}, positive is better"
    parts = [
        f"**Hypothesis.** Without #{entry.number} ({inert_markdown(entry.title)}) the code is "
        "no worse.",
        f"**Why.** #{entry.number} was merged as `{entry.reason}`; audit {audit.session} measured "
        f"it and its parent again on {audit.runs} fresh seeds, and it did not replicate. "
        f"{inert_markdown(audit.explanation)}",
        f"| {unit} | estimate | interval |\n| --- | ---: | --- |\n"
        f"{_gain_row('claimed', audit.claimed)}\n{_gain_row('confirmed', audit.confirmed)}",
        "It is measured like any other experiment and merged as `did-not-replicate` if it is not "
        f"worse than the present baseline. If it conflicts, it waits for a person. To keep "
        f"#{entry.number} all the same, delete this branch.",
    ]
    return "\n\n".join(parts) + "\n"


def _gain_row(name: str, gain: Gain | None) -> str:
    if gain is None:
        return f"| {name} | none | |"
    value, low, high = (rounded(v, 3, sign=True) for v in (gain.value, gain.low, gain.high))
    return f"| {name} | {value} | {low} to {high} |"


def conflict_comment(pull: PullRequest, paths: str) -> str:
    """Why a revert waits, and what a person can do about it."""
    return (
        f"{UNAPPLIED}: {paths}. It waits for a person; "
        "the bot goes on with other work. Any of these ends the wait:\n\n"
        f"- merge the base branch into `{pull.branch}`, resolve the conflict and commit: the "
        "result is measured and judged;\n"
        f"- change the base branch by hand, so that `{pull.branch}` applies or has nothing left "
        "to take back;\n"
        f"- keep the winner after all: delete the branch, `git branch -D {pull.branch}`.\n"
    )


def guards_table(guards: Sequence[GuardResult]) -> str:
    """How every guard stands, also when it decided nothing."""
    rows = ["| guard | stands |", "| --- | --- |"]
    for result in guards:
        state = "BROKEN" if result.broken else "holds"
        state = "NOT CHECKED" if not result.checked else state
        rows.append(f"| {result.guard.name} | {state}: {result.explanation} |")
    return "\n".join(rows)


def _estimate_table(metric: str, estimate: Estimate, runs: Sequence[tuple[Side, Run]]) -> str:
    seeds = {side: len({run.seed for at, run in runs if at is side}) for side in Side}
    return (
        f"| {metric} | candidate | baseline | difference | {estimate.level:.0%} interval |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        f"| mean | {number(estimate.candidate_mean)} | {number(estimate.baseline_mean)} "
        f"| {rounded(estimate.difference, 3, sign=True)} "
        f"| {rounded(estimate.low, 3, sign=True)} to {rounded(estimate.high, 3, sign=True)} |\n"
        f"| runs compared | {estimate.candidate_runs} | {estimate.baseline_runs} | | |\n"
        f"| seeds in this experiment | {seeds[Side.CANDIDATE]} | {seeds[Side.BASELINE]} | | |"
    )


def runs_table(metric: str, runs: Sequence[tuple[Side, Run]]) -> str:
    """Every run with its seed, purpose, status and value, in the order in which they were made."""
    rows = [f"| run | seed | purpose | status | {metric} |", "| --- | ---: | --- | --- | ---: |"]
    for side, run in runs:
        value = "" if run.value is None else number(run.value)
        rows.append(f"| {side} | {run.seed} | {run.purpose} | {run.status} | {value} |")
    return "\n".join(rows)
