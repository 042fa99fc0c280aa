"""bot.toml: every setting, its default and its check. The reference is docs/configuration.md."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from bot.errors import SettingsError
from bot.verdict import VerdictRule
from runner.settings import RunnerSettings, Table, plain_path

FILE_NAME = "bot.toml"
_MAX_BYTES = 1_000_000


class RepositoryTable(Table):
    """Where experiments live."""

    base: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = "main"
    """The branch that winners are merged into."""
    forge: Literal["git"] = "git"
    """Where pull requests live: `git`, inside this repository."""


class ProposerTable(Table):
    """Where hypotheses come from."""

    name: Literal["search"] = "search"
    """`search`: Optuna over the constants block of the entry file."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seeds the proposer's random choices."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How often a refused proposal may be followed by another one within a step."""


class ScratchpadTable(Table):
    """The bot's memory on the base branch."""

    path: str = "scratchpad.md"
    recent: Annotated[int, Field(ge=1, le=500)] = 20
    """How many experiments keep a full entry; older ones become rows of a table."""
    table: Annotated[int, Field(ge=1, le=5_000)] = 200
    """How many rows that table keeps; what falls off stays in `git log`."""


class Settings(RunnerSettings):
    """The whole of bot.toml."""

    repository: RepositoryTable = RepositoryTable()
    proposer: ProposerTable = ProposerTable()
    scratchpad: ScratchpadTable = ScratchpadTable()
    verdict: VerdictRule = VerdictRule()


def parse(data: bytes, where: str = FILE_NAME) -> Settings:
    """Read and check the bytes of a bot.toml.

    Raises:
        SettingsError: names the file, the key, what was found and what is allowed.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if len(data) > _MAX_BYTES:
        raise SettingsError(f"{where}: is larger than {_MAX_BYTES:,} bytes; this is no bot.toml.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{where}, line {line}: is not UTF-8 text; save it as UTF-8.") from None
    try:
        document = tomlkit.parse(text).unwrap()
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise SettingsError(f"{where}: is not valid TOML: {error}. Correct that line.") from None
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        problems = [_problem(where, dict(detail)) for detail in error.errors()]
        raise SettingsError("\n".join(problems)) from None
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


def _problem(where: str, detail: Mapping[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    found = repr(detail.get("input"))
    found = found if len(found) <= 80 else found[:77] + "..."
    if detail["type"] == "extra_forbidden":
        allowed = sorted(_keys_beside(location))
        near = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{where}: {key}: unknown key.{hint} Allowed here: {', '.join(allowed)}."
    return f"{where}: {key}: found {found}; {_allowed(str(detail['msg']))}."


def _allowed(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message.replace("Input should be", "must be").rstrip(".")


def _keys_beside(location: list[str]) -> list[str]:
    model: Any = Settings
    for part in location[:-1]:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            break
        model = fields[part].annotation
    return list(getattr(model, "model_fields", {}))
