"""The bot's own refs on GitHub, and in this clone what has not come there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from bot.forge.github.remote import Move, Remote
from bot.git import Delete, RefMoved, Repository
from bot.git.refs import refs_below


class GitHubOwnRefs:
    """`bot.forge.base.OwnRefs` of a repository on GitHub."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        self._repository = repository
        self._remote = remote

    def elsewhere(self, ref: str) -> str | None:
        """Where GitHub has a ref of its own; it is fetched now."""
        return self._remote.look_up(ref)

    def below(self, prefix: str) -> Mapping[str, str]:
        """Those below `prefix`, here and on GitHub when it was fetched."""
        return {**self._remote.own(prefix), **refs_below(self._repository.git, prefix)}

    def publish(
        self,
        ref: str,
        *,
        old: str | None,
        new: str | None,
        instead_of: tuple[str, str] | None = None,
    ) -> None:
        """Move it on GitHub. Raises Conflict when it is somewhere else.

        What `below` tells of is in one place: here, or from now on there. Were it in both,
        this clone could not tell what another one took from GitHub from what never came there.
        """
        ends = [Move(instead_of[0], None, instead_of[1])] if instead_of else []
        self._remote.push([Move(ref, new, old), *ends])
        if new is not None and self._remote.mirrors(ref):
            with suppress(RefMoved):  # it was given up at this moment
                self._repository.update_refs([Delete(ref, new)], "GitHub keeps it")
