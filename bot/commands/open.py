"""`python -m bot open`: a person's own idea becomes an experiment like any other."""

from __future__ import annotations

import click

from bot.views.output import json_option, print_json, say

JSON_KEYS = {
    "number": "number of the new pull request",
    "branch": "its branch",
    "title": "the hypothesis in one line",
}


@click.command(
    epilog="""\b
Examples:
  git switch -c wider-tower            edit train.py on a branch of your own,
  git commit -am "Widen the tower"     commit it,
  python -m bot open                   and make it an experiment
  python -m bot open wider-tower       the same, from any branch
"""
)
@click.argument("branch", required=False, help="The branch.  [default: the current one]")
@click.option("--title", help="The hypothesis; by default the subject of the branch's last commit.")
@click.option("--body", default="", help="Why it should help.")
@json_option
def command(branch: str | None, title: str | None, body: str, as_json: bool) -> None:
    """Open BRANCH (by default the current one) as an experiment.

    The next step measures and judges it like the bot's own.
    """
    from bot.app import open_place
    from bot.history.clones import advice
    from bot.open import open_branch

    place = open_place()
    pull = open_branch(place, branch, title, body)
    if hint := advice(place.repository, place.settings):
        click.echo(hint, err=True)
    if as_json:
        print_json({"number": pull.number, "branch": pull.branch, "title": pull.title})
    else:
        say(f"Opened #{pull.number} {pull.title}")
        click.echo("The next `python -m bot step` measures it.")
