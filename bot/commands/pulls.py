"""`python -m bot pulls`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json, print_table

JSON_KEYS = {
    "pulls": "pull requests in order of their numbers; each has the keys of `python -m bot show` "
    "without `diff`",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot pulls                 the open ones
  python -m bot pulls --state all     all of them
"""
)
@click.option(
    "--state",
    type=click.Choice(["open", "merged", "closed", "all"]),
    default="open",
    show_default=True,
    help="Only those in this state.",
)
@json_option
def command(state: str, as_json: bool) -> None:
    """List pull requests."""
    from bot.app import open_place
    from bot.forge.base import State
    from bot.views.pull import pull_json

    pulls = open_place().forge.pulls(None if state == "all" else State(state))
    if as_json:
        print_json({"pulls": [pull_json(pull) for pull in pulls]})
        return
    rows = [
        (f"#{pull.number}", pull.title, str(pull.state), pull.branch, pull.author.name)
        for pull in pulls
    ]
    words = "pull request" if state == "all" else f"{state} pull request"
    print_table(("#", "title", "state", "branch", "author"), rows, f"There is no {words}.")
