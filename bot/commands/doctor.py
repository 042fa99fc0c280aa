"""`python -m bot doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from bot.errors import BotError
from bot.views.output import json_option, print_json, print_table

JSON_KEYS = {
    "ready": "whether a step could begin: there is no problem",
    "checks": "what was looked at, in order",
    "checks[].name": "what it is about",
    "checks[].state": "`ok`, `note` or `problem`",
    "checks[].found": "what was found",
    "checks[].fix": "what to do; empty where there is nothing to do",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot doctor           everything that a step needs, with a fix for every problem
  python -m bot doctor --json    the same as data
  python -m bot doctor --github  also ask GitHub for every permission that the bot needs

Exits with 1 when there is a problem. `python -m runner doctor` tells more about the sandbox.
"""
)
@click.option(
    "--github",
    is_flag=True,
    help="Also ask GitHub for each permission, by requests that it must refuse as incomplete.",
)
@json_option
def command(github: bool, as_json: bool) -> None:
    """Check everything that a step needs, and say what to do where something is missing."""
    from bot.doctor.examine import examine
    from bot.doctor.finding import State

    found = list(examine(Path.cwd(), github=github))
    problems = [one for one in found if one.state is State.PROBLEM]
    if as_json:
        checks = [
            {"name": one.name, "state": str(one.state), "found": one.found, "fix": one.fix}
            for one in found
        ]
        print_json({"ready": not problems, "checks": checks})
    else:
        rows = [(one.name, str(one.state), one.found, one.fix) for one in found]
        print_table(("check", "state", "found", "what to do"), rows, "")
    if problems:
        names = ", ".join(dict.fromkeys(one.name for one in problems))
        raise NotReady(f"A step could not begin here: {names}. The table says what to do.")


class NotReady(BotError):
    """Something that a step needs is missing; told in full already."""
