"""`python -m bot proposers`: what each proposer has achieved for what it has used up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.views.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from bot.history.yardstick import Record

JSON_KEYS = {
    "proposers": "proposers and people who have experimented, by first use; gains are in the "
    "metric's units, and positive is better",
    "proposers[].proposer": "its name",
    "proposers[].experiments": "finished experiments",
    "proposers[].wins": "of them, merged as improvement or simplification",
    "proposers[].wins_per_experiment": "the share of wins",
    "proposers[].claimed_gain": "sum of what its improvements gained when they were confirmed",
    "proposers[].audited": "how many of its winners an audit has measured again",
    "proposers[].confirmed_gain": "sum of the gain that these audits show",
    "proposers[].usd": "what all its proposals cost in US dollars, those included that came to "
    "nothing",
    "proposers[].gpu_hours": "hours of sandboxed runs, whatever the device",
    "proposers[].gain_per_experiment": "confirmed gain for each experiment",
    "proposers[].gain_per_usd": "confirmed gain for each US dollar, null where none was spent",
    "proposers[].gain_per_gpu_hour": "confirmed gain for each hour of runs, null before any",
    "metric": "the metric of bot.toml",
    "metric.name": "its name",
    "metric.direction": "which way it is better: `lower` or `higher`",
    "metric.self_reported": "whether the script prints it itself, so that nothing checks it",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot proposers          a table, search being the yardstick
  python -m bot proposers --json   the same as data
"""
)
@json_option
def command(as_json: bool) -> None:
    """Compare proposers: wins, and confirmed gain for each experiment, dollar and hour.

    A gain is confirmed by an audit: winners that were not audited yet add nothing to it. The cost
    counts every proposal, also those that came to nothing.
    """
    from bot.audits import ledger
    from bot.git import Repository
    from bot.history import spending
    from bot.history.peek import peek
    from bot.history.yardstick import records
    from bot.model import Direction
    from bot.views.yardstick import HEADERS, row

    about = peek(Path.cwd())
    entries, audits = ledger.read(about.folder, about.base)
    noted = spending.by_proposer(Repository.discover(about.folder))
    found = records(entries, audits, about.metric, Direction(about.direction), noted)
    if as_json:
        metric = {
            "name": about.metric,
            "direction": about.direction,
            "self_reported": about.self_reported,
        }
        print_json({"proposers": [_json(record) for record in found], "metric": metric})
        return
    print_table(HEADERS, [row(record) for record in found], "No experiment is finished yet.")
    if found:
        text = f"Gains in {about.metric_shown}; positive is better. Confirmed: shown by an audit."
        click.echo(text, err=True)


def _json(record: Record) -> dict[str, Any]:
    return {
        "proposer": record.proposer,
        "experiments": record.experiments,
        "wins": record.wins,
        "wins_per_experiment": record.wins_per_experiment,
        "claimed_gain": record.claimed,
        "audited": record.audited,
        "confirmed_gain": record.confirmed,
        "usd": record.usd,
        "gpu_hours": record.hours,
        "gain_per_experiment": record.gain_per_experiment,
        "gain_per_usd": record.gain_per_usd,
        "gain_per_gpu_hour": record.gain_per_hour,
    }
