"""Puts the parts together for the command line: repository, settings, forge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bot.errors import SettingsError
from bot.forge.git import GitForge
from bot.git import Repository
from bot.history import ledger
from bot.history.clones import ShallowClone
from bot.proposers.base import Proposer
from bot.proposing.propose import BOT, Place
from bot.settings import FILE_NAME, Settings, load, parse


def open_place(folder: Path | None = None) -> Place:
    """The repository around `folder` (the current one by default) with its settings and forge.

    Raises:
        GitError, SettingsError, ShallowClone: the message says what to do.
    """
    repository = Repository.discover(folder or Path.cwd())
    if repository.is_shallow():
        raise ShallowClone(repository.path)
    settings = committed_settings(repository)
    base = settings.repository.base
    forge = GitForge(repository, base, bot=BOT, taken=lambda: _last_in_ledger(repository, base))
    return Place(repository, forge, settings)


def _last_in_ledger(repository: Repository, base_branch: str) -> int:
    entries = ledger.read(repository.path, base_branch)
    return max((entry.number for entry in entries), default=0)


def committed_settings(repository: Repository) -> Settings:
    """The bot.toml that judges: the base branch's own.

    The working tree's copy names the base branch. It also is the answer where that branch is
    checked out (a step refuses to begin while it differs from what is committed).
    """
    here = load(repository.path)
    base = here.repository.base
    commit = repository.resolve(f"refs/heads/{base}")
    if commit is None:
        raise SettingsError(
            f"{repository.path / FILE_NAME}: repository.base is {base!r}, but there is no such "
            f"branch. Create it (`git branch {base}`) or name the branch that winners go to."
        )
    if repository.head_branch() == base:
        return here
    data = repository.read_file(commit, FILE_NAME)
    if data is None:
        raise SettingsError(
            f"Branch {base!r} has no {FILE_NAME}, and the settings that judge are its own. "
            f"Commit one there."
        )
    return parse(data, f"{base}:{FILE_NAME}")


def make_proposer(settings: Settings, progress: Callable[[str], None], name: str) -> Proposer:
    """The proposer with this name. `progress` is told now and then what it does."""
    match name:
        case "claude":
            from bot.proposers.claude import ClaudeProposer

            return ClaudeProposer(settings.claude, progress=progress)
        case "command":
            from bot.proposers.command import CommandProposer

            return CommandProposer(settings.command, progress=progress)
        case "search":
            from bot.proposers.search import SearchProposer

            return SearchProposer()
    raise SettingsError(f"There is no proposer {name!r}. There are: search, claude, command.")
