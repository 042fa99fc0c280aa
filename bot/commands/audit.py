"""`python -m bot audit`."""

from __future__ import annotations

from functools import partial

import click

from bot.audits.report import AUDIT_KEYS, HEADERS, report_json, report_rows, rows
from bot.views.output import json_option, print_json, print_table

JSON_KEYS = AUDIT_KEYS


@click.command(
    epilog="""\b
Examples:
  python -m bot audit            measure the winners that were never audited, then report
  python -m bot audit --last 3   the latest three winners, also if they were audited before
  python -m bot audit --report   only report what is known already
  python -m bot audit --json     claimed, confirmed and sealed gain as one JSON object
"""
)
@click.option(
    "--last", type=click.IntRange(min=1), help="So many of the latest winners, audited or not."
)
@click.option("--report", "report_only", is_flag=True, help="Measure nothing.")
@click.option(
    "--i-know-this-is-not-a-sandbox",
    "unconfined",
    is_flag=True,
    help="Allow sandbox.backend = 'none' in bot.toml: candidates run unconfined.",
)
@json_option
def command(last: int | None, report_only: bool, unconfined: bool, as_json: bool) -> None:
    """Measure winners and what they replaced again, and compare the gain with the claim.

    Every run is on a fresh seed, and where the task has a sealed split it is also scored there,
    which no proposer is ever told of. A winner that does not replicate gets a pull request that
    takes it back; the next step measures that. An interrupted audit goes on.
    """
    from bot.app import make_proposer, open_place
    from bot.measuring import LocalMeasurer
    from bot.run.local import HereAndNow, LocalMailbox
    from bot.step import Stepper
    from bot.views.reporter import Reporter
    from bot.views.telling import StepTeller

    if report_only and last is not None:
        raise click.UsageError("--report measures nothing, so --last means nothing with it")
    place = open_place()
    if not report_only:
        with Reporter() as reporter:
            measurer = LocalMeasurer(place.repository.path, place.settings, reporter, unconfined)
            proposers = HereAndNow(place, partial(make_proposer, place.settings, reporter.output))
            teller = StepTeller(reporter, place.settings.metric_shown)
            Stepper(place, measurer, proposers, LocalMailbox(), teller).audit(last)
    found = rows(place)
    if as_json:
        print_json(report_json(found))
        return
    print_table(HEADERS, report_rows(found), "No winner was audited yet.")
    if found:
        metric = place.settings.metric_shown
        click.echo(f"Gains in {metric}; positive is better.", err=True)
