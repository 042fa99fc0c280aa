"""Checks of the repository: whether the bot could read, propose, measure and merge in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.checkout import check_checkout
from bot.doctor.finding import Finding, note, ok, problem
from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import GitError, Repository
from bot.history import ledger
from bot.history.clones import advice
from bot.lock import at_work
from bot.proposing.place import Place
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.forge.github.client import GitHubClient

_CLOCK_S = 300
_WORKFLOWS = ("measure.yml", "step.yml")


def repository(folder: Path) -> tuple[Finding, Repository | None]:
    """The clone around `folder`, and whether it may be written to."""
    try:
        found = Repository.discover(folder)
        shallow = found.is_shallow()
        common = found.common_folder()
    except GitError as error:
        return problem("repository", "none to work in", str(error)), None
    if shallow:
        fix = "The ledger is the whole history: git fetch --unshallow"
        return problem("repository", f"{found.path} is a shallow clone", fix), None
    if not os.access(common, os.W_OK):
        fix = f"Let this user write to {common}."
        return problem("repository", f"{common} cannot be written to", fix), found
    return ok("repository", str(found.path)), found


def identity(found: Repository) -> Finding:
    """Who commits in a person's name (`open`, `comment`)."""
    try:
        you = found.identity()
    except GitError as error:
        return problem("identity", "git does not know who you are", str(error))
    return ok("identity", f"{you.name} <{you.email}>")


def settings(found: Repository) -> tuple[Finding, Settings | None]:
    """bot.toml as it is committed on the base branch."""
    from bot.app import committed_settings

    try:
        read = committed_settings(found)
    except (BotError, GitError) as error:
        return problem("bot.toml", "cannot be used", str(error)), None
    kind = {"reported": ", self-reported metric", "predictions": f", scored by {read.task.scorer}"}
    words = f"base {read.repository.base}, {read.metric.name}{kind.get(read.task.kind, '')}"
    return ok("bot.toml", words), read


def clock(found: Repository, base: str, now: float | None = None) -> Finding:
    """Whether the clock is behind what was committed already."""
    now = time.time() if now is None else now
    said = found.git.text("log", "-1", "--format=%ct", f"refs/heads/{base}", "--")
    ahead = int(said) - now
    if ahead > _CLOCK_S:
        words = f"{ahead:.0f} s behind the latest commit of {base}"
        return problem(
            "clock", words, "Set the clock, for example with `timedatectl set-ntp true`."
        )
    return ok("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def history(place: Place) -> Iterator[Finding]:
    """The ledger, pull requests in other clones, the working tree, and another bot."""
    base = place.settings.repository.base
    try:
        entries = ledger.read(place.repository.path, base)
    except BotError as error:
        yield problem("ledger", "cannot be read", str(error))
        return
    finished = (
        "1 finished experiment" if len(entries) == 1 else f"{len(entries)} finished experiments"
    )
    yield ok("ledger", f"{finished} on {base}")
    try:
        told = check_checkout(place)
    except BotError as error:
        yield problem("working tree", "in the way of a step", str(error))
    else:
        yield ok("working tree", told or "nothing in the way")
    if hint := advice(place.repository, place.settings):
        yield note("pull requests", "not everything travels", hint)
    if at_work(place.repository):
        yield note("other bots", "a step is being carried out in this clone now")


def github(found: Repository, read: Settings) -> Iterator[Finding]:
    """Credential, repository and workflows, where pull requests live on GitHub."""
    from bot.app import make_client

    if read.forge.kind != "github":
        yield ok("forge", "git: pull requests live in this repository, no token is needed")
        return
    base = read.repository.base
    try:
        client = make_client(read)
        told = client.get("")
    except ForgeError as error:
        yield problem("forge", f"github: {read.forge.repository} cannot be used", str(error))
    else:
        may = told.get("permissions", {})
        granted = ", ".join(sorted(key for key, held in may.items() if held is True))
        yield ok("forge", f"github: {told.get('full_name')} ({granted or 'permissions not told'})")
        if may and not may.get("push"):
            fix = "Give the token the permissions of docs/github.md: contents, pull requests."
            yield problem("permissions", "the token may not push", fix)
        if told.get("default_branch") != base:
            fix = "Schedules and comments run the default branch's workflows: make them the same."
            yield problem("default branch", str(told.get("default_branch")), fix)
        yield from _numbers(client, found, base)
    for name in _WORKFLOWS:
        path = f".github/workflows/{name}"
        if found.read_file(f"refs/heads/{base}", path) is None:
            yield problem(
                name, f"not on {base}", f"Commit {path} to {base}: python -m bot init --workflows."
            )
        else:
            yield ok(name, f"on {base}")


def _numbers(client: GitHubClient, found: Repository, base: str) -> Iterator[Finding]:
    """Whether GitHub would give a number again that the ledger has."""
    from bot.forge.github.numbers import check_numbers

    try:
        last = max((entry.number for entry in ledger.read(found.path, base)), default=0)
    except BotError:
        return  # `history` says so
    try:
        if last:
            check_numbers(client, last)
    except ForgeError as error:
        yield problem("numbers", f"the ledger has experiments up to #{last}", str(error))


def permissions(read: Settings) -> Iterator[Finding]:
    """Every permission that the credential for GitHub needs, one by one."""
    from bot.app import make_client
    from bot.forge.github.permissions import permissions_report

    if read.forge.kind != "github":
        fix = 'Write kind = "github" under [forge] in bot.toml (docs/github.md).'
        yield problem("permissions", "pull requests do not live on GitHub", fix)
        return
    try:
        report = permissions_report(make_client(read))
    except ForgeError as error:
        yield problem("permissions", "cannot be asked for", str(error))
        return
    for grant in report.grants:
        if grant.granted:
            yield ok(grant.permission, f"granted: {grant.needed_for}")
        elif grant.required and grant.granted is False:
            yield problem(grant.permission, f"missing: {grant.needed_for}", grant.words)
        else:
            yield note(grant.permission, f"not granted: {grant.needed_for}", grant.words)
    yield ok("checks", f"are shown as {report.checks}")
