"""`python -m bot diff`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json

JSON_KEYS = {
    "number": "number of the pull request",
    "diff": "what it changes, as git prints it; cut after 200,000 bytes",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot diff 12
  python -m bot diff 12 --json   {"number": 12, "diff": "..."}
"""
)
@click.argument("number", type=click.IntRange(min=1), help="The pull request.")
@json_option
def command(number: int, as_json: bool) -> None:
    """Show what a pull request changes."""
    from bot.app import open_place
    from bot.views.change import pull_diff

    place = open_place()
    diff = pull_diff(place.repository, place.forge.pull(number), place.forge.base())
    if as_json:
        print_json({"number": number, "diff": diff})
    else:
        click.echo(diff, nl=False)
