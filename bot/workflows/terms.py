"""How a step goes where GitHub Actions measures: everything that is possible now, and no more."""

from __future__ import annotations

from dataclasses import replace

from bot.actions import Action
from bot.decide import Room, decide
from bot.run.terms import Terms
from bot.settings import Settings
from bot.snapshot import View

IN_FLIGHT = 2
"""Experiments that are open at once where `run.max_in_flight` says nothing: one that is being
measured, and one that waits for the runner."""


def terms(settings: Settings) -> Terms:
    """Go on until nothing is left to do but wait for workflows, proposals or people.

    A step is started by GitHub's clock: a cap or a pause must not make it fail all night.
    """
    return Terms(max_in_flight=settings.run.max_in_flight or IN_FLIGHT, must_propose=False)


def choose(view: View, room: Room) -> tuple[Action, ...]:
    """What `decide` says, but for the runs of audits.

    The sealed split is scored where a person is at the machine (`python -m bot audit`); what a
    session has found is carried out here like everything else.
    """
    snapshot = view.snapshot
    complete = tuple(audit for audit in snapshot.audits.open if audit.complete)
    audits = replace(snapshot.audits, open=complete, merges_since=0)
    return decide(replace(snapshot, audits=audits), room)
