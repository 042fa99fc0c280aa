"""The bot's own refs in a clone, and of them on a remote what clones share."""

from __future__ import annotations

from collections.abc import Mapping

from bot.forge.git.sharing import Sharing, is_shared
from bot.git import Repository
from bot.git.refs import refs_below


class GitOwnRefs:
    """`bot.forge.base.OwnRefs` of one clone; `sharing` with others by a remote, if it does."""

    def __init__(self, repository: Repository, sharing: Sharing | None) -> None:
        self._repository = repository
        self._sharing = sharing

    def elsewhere(self, ref: str) -> str | None:
        """Where the remote has it that clones share; this clone where it is not shared."""
        if self._sharing and is_shared(ref):
            return self._sharing.look_up(ref)
        return self._repository.ref(ref)

    def below(self, prefix: str) -> Mapping[str, str]:
        """Those below `prefix` in this clone."""
        return refs_below(self._repository.git, prefix)

    def publish(
        self,
        ref: str,
        *,
        old: str | None,
        new: str | None,
        instead_of: tuple[str, str] | None = None,
    ) -> None:
        """Move it on that remote; nothing where it is not shared. Raises Conflict."""
        del instead_of  # such refs are not shared
        if self._sharing and is_shared(ref):
            self._sharing.publish(ref, old, new)
