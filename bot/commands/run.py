"""`python -m bot run`."""

from __future__ import annotations

import time
from functools import partial

import click

from bot import interrupts
from bot.views.output import json_option, print_json, say

RUN_KEYS = {
    "concluded": "the experiments that got their verdict, in order",
    "concluded[].number": "number of the pull request",
    "concluded[].title": "the hypothesis in one line",
    "concluded[].verdict": "`merged` or `closed`",
    "concluded[].reason": "the typed reason (docs/concepts.md)",
    "merged": "how many of them were merged",
    "hours": "how long it worked",
    "busy": "the share of all slots' time in which runs were made, null if it was no time",
    "why": "why it ended, in words",
}
"""Every key that `run --json` prints and its meaning."""


@click.command(
    epilog="""\b
Examples:
  python -m bot run                       work until Ctrl-C or a cap of bot.toml
  python -m bot run --hours 10            the whole night
  python -m bot run --max-experiments 50  until fifty verdicts
"""
)
@click.option(
    "--max-experiments",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after so many verdicts.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    metavar="H",
    help="Begin nothing new after so many hours, and finish the runs in flight.",
)
@click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = 'none' in bot.toml: candidates run unconfined.",
)
@json_option
def command(
    max_experiments: int | None, hours: float | None, unconfined: bool, as_json: bool
) -> None:
    """Carry out experiment after experiment, as many at once as there are GPUs.

    Ends at a cap, or after Ctrl-C when the runs in flight are finished; a second Ctrl-C ends at
    once. Either is safe: the next `run` or `step` goes on. See docs/loop.md.
    """
    from bot.app import Manners, make_proposer, open_place
    from bot.history.clones import advice
    from bot.measuring import LocalMeasurer
    from bot.run.base import StopAsked
    from bot.run.local import InThreads, LocalMailbox
    from bot.run.terms import Terms
    from bot.step import Stepper
    from bot.views.reporter import Reporter
    from bot.views.running import RunTeller

    # What GitHub wants to be waited for longer, the scheduler waits for: it says so meanwhile.
    place = open_place(manners=Manners(longest_wait_s=60.0))
    settings = place.settings
    started = time.time()
    terms = Terms(
        verdicts=max_experiments,
        deadline=None if hours is None else started + hours * 3600,
        max_in_flight=settings.run.max_in_flight,
        patient=True,
        look_every_s=_LOOK_EVERY_S,
    )
    mailbox = LocalMailbox()
    with Reporter() as reporter, RunTeller(reporter, place.repository, settings) as teller:
        if hint := advice(place.repository, settings):
            reporter.say(hint)
        measurer = LocalMeasurer(
            place.repository.path,
            settings,
            reporter,
            unconfined,
            at_once=None,
            gpus=settings.run.gpus or None,
        )
        proposers = InThreads(place, partial(make_proposer, settings, _silent))

        def ask_to_stop() -> None:
            mailbox.post(StopAsked())

        with interrupts.first_is_gentle(ask_to_stop):
            outcome = Stepper(place, measurer, proposers, mailbox, teller).go_on(terms)
    found = {
        "concluded": [
            {
                "number": done.pull.number,
                "title": done.pull.title,
                "verdict": str(done.verdict.outcome),
                "reason": str(done.verdict.reason),
            }
            for done in outcome.concluded
        ],
        "merged": sum(done.verdict.merged for done in outcome.concluded),
        "hours": (time.time() - started) / 3600,
        "busy": teller.state.busy if teller.state else None,
        "why": outcome.why,
    }
    if as_json:
        print_json(found)
    else:
        say(f"Ended: {outcome.why}")
        say(f"{len(outcome.concluded)} experiments, {found['merged']} merged.")
        say("  python -m bot log      all experiments     python -m bot run      go on")


_LOOK_EVERY_S = 30.0


def _silent(words: str) -> None:
    del words
