"""`python -m bot best`: the winning lineage, from the ledger alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bot.history.lineage import Ancestor, Lineage
from bot.history.peek import Peek, peek
from bot.history.scratchpad import difference
from bot.text.figures import number, rounded
from bot.views.output import json_option, print_json, print_table

JSON_KEYS = {
    "metric": "the metric of bot.toml",
    "metric.name": "its name",
    "metric.direction": "which way it is better: `lower` or `higher`",
    "metric.self_reported": "whether the script prints it itself, so that nothing checks it",
    "base": "the branch that holds the best files: `git show main:train.py`, for example",
    "start": "the metric of the first baseline, null before anything was compared",
    "best": "the metric of the latest winner, as its own verdict measured it, or `start`",
    "gain": "the sum of the claimed gains, positive is better",
    "lineage": "the merged experiments that the baseline of now descends from, oldest first",
    "lineage[].number": "number of the pull request",
    "lineage[].title": "the hypothesis in one line",
    "lineage[].reason": "the typed reason (docs/concepts.md)",
    "lineage[].metric": "mean of its runs that count, null if it was not measured",
    "lineage[].difference": "candidate minus baseline, null if nothing was compared",
    "lineage[].interval": "[low, high] of the difference, or null",
    "lineage[].audit": "what its latest audit says: `replicated`, `did-not-replicate` or "
    "`not-audited`",
    "lineage[].confirmed": "the gain that the audit confirmed, positive is better, or null",
    "lineage[].commit": "its merge commit",
    "taken_back": "numbers of winners that were reverted since",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot best           the experiments that made the baseline of now
  python -m bot best --json    the same as data
"""
)
@json_option
def command(as_json: bool) -> None:
    """Show the winning lineage: what was merged, what each step claimed and what audits say."""
    from bot.audits import ledger as auditlog

    about = peek(Path.cwd())
    lineage = Lineage.of(*auditlog.read(about.folder, about.base))
    if as_json:
        print_json(_json(lineage, about))
        return
    headers = ("#", "hypothesis", "verdict", "metric", "difference", "audit")
    print_table(headers, [_row(one) for one in lineage.ancestors], "Nothing was merged yet.")
    if lineage.start is not None and lineage.best is not None:
        told = f"{about.metric_shown}: {number(lineage.start)} at the start, "
        told += f"{number(lineage.best)} now"
        click.echo(f"{told}; claimed in all {rounded(lineage.gain, 3, sign=True)}.", err=True)
    if lineage.taken_back:
        gone = ", ".join(f"#{one}" for one in lineage.taken_back)
        click.echo(f"Taken back since, because an audit refuted them: {gone}.", err=True)
    click.echo(f"The best files are those of branch {about.base}.", err=True)


def _row(one: Ancestor) -> tuple[str, ...]:
    entry = one.entry
    value = "" if entry.value is None else number(entry.value)
    return (
        str(entry.number),
        entry.title,
        str(entry.reason),
        value,
        difference(entry),
        one.standing.replace("-", " "),
    )


def _json(lineage: Lineage, about: Peek) -> dict[str, Any]:
    return {
        "metric": {
            "name": about.metric,
            "direction": about.direction,
            "self_reported": about.self_reported,
        },
        "base": about.base,
        "start": lineage.start,
        "best": lineage.best,
        "gain": lineage.gain,
        "lineage": [
            {
                "number": one.entry.number,
                "title": one.entry.title,
                "reason": str(one.entry.reason),
                "metric": one.entry.value,
                "difference": one.entry.difference,
                "interval": list(one.entry.interval) if one.entry.interval else None,
                "audit": one.standing,
                "confirmed": one.audit.confirmed.value
                if one.audit and one.audit.confirmed
                else None,
                "commit": one.entry.commit,
            }
            for one in lineage.ancestors
        ],
        "taken_back": list(lineage.taken_back),
    }
