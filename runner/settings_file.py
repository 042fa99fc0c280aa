"""Reads the runner's tables of bot.toml. The bot's own tables are the bot's to check."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from runner.errors import SettingsError
from runner.settings import RunnerSettings

_MAX_BYTES = 1_000_000


def load(path: Path) -> RunnerSettings:
    """The runner's settings in the bot.toml at `path`.

    Raises:
        SettingsError: it is missing or wrong; the message names file, key, what was found and
            what is allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}). Run this in the repository's top "
            "folder, or say where the file is with --settings."
        ) from None
    if len(data) > _MAX_BYTES:
        raise SettingsError(f"{path}: is larger than {_MAX_BYTES:,} bytes; this is no bot.toml.")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: is not valid TOML: {error}. Correct that line.") from None
    mine = {name: document[name] for name in RunnerSettings.model_fields if name in document}
    try:
        return RunnerSettings.model_validate(mine)
    except ValidationError as error:
        raise SettingsError(explain(error, str(path))) from None


def explain(error: ValidationError, where: str) -> str:
    """What pydantic found wrong, one line for each key, at most ten of them."""
    lines = []
    for detail in error.errors(include_url=False)[:10]:
        key = ".".join(str(part) for part in detail["loc"]) or "the whole"
        found = repr(detail.get("input"))
        found = found if len(found) <= 80 else found[:77] + "..."
        allowed = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        lines.append(f"{where}: {key[:200]}: {allowed}; found {found}")
    return "\n".join(lines)
