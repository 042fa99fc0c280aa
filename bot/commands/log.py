"""`python -m bot log`: reads the ledger (git log of the base branch) and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bot.history.ledger import LedgerEntry, read
from bot.history.multiplicity import Multiplicity
from bot.history.peek import Peek, peek
from bot.history.scratchpad import difference
from bot.model import Outcome
from bot.views.output import json_option, print_json, print_table

JSON_KEYS = {
    "experiments": "the finished experiments, oldest first",
    "experiments[].number": "number of the pull request",
    "experiments[].title": "the hypothesis in one line",
    "experiments[].phase": "phase of the programme",
    "experiments[].proposer": "who proposed it: a proposer's name, or a person's",
    "experiments[].verdict": "`merged` or `closed`",
    "experiments[].reason": "the typed reason (docs/concepts.md)",
    "experiments[].difference": "candidate minus baseline in the metric's units, null if unknown",
    "experiments[].interval": "[low, high] of the difference, null if unknown",
    "experiments[].baseline": "mean of the baseline's runs that count, null if unknown",
    "experiments[].metric": "mean of the candidate's runs that count, null if there is none",
    "experiments[].seeds": "how many seeds the candidate was run with",
    "experiments[].duration_s": "seconds of all its sandboxed runs, the baseline's included",
    "experiments[].cost_usd": "what the proposal cost, in US dollars",
    "experiments[].merged": "whether `verdict` is `merged`",
    "expected_false_merges": "how many of all merges are expected to be false, at most: alpha "
    "times the experiments that the test judged (all of them, also with --last)",
    "metric": "the metric of bot.toml",
    "metric.name": "its name",
    "metric.direction": "which way it is better: `lower` or `higher`",
    "metric.self_reported": "whether the script prints it itself, so that nothing checks it",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot log              a table, newest last
  python -m bot log --last 20    only the latest 20 experiments
  python -m bot log --json       everything, as one JSON object
"""
)
@click.option("--last", type=click.IntRange(min=1), help="Only so many of the latest experiments.")
@json_option
def command(last: int | None, as_json: bool) -> None:
    """List all finished experiments with their verdicts."""
    about = peek(Path.cwd())
    entries = read(about.folder, about.base)
    tested = Multiplicity.of((entry.reason for entry in entries), about.alpha)
    entries = entries[-last:] if last else entries
    if as_json:
        print_json(_json(entries, about, tested))
        return
    headers = ("#", "hypothesis", "phase", "difference", "verdict", "cost", "duration")
    print_table(headers, [_row(entry) for entry in entries], "No experiment is finished yet.")
    if entries:
        click.echo(f"Differences are in {about.metric_shown}.", err=True)
        click.echo(tested.text, err=True)


def _row(entry: LedgerEntry) -> tuple[str, ...]:
    return (
        str(entry.number),
        entry.title,
        entry.phase,
        difference(entry),
        f"{entry.outcome} ({entry.reason})",
        f"${entry.cost_usd:.2f}",
        f"{entry.duration_s:.0f} s",
    )


def _json(entries: tuple[LedgerEntry, ...], about: Peek, tested: Multiplicity) -> dict[str, Any]:
    return {
        "experiments": [
            {
                "number": entry.number,
                "title": entry.title,
                "phase": entry.phase,
                "proposer": entry.proposer,
                "verdict": str(entry.outcome),
                "reason": str(entry.reason),
                "difference": entry.difference,
                "interval": list(entry.interval) if entry.interval else None,
                "baseline": entry.baseline,
                "metric": entry.value,
                "seeds": entry.seeds,
                "duration_s": entry.duration_s,
                "cost_usd": entry.cost_usd,
                "merged": entry.outcome is Outcome.MERGED,
            }
            for entry in entries
        ],
        "expected_false_merges": tested.expected,
        "metric": {
            "name": about.metric,
            "direction": about.direction,
            "self_reported": about.self_reported,
        },
    }
