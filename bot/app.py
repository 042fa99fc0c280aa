"""Puts the parts together for the command line: repository, settings, forge."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import SettingsError
from bot.forge.base import Forge
from bot.forge.git import GitForge
from bot.git import Repository
from bot.history import ledger
from bot.history.clones import ShallowClone
from bot.model import Verdict
from bot.proposers.base import Proposer
from bot.proposers.portfolio import Portfolio
from bot.proposing.place import BOT, Place
from bot.settings import FILE_NAME, Settings, load, parse

if TYPE_CHECKING:
    from bot.forge.github.client import GitHubClient


@dataclass(frozen=True)
class Manners:
    """How GitHub is treated by a process.

    A look is good for `look_holds_s` seconds (None: as is usual for a step), and what GitHub wants
    to be waited for is waited for up to `longest_wait_s`. Whoever only watches `adopts` no pull
    request of a person: that gives it a label.
    """

    look_holds_s: float | None = None
    longest_wait_s: float = 900.0
    adopts: bool = True


USUAL = Manners()


def open_place(folder: Path | None = None, manners: Manners = USUAL) -> Place:
    """The repository around `folder` (the current one by default) with its settings and forge.

    Raises:
        GitError, SettingsError, ShallowClone: the message says what to do.
    """
    repository = Repository.discover(folder or Path.cwd())
    if repository.is_shallow():
        raise ShallowClone(repository.path)
    settings = committed_settings(repository)
    return Place(repository, make_forge(repository, settings, manners), settings)


def make_forge(repository: Repository, settings: Settings, manners: Manners = USUAL) -> Forge:
    """The forge that bot.toml names. Raises ForgeError: without a credential, for example."""
    base = settings.repository.base

    def settled() -> dict[int, Verdict]:
        entries = ledger.read(repository.path, base)
        return {each.number: Verdict(each.reason, each.explanation) for each in entries}

    if settings.forge.kind == "git":
        return GitForge(
            repository,
            base,
            bot=BOT,
            taken=lambda: max(settled(), default=0),
            remote=settings.forge.remote,
        )
    from bot.forge.github.forge import GitHubForge
    from bot.forge.github.memory import HOLDS_S, STEP_HOLDS_S
    from bot.forge.github.remote import Remote, clone_url

    usual = STEP_HOLDS_S if os.environ.get("GITHUB_ACTIONS") == "true" else HOLDS_S
    adopts = manners.adopts and settings.forge.adopt == "files"
    client = make_client(settings, manners)
    url = clone_url(client.api_url, client.repository)
    remote = Remote(repository, url, client.credential)
    return GitHubForge(
        repository,
        client,
        remote,
        base,
        verdicts=settled,
        adopted_paths=settings.candidate.paths if adopts else (),
        account=settings.forge.account,
        account_id=settings.forge.account_id,
        holds_s=usual if manners.look_holds_s is None else manners.look_holds_s,
    )


def make_client(settings: Settings, manners: Manners = USUAL) -> GitHubClient:
    """GitHub's API for the repository that bot.toml names. Raises ForgeError."""
    from bot.forge.github.auth import credential
    from bot.forge.github.client import GitHubClient

    name, api_url = settings.forge.repository, settings.forge.api_url
    return GitHubClient(
        name,
        credential(os.environ, name, api_url),
        api_url,
        longest_wait_s=manners.longest_wait_s,
    )


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
        case _:
            return Portfolio(partial(make_proposer, settings, progress), settings.shares)
