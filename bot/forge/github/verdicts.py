"""Verdicts on GitHub: what must hold at the moment a pull request ends, then its end."""

from __future__ import annotations

from dataclasses import dataclass

from bot.forge.base import Conflict, PullRequest
from bot.forge.events import Closed, Judgement, Merged
from bot.forge.expected import require_descent, require_head, require_open
from bot.forge.fold import apply
from bot.forge.github.base_branch import BaseBranch
from bot.forge.github.endings import Endings
from bot.forge.github.looking import Looks, check_number
from bot.forge.github.memory import Memory, Seen
from bot.forge.github.remote import Remote
from bot.model import Reason


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Ends pull requests into one base branch.

    Both calls raise Conflict where something is not as it was decided upon, FoldError and what
    `Endings.end` raises; then nothing has changed.
    """

    looks: Looks
    memory: Memory
    remote: Remote
    base: BaseBranch
    endings: Endings

    def merge(self, number: int, event: Merged, words: str) -> None:
        """Merge what is the head still, unless people did or said something meanwhile."""
        seen, pull = self._to_end(number, fresh=True)
        require_head(pull, event.head)
        tip = self.looks.tip(seen.shown)
        # What the base branch has already is merged, wherever its branch went afterwards.
        moved = tip not in {None, event.head}
        if not self.remote.repository.is_ancestor(event.head, event.base):
            if moved:
                raise Conflict(
                    f"Branch {pull.branch} is at {tip}, but {event.head} was to be merged."
                )
            self._check_people(seen, event.verdict)
        require_descent(self.looks.is_ancestor, event.head, event.commit)
        apply(pull, "", event)
        elsewhere = tip is None or moved or self.looks.is_fork(seen.shown)
        self.endings.end(seen.shown, event, words, None if elsewhere else pull.branch)
        self.memory.ended(number)

    def close(self, number: int, event: Closed, words: str) -> None:
        """Close it, wherever its branch is."""
        seen, pull = self._to_end(number, fresh=False)
        if event.head is not None:
            require_head(pull, event.head)
        apply(pull, "", event)
        self.endings.end(seen.shown, event, words, None)
        self.memory.ended(number)

    def _to_end(self, number: int, *, fresh: bool) -> tuple[Seen, PullRequest]:
        check_number(number)
        self.base.recover()
        self.remote.fetch()
        self.endings.finish_all()
        self.base.follow()
        seen, pull = self.looks.standing(number, fresh=fresh)
        require_open(pull)
        return seen, pull

    def _check_people(self, seen: Seen, verdict: Judgement) -> None:
        """Raise Conflict where people did or said something that was not decided upon.

        The next look knows of it, so that this holds a merge up once for each thing said.
        """
        number, shown = seen.shown.number, seen.shown
        merged = shown.merged_at is not None or verdict.reason is Reason.UNMEASURED
        if shown.state != "open" and not merged:
            raise Conflict(f"Somebody has closed #{number}.")
        if self.memory.untold(self.looks.with_reviews(seen)):
            raise Conflict(f"Something was said on #{number} since it was looked at.")
