"""`python -m bot step`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from bot.views.output import json_option, print_json, say
from bot.views.summary import concluded_json, summary

if TYPE_CHECKING:
    from bot.proposing.place import Place
    from bot.run.base import Concluded, Proposers
    from bot.run.scheduler import Outcome
    from bot.run.teller import Teller
    from bot.views.reporter import Reporter


@click.command(
    epilog="""\b
Examples:
  python -m bot step          go on until one experiment has its verdict
  python -m bot step --json   the same, and print the verdict as JSON
"""
)
@click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = 'none' in bot.toml: candidates run unconfined.",
)
@json_option
def command(unconfined: bool, as_json: bool) -> None:
    """Carry out one experiment: propose, measure, judge, merge or close.

    Goes on from wherever the last step ended, however it ended. Where pull requests live on
    GitHub, measuring is the work of measure.yml: then a step does all that is possible now, for
    every open experiment, and ends; a cap or a pause is one way to end, and no error.
    """
    from bot.app import make_proposer, open_place
    from bot.history.clones import advice
    from bot.run.local import HereAndNow
    from bot.run.scheduler import NOTHING_LEFT
    from bot.views.reporter import Reporter as LiveReporter
    from bot.views.telling import StepTeller

    place = open_place()
    with LiveReporter() as reporter:
        proposers = HereAndNow(place, partial(make_proposer, place.settings, reporter.output))
        teller = StepTeller(reporter, place.settings.metric_shown)
        done: tuple[Concluded, ...]
        said_why = False
        if place.settings.forge.kind == "github":
            outcome = _by_workflows(place, proposers, teller)
            done, said_why = outcome.concluded, outcome.why != NOTHING_LEFT
        else:
            if hint := advice(place.repository, place.settings):
                reporter.say(hint)
            done = (_here(place, proposers, teller, reporter, unconfined=unconfined),)
    if as_json:
        print_json(concluded_json(done[-1] if done else None, place.settings.metric.name))
        return
    for one in done:
        say(summary(one, place.settings.metric_shown))
    if not done and not said_why:
        say("No verdict yet: what is open is being measured, or waits for a person.")


def _here(
    place: Place, proposers: Proposers, teller: Teller, reporter: Reporter, *, unconfined: bool
) -> Concluded:
    """Wait, on this machine, until one experiment has its verdict."""
    from bot.measuring import LocalMeasurer
    from bot.run.local import LocalMailbox
    from bot.step import Stepper

    measurer = LocalMeasurer(place.repository.path, place.settings, reporter, unconfined)
    return Stepper(place, measurer, proposers, LocalMailbox(), teller).step()


def _by_workflows(place: Place, proposers: Proposers, teller: Teller) -> Outcome:
    """Everything that is possible now; what is measured meanwhile is for later steps."""
    from bot.app import make_client
    from bot.run.local import LocalMailbox
    from bot.step import Stepper
    from bot.workflows.measurer import WorkflowMeasurer
    from bot.workflows.runs import Runs
    from bot.workflows.terms import choose, terms

    settings = place.settings
    runs = Runs(make_client(settings), settings.repository.base)
    measurer = WorkflowMeasurer(place.repository, place.forge, settings, runs, teller.say)
    stepper = Stepper(place, measurer, proposers, LocalMailbox(), teller)
    return stepper.go_on(terms(settings), choose)
