"""`python -m bot comment`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json, say

JSON_KEYS = {
    "number": "number of the pull request",
    "commented": "true",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot comment 12 "Looks plausible; try it with a longer warm-up as well."
"""
)
@click.argument("number", type=click.IntRange(min=1), help="The pull request.")
@click.argument("text", help="What to say, Markdown.")
@json_option
def command(number: int, text: str, as_json: bool) -> None:
    """Comment on a pull request in your own name (git's user.name and user.email)."""
    from bot.app import open_place
    from bot.forge.base import Author

    if not text.strip():
        raise click.UsageError("TEXT is empty; say something.")
    place = open_place()
    you = place.repository.identity()
    place.forge.comment(number, Author(you.name, you.email), text)
    if as_json:
        print_json({"number": number, "commented": True})
    else:
        say(f"Commented on #{number} as {you.name}.")
