"""Proposals that were complete when a process ended: opened by the next one, asked for by none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.model import Proposal
from bot.proposers.base import Context
from bot.proposers.tables import CapsTable
from bot.proposing import kept
from bot.proposing.context import context
from bot.proposing.place import Place
from bot.proposing.propose import Drafting
from bot.snapshot import View

Orphan = tuple[Drafting, Context, Proposal]
"""What becomes an experiment, what its proposer was told, and what it said."""


def orphans(place: Place, view: View, now: Callable[[], int]) -> list[Orphan]:
    """Kept proposals of new experiments, ready to be handed in.

    They are paid for: a cap on what proposals cost does not keep them from being opened. Kept
    revisions of experiments that are not open any more are forgotten.
    """
    uncapped = replace(place, settings=place.settings.model_copy(update={"caps": CapsTable()}))
    still_open = {standing.pull.number for standing in view.standings}
    found = []
    for one in kept.waiting(place):
        if one.revises is None:
            told = context(uncapped, view, phase=one.phase, base=one.base or None)
            found.append((Drafting(place, now, adopted=True), told, one.proposal))
        elif one.revises not in still_open:
            kept.forget(place, one.proposal)
    return found
