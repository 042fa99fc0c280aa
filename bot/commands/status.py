"""`python -m bot status`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json, print_table


@click.command(
    epilog="""\b
Examples:
  python -m bot status           where the programme stands
  python -m bot status --json    the same as data
"""
)
@json_option
def command(as_json: bool) -> None:
    """Show where the programme stands: what is open, what comes next, what is spent."""
    from bot.app import open_place
    from bot.views.status import status, status_rows
    from bot.views.status_json import status_json

    found = status(open_place())
    if as_json:
        print_json(status_json(found))
    else:
        print_table(("what", "how it stands"), status_rows(found), "")
