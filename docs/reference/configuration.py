"""docs/configuration.md, made from the settings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.settings import Settings
from docs.reference.markdown import NOTE, cell, linked
from docs.reference.models import texts_of

_OPENING = """\
# Configuration

Everything that can be set is in `bot.toml`, in the top folder of the repository. Every key has a
default: an empty file is complete. The file is checked as a whole before anything is done. An
unknown key, a wrong type or an impossible value ends the command with a message that names the
file, the key, what was found and what is allowed.

- **Which copy counts.** The one that is committed on the base branch. `step` refuses to begin
  while that branch is checked out and `bot.toml` has changes that are not committed. An
  experiment cannot bring its own settings. `python -m runner` run by hand reads the file in the
  working tree, or the one that `--settings` names.
- **Which changes start new numbers.** Numbers are compared only if they were measured under the
  same conditions: the runner class (device, profile, training budget, data, interpreter, torch,
  driver, sandbox) and the harness (the runner's own files, and `candidate.paths`,
  the other keys of `[candidate]` but `python` and `max_bytes`, the patterns of `[metric]`, of
  scored predictions also its `name`, `[task]` but `size`, `inputs` and `targets`, whose content
  is a part of the data, as that of `task.scorer` is,
  `budget.grace_s`, `budget.predict_s` and all of `[sandbox]` but `backend`).
  After a change of any of these the next step measures the baseline anew. `python -m runner class`
  shows the class.

An example that changes three things:

```toml
[repository]
base = "research"

[budget]
cpu_s = 60

[verdict]
max_seeds = 12
```

## Environment variables

| variable | meaning |
| --- | --- |
| `MERGELAB_CACHE` | folder for prepared data; else `mergelab` in `$XDG_CACHE_HOME` or `~/.cache` |
| `MERGELAB_CANDIDATE_PYTHON` | the interpreter of candidates, before `candidate.python` |
| `MERGELAB_SHARE_MACHINE` | if `1`, measurements on this machine do not wait for each other |
| `ANTHROPIC_API_KEY` | the key of the proposer `claude`; read from nowhere else |
| `ANTHROPIC_BASE_URL` | another address of the interface, for example a gateway |
| `MERGELAB_WEBHOOK` | an address for notices that is a secret, see docs/notifications.md |
| `GITHUB_TOKEN`, `MERGELAB_APP_ID` and others | how the bot signs in to GitHub: docs/forge.md |
| `MERGELAB_TRACEBACK` | if set, a defect of bot or runner shows its traceback |
| `DOCKER_HOST` | address of the Docker engine, as for Docker itself |
| `CUDA_VISIBLE_DEVICES` | as for CUDA: candidates get the first device of it |
"""


def configuration() -> str:
    """The text of docs/configuration.md."""
    parts = [NOTE, _OPENING]
    schema = Settings.model_json_schema()
    for name, field in Settings.model_fields.items():
        table, heading = table_of(field), name
        about = table.__doc__ or ""
        if name in texts_of(Settings):  # a list of tables
            heading, about = f"[{name}]", texts_of(Settings)[name]
        properties = schema["$defs"][table.__name__]["properties"]
        meanings = texts_of(table)
        rows = [
            _setting_row(key, described, meanings[key]) for key, described in properties.items()
        ]
        head = "| key | type | default | meaning |\n| --- | --- | --- | --- |"
        parts += [f"## `[{heading}]`", " ".join(about.split())]
        parts.append("\n".join([head, *rows]))
    parts.append("More about `[verdict]` is in [verdict.md](verdict.md), about the data in")
    return "\n\n".join(part.strip() for part in parts) + " [task.md](task.md).\n"


def table_of(field: FieldInfo) -> type[BaseModel]:
    """The model of one table of bot.toml, or of each of a list of tables."""
    kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next(k for k in kinds if inspect.isclass(k) and issubclass(k, BaseModel))


def _setting_row(key: str, described: Mapping[str, Any], meaning: str) -> str:
    meaning = linked(meaning)
    default = "required"
    if "default" in described:
        value = described["default"]
        default = "none" if value is None else f"`{_toml(value)}`"
    return f"| `{key}` | {cell(_allowed(described))} | {default} | {cell(meaning)} |"


def _toml(value: object) -> str:
    """A value of a scalar or list of strings; JSON writes these as TOML does."""
    return json.dumps(value)


def _allowed(described: Mapping[str, Any]) -> str:
    """Type and bounds in words, from the JSON schema of one key."""
    if "anyOf" in described:
        return _allowed(next(kind for kind in described["anyOf"] if kind["type"] != "null"))
    if "enum" in described:
        return " or ".join(f"`{_toml(value)}`" for value in described["enum"])
    if "const" in described:
        return f"`{_toml(described['const'])}`"
    words = {"string": "string", "integer": "whole number", "number": "number"}
    words |= {"boolean": "`true` or `false`"}
    if described["type"] == "array":
        return f"list of {described.get('minItems', 0)} to {described['maxItems']} strings"
    if described["type"] == "object":
        return "table of strings"
    said = [words[described["type"]]]
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    bounds |= {"exclusiveMaximum": "below"}
    said += [
        f"{word} {_number(described[key])}" for key, word in bounds.items() if key in described
    ]
    if "pattern" in described:
        said.append(f"matching `{described['pattern']}`")
    return " ".join(said)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
