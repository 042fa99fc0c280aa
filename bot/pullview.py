"""A pull request as a person reads it in a terminal, and as data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bot import texts
from bot.forge.base import PullRequest
from bot.ledger import one_line
from bot.snapshot import runs_of


def pull_json(pull: PullRequest) -> dict[str, Any]:
    """A pull request as data; the keys are documented in docs/commands.md."""
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
            "estimate": asdict(pull.verdict.estimate) if pull.verdict.estimate else None,
        },
    }


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
        parts += ["## Verdict", verdict, pull.verdict.explanation]
    parts += ["## Description", pull.body.strip() or "(none)"]
    parts += ["## Diff", f"```diff\n{diff.rstrip()}\n```"]
    runs = runs_of(pull.attempts)
    if runs:
        parts += ["## Runs", texts.runs_table(metric, runs)]
    for check in pull.checks:
        parts += [f"## Check {check.attempt}: {check.conclusion}", one_line(check.title)]
    if pull.comments:
        parts.append("## Comments")
    for comment in pull.comments:
        when = datetime.fromtimestamp(comment.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        parts.append(f"**{one_line(comment.author.name)}**, {when}:\n\n{comment.body.strip()}")
    return "\n\n".join(parts) + "\n"
