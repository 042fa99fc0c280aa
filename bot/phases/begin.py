"""Begins a phase: one commit on the base branch, by the bot or in a person's name."""

from __future__ import annotations

from bot.errors import BotError
from bot.forge.base import Forge
from bot.git import Identity, Repository
from bot.history import ledger
from bot.phases import marks
from bot.phases.marks import PhaseMark
from bot.settings import Settings


class NoSuchPhase(BotError):
    """The programme has no phase with this name."""


def begin(
    repository: Repository,
    forge: Forge,
    settings: Settings,
    mark: PhaseMark,
    *,
    base: str,
    author: Identity,
    when: int,
) -> PhaseMark:
    """Write down that a phase begins on top of `base`; its counts start anew.

    `mark.after` must be the number of experiments that the ledger at `base` has.

    Raises:
        NoSuchPhase: the message lists the phases there are.
        Conflict: the base branch is not at `base` any more; nothing was changed.
        WorktreeDirty: see `Forge.advance`.
    """
    names = [phase.name for phase in settings.programme]
    if mark.name not in names:
        raise NoSuchPhase(
            f"There is no phase {mark.name!r} in the programme. There are: {', '.join(names)} "
            "(`[[phase]]` in bot.toml)."
        )
    tree = repository.tree(base)
    commit = repository.commit_tree(tree, [base], marks.message(mark), author, when)
    forge.advance(base=base, commit=commit)
    return mark


def begin_by_person(
    repository: Repository, forge: Forge, settings: Settings, name: str, when: int
) -> PhaseMark:
    """Begin a phase in the name of git's identity. Raises what `begin` raises."""
    you = repository.identity()
    base = forge.base()
    after = len(ledger.read(repository.path, settings.repository.base))
    mark = PhaseMark(name, you.name, f"{you.name} asked for it.", after)
    return begin(repository, forge, settings, mark, base=base, author=you, when=when)
