"""bot.toml: every setting, its default and its check. The reference is docs/configuration.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bot.audit import AuditRule
from bot.errors import SettingsError
from bot.proposers.tables import CapsTable, ClaudeTable, CommandTable
from bot.verdict import Guard, SimplicityRule, VerdictRule
from runner.errors import SettingsError as UnreadableSettings
from runner.settings import RunnerSettings, Table, plain_path
from runner.settings_file import explain, read_document

FILE_NAME = "bot.toml"


class RepositoryTable(Table):
    """Where experiments live."""

    base: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = "main"
    """The branch that winners are merged into."""
    forge: Literal["git"] = "git"
    """Where pull requests live: `git`, inside this repository."""


class ProposerTable(Table):
    """Where hypotheses come from."""

    name: Literal["search", "claude", "command"] = "search"
    """`search`: Optuna over the constants block of the entry file, without key or network.
    `claude`: a Claude model that edits the files. `command`: any coding agent's command line.
    See docs/proposers.md."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seeds the proposer's random choices. Seeds of training runs are drawn apart from it."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How many proposals may be refused in a row before a step gives up."""


class ScratchpadTable(Table):
    """The bot's memory on the base branch."""

    path: str = "scratchpad.md"
    """The file, relative to the repository. An experiment must not change it."""
    recent: Annotated[int, Field(ge=1, le=500)] = 20
    """How many experiments keep a full entry; older ones become rows of a table."""
    table: Annotated[int, Field(ge=1, le=5_000)] = 200
    """How many rows that table keeps; what falls off stays in `git log`."""


class Settings(RunnerSettings):
    """The whole of bot.toml."""

    repository: RepositoryTable = RepositoryTable()
    proposer: ProposerTable = ProposerTable()
    claude: ClaudeTable = ClaudeTable()
    command: CommandTable = CommandTable()
    caps: CapsTable = CapsTable()
    scratchpad: ScratchpadTable = ScratchpadTable()
    verdict: VerdictRule = VerdictRule()
    simplification: SimplicityRule = SimplicityRule()
    guard: Annotated[tuple[Guard, ...], Field(max_length=100)] = ()
    """Secondary metrics that must not grow too much, one table `[[guard]]` each."""
    audit: AuditRule = AuditRule()


def parse(data: bytes, where: str = FILE_NAME) -> Settings:
    """Read and check the bytes of a bot.toml.

    Raises:
        SettingsError: names the file, the key, what was found and what is allowed.
    """
    try:
        settings = Settings.model_validate(read_document(data, where))
    except ValidationError as error:
        raise SettingsError(explain(error, where, Settings)) from None
    except UnreadableSettings as error:
        raise SettingsError(str(error)) from None
    _check_together(settings, where)
    return settings


def load(folder: Path) -> Settings:
    """Read `bot.toml` in `folder`. Raises SettingsError."""
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no bot.toml here. Run this in the repository's top folder, or "
            "write one; an empty file takes every default (see docs/configuration.md)."
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from None
    return parse(data, str(path))


def _check_together(settings: Settings, where: str) -> None:
    try:
        plain_path(settings.scratchpad.path)
    except ValueError as error:
        raise SettingsError(f"{where}: scratchpad.path: {error}.") from None
    reserved = {FILE_NAME, settings.scratchpad.path}
    clash = reserved.intersection(settings.candidate.paths)
    if clash:
        raise SettingsError(
            f"{where}: candidate.paths: contains {', '.join(sorted(clash))}, which the bot needs "
            "for itself; an experiment must not change it. Remove it from the list."
        )
