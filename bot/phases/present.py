"""The present phase, read from the ledger alone: for commands that take no snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from bot.git import Repository
from bot.history import ledger
from bot.phases import marks
from bot.phases.standing import PhaseStanding, standing
from bot.settings import Settings


def present(
    repository: Repository, settings: Settings, open_phases: Iterable[str] = ()
) -> PhaseStanding:
    """Which phase holds now. `open_phases` names the phase of every open experiment.

    Raises:
        LedgerError: see `bot.history.ledger.read`.
    """
    base = settings.repository.base
    entries, marked = ledger.read(repository.path, base), marks.read(repository.path, base)
    return standing(settings.programme, entries, marked, open_phases)
