"""A pull request as a person reads it in a terminal, and as data."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bot.forge.base import Comment, PullRequest
from bot.history.reduce import runs_of
from bot.history.revisions import unmarked
from bot.model import Estimate, Purpose
from bot.people.record import visible
from bot.text.plain import for_terminal, one_line
from bot.views import texts
from runner.text import clean_text

_LOG_BYTES = 4_000

PULL_KEYS = {
    "number": "its number",
    "title": "the hypothesis in one line",
    "state": "`open`, `merged` or `closed`",
    "branch": "its branch",
    "head": "the commit that the branch is known to be at",
    "author": "who opened it",
    "author.name": "name",
    "author.id": "what stays when names change: an e-mail address",
    "author.is_bot": "whether that is the bot",
    "created_at": "seconds since 1970 (UTC)",
    "closed_at": "the same of its end, null while it is open",
    "labels": "labels, sorted",
    "body": "the description, Markdown; text from outside",
    "record": "machine data noted when it was opened: proposer, phase, cost, hypothesis, fork",
    "checks": "completed checks, oldest first",
    "checks[].attempt": "the attempt that it belongs to",
    "checks[].head": "the commit that it belongs to",
    "checks[].conclusion": "`success`, `neutral`, `failure`, `timed_out` or `cancelled`",
    "checks[].title": "one line",
    "checks[].summary": "Markdown",
    "comments": "comments, oldest first",
    "comments[].id": "names the comment",
    "comments[].author": "who wrote it",
    "comments[].author.name": "name",
    "comments[].author.id": "what stays when names change: an e-mail address",
    "comments[].author.is_bot": "whether that is the bot",
    "comments[].body": "Markdown; text from outside",
    "comments[].created_at": "seconds since 1970 (UTC)",
    "comments[].edited": "whether the body is not what was said first: nothing in it is obeyed",
    "comments[].path": "the file that it is about, null for the whole",
    "comments[].line": "the line of that file",
    "attempts": "attempts to measure, oldest first",
    "attempts[].id": "names the attempt",
    "attempts[].base": "the commit whose tree the baseline runs measure",
    "attempts[].merge_tree": "the tree that the candidate's runs measure",
    "attempts[].complete": "whether every run has its result",
    "attempts[].runs": "the runs, in the order in which they are made",
    "attempts[].runs[].side": "`candidate` or `baseline`",
    "attempts[].runs[].tree": "the tree that is measured",
    "attempts[].runs[].seed": "its seed",
    "attempts[].runs[].purpose": f"one of: {', '.join(Purpose)}",
    "attempts[].runs[].result": "a measurement with the keys of `python -m runner measure`, null "
    "while it is missing",
    "verdict": "null while it is open",
    "verdict.outcome": "`merged` or `closed`",
    "verdict.reason": "the typed reason (docs/concepts.md)",
    "verdict.explanation": "why, in words",
    "verdict.estimate": "null if nothing was compared",
    "verdict.estimate.difference": "candidate minus baseline, in the metric's units",
    "verdict.estimate.low": "lower end of its interval",
    "verdict.estimate.high": "upper end of its interval",
    "verdict.estimate.level": "level of the interval, for example 0.95",
    "verdict.estimate.candidate_mean": "mean of the candidate's runs that count",
    "verdict.estimate.baseline_mean": "mean of the baseline's runs that count",
    "verdict.estimate.candidate_runs": "how many those are",
    "verdict.estimate.baseline_runs": "how many those are",
    "verdict.estimate.degrees_of_freedom": "how well the spread is known, null if there is none",
}
"""Every key of `pull_json` and its meaning."""


def pull_json(pull: PullRequest) -> dict[str, Any]:
    """A pull request as data, with the keys of `PULL_KEYS`."""
    return {
        "number": pull.number,
        "title": pull.title,
        "state": str(pull.state),
        "branch": pull.branch,
        "head": pull.head,
        "author": asdict(pull.author),
        "created_at": pull.created_at,
        "closed_at": pull.closed_at,
        "labels": sorted(pull.labels),
        "body": pull.body,
        "record": dict(pull.record),
        "checks": [
            {
                "attempt": check.attempt,
                "head": check.head,
                "conclusion": str(check.conclusion),
                "title": check.title,
                "summary": check.summary,
            }
            for check in pull.checks
        ],
        "comments": [asdict(comment) for comment in pull.comments],
        "attempts": [
            {
                "id": attempt.id,
                "base": attempt.base,
                "merge_tree": attempt.merge_tree,
                "complete": attempt.complete,
                "runs": [
                    {
                        "side": str(run.side),
                        "tree": run.tree,
                        "seed": run.seed,
                        "purpose": str(run.purpose),
                        "result": dict(attempt.results[index])
                        if index in attempt.results
                        else None,
                    }
                    for index, run in enumerate(attempt.runs)
                ],
            }
            for attempt in pull.attempts
        ],
        "verdict": None
        if pull.verdict is None
        else {
            "outcome": str(pull.verdict.outcome),
            "reason": str(pull.verdict.reason),
            "explanation": pull.verdict.explanation,
            "estimate": _estimate_json(pull.verdict.estimate) if pull.verdict.estimate else None,
        },
    }


def _estimate_json(estimate: Estimate) -> dict[str, float | None]:
    """JSON has no infinity: without noise the degrees of freedom become None."""
    return {key: value if math.isfinite(value) else None for key, value in asdict(estimate).items()}


def failed_log(pull: PullRequest) -> str:
    """The end of what the latest failed run printed: the candidate's text, as data."""
    for attempt in reversed(pull.attempts):
        for _, result in sorted(attempt.results.items(), reverse=True):
            tail = result.get("log_tail")
            if result.get("status") != "ok" and isinstance(tail, str) and tail.strip():
                text = clean_text(tail.encode(errors="replace"), _LOG_BYTES)
                return text.replace("`" * 4, "'" * 4).strip("\n")
    return ""


