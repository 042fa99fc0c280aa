"""`python -m bot comment`."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json, say

JSON_KEYS = {
    "number": "number of the pull request",
    "commented": "true",
    "commands": "the commands that were found in it; the next step answers them",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot comment 12 "Looks plausible; try it with a longer warm-up as well."
  python -m bot comment 12 "/bot hold"
  python -m bot comment 12 --file train.py --line 40 "Why not 0.9 here?"
"""
)
@click.argument("number", type=click.IntRange(min=1), help="The pull request.")
@click.argument("text", help="What to say, Markdown. Lines such as `/bot hold` are commands.")
@click.option("--file", "path", help="The file that it is about.")
@click.option("--line", type=click.IntRange(min=1), help="The line of that file.")
@json_option
def command(number: int, text: str, path: str | None, line: int | None, as_json: bool) -> None:
    """Comment on a pull request in your own name (git's user.name and user.email).

    The next step answers commands in it: docs/people.md lists them, and so does "/bot help".
    """
    from bot.app import open_place
    from bot.forge.base import Author, Note
    from bot.people.commands import commands_in

    if not text.strip():
        raise click.UsageError("TEXT is empty; say something.")
    if (path is None) != (line is None):
        raise click.UsageError("--file and --line belong together: name both, or neither.")
    place = open_place()
    you = place.repository.identity()
    author = Author(you.name, you.email)
    if path is None or line is None:
        place.forge.comment(number, author, text)
    else:
        place.forge.review(number, author, "", [Note(path, line, text)])
    found = commands_in(text)
    if as_json:
        words = [str(command.verb or command.word) for command in found]
        print_json({"number": number, "commented": True, "commands": words})
        return
    say(f"Commented on #{number} as {you.name}.")
    if found:
        click.echo("The next `python -m bot step` answers the commands in it.")
