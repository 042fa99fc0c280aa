"""`python -m bot show`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json
from bot.views.pull import PULL_KEYS, pull_json, pull_text

JSON_KEYS = {**PULL_KEYS, "diff": "what it changes; cut after 200,000 bytes"}


@click.command(
    epilog="""\b
Examples:
  python -m bot show 12          body, diff, runs, checks, comments and verdict of #12
  python -m bot show 12 --json   the same as data
"""
)
@click.argument("number", type=click.IntRange(min=1), help="The pull request.")
@json_option
def command(number: int, as_json: bool) -> None:
    """Show one pull request with everything that has happened to it."""
    from bot.app import open_place
    from bot.views.change import pull_diff
    from runner.text import clean_text

    place = open_place()
    pull = place.forge.pull(number)
    diff = pull_diff(place.repository, pull, place.forge.base())
    if as_json:
        print_json({**pull_json(pull), "diff": diff})
    else:
        text = pull_text(pull, place.settings.metric_shown, diff).encode(errors="replace")
        click.echo(clean_text(text, len(text)), nl=False)
