"""A number stands for one experiment, in the ledger as on GitHub: none may be given twice.

A ledger that began on another forge has numbers that GitHub has yet to give. The pull request that
got one of them would read as ended with somebody else's verdict, and the ledger, which keeps one
experiment for each number, would not take in its own.
"""

from __future__ import annotations

from contextlib import suppress

from bot.forge.base import ForgeError
from bot.forge.github.answers import Answer, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import NotFound


class Numbered(Answer):
    """An issue, or a pull request, which GitHub counts with them."""

    number: int


def check_numbers(client: GitHubClient, ledger: int) -> None:
    """Raise ForgeError where GitHub has not given the number `ledger` yet; issues have numbers too.

    Mostly it takes one call. A list may be a little old, so that none is asked alone.
    """
    with suppress(NotFound):
        client.get(f"issues/{ledger}")
        return
    newest = client.get("issues", state="all", sort="created", direction="desc", per_page=1)
    given = max((each.number for each in parse_all(Numbered, newest)), default=0)
    if given < ledger:
        raise ForgeError(
            f"The ledger has experiments up to #{ledger}, from another forge, and "
            f"{client.repository} has given numbers up to {given} only: it would give theirs "
            f"again. Open issues there and close them, {ledger - given} in all, for each takes a "
            "number; or name a base branch without those experiments in bot.toml (docs/github.md)."
        )
