"""`python -m bot step`."""

from __future__ import annotations

from functools import partial

import click

from bot.views.output import json_option, print_json, say
from bot.views.summary import concluded_json, summary


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

    Goes on from wherever the last step ended, however it ended.
    """
    from bot.app import make_proposer, open_place
    from bot.history.clones import advice
    from bot.measuring import LocalMeasurer
    from bot.run.local import HereAndNow, LocalMailbox
    from bot.step import Stepper
    from bot.views.reporter import Reporter
    from bot.views.telling import StepTeller

    place = open_place()
    with Reporter() as reporter:
        if hint := advice(place.repository, place.settings.repository.base):
            reporter.say(hint)
        measurer = LocalMeasurer(place.repository.path, place.settings, reporter, unconfined)
        proposer = partial(make_proposer, place.settings, reporter.output)
        proposers = HereAndNow(place, proposer)
        teller = StepTeller(reporter, place.settings.metric_shown)
        done = Stepper(place, measurer, proposers, LocalMailbox(), teller).step()
    if as_json:
        print_json(concluded_json(done, place.settings.metric.name))
    else:
        say(summary(done, place.settings.metric_shown))
