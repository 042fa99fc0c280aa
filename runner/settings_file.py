"""Reads bot.toml: the text, the runner's tables of it, and what is wrong in words for a person.

The bot's own tables are the bot's to check; `bot.settings` uses the same reading and wording.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from runner.errors import SettingsError
from runner.settings import RunnerSettings

MAX_BYTES = 1_000_000
_MOST_PROBLEMS = 10


def load(path: Path) -> RunnerSettings:
    """The runner's settings in the bot.toml at `path`.

    Raises:
        SettingsError: it is missing or wrong; the message names file, key, what was found and
            what is allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}). Run this in the repository's top "
            "folder, or say where the file is with --settings."
        ) from None
    document = read_document(data, str(path))
    mine = {name: document[name] for name in RunnerSettings.model_fields if name in document}
    try:
        return RunnerSettings.model_validate(mine)
    except ValidationError as error:
        raise SettingsError(explain(error, str(path), RunnerSettings)) from None


def read_document(data: bytes, where: str) -> dict[str, Any]:
    """The tables in the bytes of a bot.toml, unchecked. Raises SettingsError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if len(data) > MAX_BYTES:
        raise SettingsError(f"{where}: is larger than {MAX_BYTES:,} bytes; this is no bot.toml.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{where}, line {line}: is not UTF-8 text; save it as UTF-8.") from None
    try:
        document: dict[str, Any] = tomlkit.parse(text).unwrap()
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise SettingsError(f"{where}: is not valid TOML: {error}. Correct that line.") from None
    return document


def explain(error: ValidationError, where: str, model: type[BaseModel] | None = None) -> str:
    """What pydantic found wrong, one line for each key, at most ten of them.

    `model` is what was validated: its keys are suggested for an unknown one.
    """
    details = error.errors(include_url=False)[:_MOST_PROBLEMS]
    return "\n".join(_problem(where, dict(detail), model) for detail in details)


def _problem(where: str, detail: Mapping[str, Any], model: type[BaseModel] | None) -> str:
    location = [str(part)[:200] for part in detail["loc"]]
    key = ".".join(location) or "the whole"
    if detail["type"] == "extra_forbidden" and model:
        allowed = sorted(_keys_beside(location, model))
        near = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{where}: {key}: unknown key.{hint} Allowed here: {', '.join(allowed)}."
    found = repr(detail.get("input"))
    found = found if len(found) <= 80 else found[:77] + "..."
    told = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {told.replace('Input should be', 'must be')}; found {found}"


def _keys_beside(location: Sequence[str], model: Any) -> list[str]:
    for part in location[:-1]:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = fields[part].annotation
        elif part.isdecimal() and get_args(model):  # one of a list of tables
            model = get_args(model)[0]
        else:
            break
    return list(getattr(model, "model_fields", {}))
