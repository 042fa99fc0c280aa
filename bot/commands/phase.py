"""`python -m bot phase`: shows the programme, or begins a phase."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from bot.views.output import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from bot.phases.standing import PhaseStanding
    from bot.proposing.place import Place

JSON_KEYS = {
    "phase": "the phase that holds",
    "position": "its place in the programme, from 1",
    "experiments": "experiments since it began, open ones included",
    "without_win": "finished ones since its last win",
    "budget_left": "how many experiments it may still begin; null without a budget",
    "patience_left": "how many more without a win end it; null if it is endless",
    "over": "why the next one is about to begin; empty while it goes on",
    "begun": "what began it; null for the first phase from the start",
    "begun.by": "who: the bot, or a person's name",
    "begun.why": "why, in words",
    "begun.after": "how many experiments had ended before",
    "begun.commit": "the commit on the base branch",
    "programme": "all phases in order",
    "programme[].name": "its name",
    "programme[].max_experiments": "its budget; null if it has none",
    "programme[].patience": "its patience; null if it is endless",
    "programme[].min_effect": "its smallest improvement worth merging; null: that of `[verdict]`",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot phase                the programme, and which phase holds
  python -m bot phase architecture   begin that phase now, whatever its place
  python -m bot phase --json         the same as data
"""
)
@click.argument("name", required=False, help="The phase to begin; none: only show them.")
@json_option
def command(name: str | None, as_json: bool) -> None:
    """Show which phase of the programme holds; with NAME, begin that one.

    A phase is begun by a commit on the base branch that changes no file, so that `git log` tells
    who did it and when. Its counts start anew, also when it is the present one.
    """
    from bot.app import open_place
    from bot.forge.base import State
    from bot.phases.begin import begin_by_person
    from bot.phases.present import present

    place = open_place()
    if name is not None:
        now = int(time.time())
        begin_by_person(place.repository, place.forge, place.settings, name, now)
    pulls = place.forge.pulls(State.OPEN)
    stands = present(
        place.repository, place.settings, [str(pull.record.get("phase")) for pull in pulls]
    )
    if as_json:
        print_json(_json(stands, place))
        return
    rows = [
        (
            "-> " + phase.name if phase == stands.phase else "   " + phase.name,
            _limit(phase.max_experiments),
            _limit(phase.patience),
            "" if phase.min_effect is None else f"{phase.min_effect:g}",
        )
        for phase in place.settings.programme
    ]
    print_table(("phase", "experiments", "patience", "minimum effect"), rows, "")
    say(f"Now: {stands}.")
    if stands.over:
        say(f"{stands.over} {'The next step begins ' + stands.next if stands.next else 'It ends'}.")


def _limit(value: int | None) -> str:
    return "no limit" if value is None else str(value)


def _json(stands: PhaseStanding, place: Place) -> dict[str, Any]:
    begun = stands.begun
    return {
        "phase": stands.phase.name,
        "position": stands.position,
        "experiments": stands.experiments,
        "without_win": stands.without_win,
        "budget_left": stands.budget_left,
        "patience_left": stands.patience_left,
        "over": stands.over,
        "begun": begun
        and {"by": begun.by, "why": begun.why, "after": begun.after, "commit": begun.commit},
        "programme": [
            {
                "name": phase.name,
                "max_experiments": phase.max_experiments,
                "patience": phase.patience,
                "min_effect": phase.min_effect,
            }
            for phase in place.settings.programme
        ],
    }
