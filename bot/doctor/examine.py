"""All checks in order: what cannot be looked at because of an earlier problem is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bot.app import make_forge
from bot.doctor import machine, place, proposer
from bot.doctor.finding import Finding, problem
from bot.doctor.scoring import scoring
from bot.forge.base import ForgeError
from bot.proposing.place import Place


def examine(folder: Path, *, github: bool = False) -> Iterator[Finding]:
    """Look at everything that a step around `folder` needs. Raises nothing that is expected.

    With `github`, every permission there is asked for as well.
    """
    yield machine.python()
    yield machine.git()
    yield machine.disk(folder)
    found, repository = place.repository(folder)
    yield found
    if repository is None:
        return
    yield place.identity(repository)
    found, settings = place.settings(repository)
    yield found
    if settings is None:
        return
    yield place.clock(repository, settings.repository.base)
    yield from scoring(repository, settings)
    yield from place.github(repository, settings)
    if github:
        yield from place.permissions(settings)
    try:
        here = Place(repository, make_forge(repository, settings), settings)
    except ForgeError as error:
        if settings.forge.kind == "git":
            yield problem("forge", "cannot be used", str(error))
    else:
        yield from place.history(here)
        yield from proposer.proposer(here)
        yield proposer.caps(here)
    yield from machine.runner(repository.path, measures=settings.forge.kind == "git")