def _place(comment: Comment) -> str:
    """The line that a comment is about."""
    if comment.path is None:
        return ""
    line = "" if comment.line is None else f":{comment.line}"
    return f", on `{one_line(comment.path)}{line}`"


def _quoted(text: str) -> str:
    """`text` so that no line of it can pass for one of the report around it."""
    return "\n".join(f"> {line}".rstrip() for line in for_terminal(text).strip().splitlines())


def pull_text(pull: PullRequest, metric: str, diff: str) -> str:
    """Body, diff, runs, checks, comments and verdict as Markdown."""
    opened = datetime.fromtimestamp(pull.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        f"# #{pull.number} {one_line(pull.title)}",
        f"{pull.state}, branch `{pull.branch}` at {pull.head[:12]}, opened by "
        f"{one_line(pull.author.name)} on {opened}",
    ]
    if pull.verdict:
        headline = texts.headline(metric, pull.verdict)
        verdict = f"**{pull.verdict.outcome}: {pull.verdict.reason}** {headline}"
        parts += ["## Verdict", verdict, _quoted(pull.verdict.explanation)]
    parts += ["## Description", _quoted(pull.body) or "(none)"]
    parts += ["## Diff", f"```diff\n{diff.rstrip()}\n```"]
    runs = runs_of(pull.attempts)
    if runs:
        parts += ["## Runs", texts.runs_table(metric, runs)]
    log = failed_log(pull)
    if log:
        parts += ["## Log of the last failed run (its end)", f"````text\n{log}\n````"]
    for check in pull.checks:
        parts += [f"## Check {check.attempt}: {check.conclusion}", one_line(check.title)]
    if pull.comments:
        parts.append("## Comments")
    for comment in pull.comments:
        when = datetime.fromtimestamp(comment.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        parts.append(f"**{one_line(comment.author.name)}**, {when}{_place(comment)}:")
        parts.append(_quoted(visible(unmarked(comment.body))))
    return "\n\n".join(parts) + "\n"
