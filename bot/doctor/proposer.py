"""Checks of where hypotheses come from: which proposer a step would use, why, and its key."""

from __future__ import annotations

from collections.abc import Iterator

from bot.doctor.finding import Finding, ok, problem
from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import GitError
from bot.proposing.place import Place


def proposer(place: Place) -> Iterator[Finding]:
    """Which one, or which ones in turn, why, and whether each could begin. No model is asked."""
    shares = place.settings.shares
    for name, share in shares.items():
        why = f"{share} of {sum(shares.values())} experiments, by [portfolio] in bot.toml"
        if len(shares) == 1:
            default = name == "search"
            why = "the default: no key, no network" if default else "proposer.name in bot.toml"
        yield from _claude(place, why) if name == "claude" else _other(place, name, why)


def _other(place: Place, name: str, why: str) -> Iterator[Finding]:
    from bot.proposing.preview import preview

    try:
        trouble = preview(place, name).problem
    except (BotError, ForgeError, GitError) as error:
        trouble = str(error)
    if trouble:
        yield problem("proposer", f"{name} ({why})", trouble)
    else:
        yield ok("proposer", f"{name} ({why})")


def _claude(place: Place, why: str) -> Iterator[Finding]:
    from bot.proposers.claude.pricing import price_of
    from bot.proposers.claude.proposer import KEY_VARIABLE, has_key

    table = place.settings.claude
    found = f"claude, model {table.model} ({why})"
    if has_key():
        yield ok("proposer", f"{found}; {KEY_VARIABLE} is set")
    else:
        fix = f'Set {KEY_VARIABLE}, or proposer.name = "search", which needs no key.'
        yield problem("proposer", f"{found}; {KEY_VARIABLE} is not set", fix)
    if place.settings.caps.max_usd is not None and price_of(table.model, table) is None:
        fix = "Set claude.price_input and claude.price_output in bot.toml."
        yield problem("caps", f"max_usd is set; the price of {table.model} is not known", fix)


def caps(place: Place) -> Finding:
    """Whether the limits of bot.toml allow another proposal."""
    from bot.history.spending import CapReached, left_under
    from bot.proposing.context import used
    from bot.snapshot import look

    try:
        view = look(place.repository, place.forge, place.settings)
        left_under(place.settings.caps, used(place, view))
    except CapReached as reached:
        return problem("caps", "reached", str(reached))
    except (BotError, ForgeError, GitError) as error:
        return problem("caps", "cannot be told", str(error))
    return ok("caps", "none is reached")
