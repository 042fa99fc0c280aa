"""Writes docs/configuration.md and docs/commands.md from the settings and the command lines.

python docs/make_reference.py           write them
python docs/make_reference.py --check   exit with 1 when they are not up to date
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))  # the packages are run from the repository, not installed

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.cli import EXIT_CODES
from bot.cli import cli as bot_cli
from bot.commands import (
    audit,
    best,
    comment,
    completion,
    diff,
    doctor,
    export,
    import_,
    init,
    log,
    open,
    phase,
    proposers,
    pulls,
    report,
    run,
    show,
)
from bot.proposing.preview import PREVIEW_KEYS
from bot.settings import Settings
from bot.views.status_json import STATUS_KEYS
from bot.views.summary import CONCLUDED_KEYS
from runner import checks_command, commands, image_command, odvg_command
from runner.actions import command as actions
from runner.cli import cli as runner_cli
from runner.result import Comparability, Measurement

Keys = Mapping[str, str]


@cache
def texts_of(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a model, by the field's name: its description.

    Pydantic can keep it too, but parses the sources of all models for that whenever the bot
    starts, which is a tenth of the start.
    """
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (source,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(source, ast.ClassDef)  # noqa: S101 (for mypy)
        for field, text in pairwise(source.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[name] = " ".join(words.split())
    return found


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every key of a model as JSON, with the description of its field, depth first."""
    keys: dict[str, str] = {}
    for name, field in model.model_fields.items():
        keys[prefix + name] = texts_of(model).get(name, "").removesuffix(".")
        inner = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for kind in inner:
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                keys |= keys_of(kind, f"{prefix}{name}.")
    return keys


JSON_KEYS: dict[tuple[str, str], Keys] = {
    ("bot", "audit"): audit.JSON_KEYS,
    ("bot", "best"): best.JSON_KEYS,
    ("bot", "comment"): comment.JSON_KEYS,
    ("bot", "completion"): completion.JSON_KEYS,
    ("bot", "diff"): diff.JSON_KEYS,
    ("bot", "doctor"): doctor.JSON_KEYS,
    ("bot", "export"): export.JSON_KEYS,
    ("bot", "import"): import_.JSON_KEYS,
    ("bot", "init"): init.JSON_KEYS,
    ("bot", "log"): log.JSON_KEYS,
    ("bot", "open"): open.JSON_KEYS,
    ("bot", "phase"): phase.JSON_KEYS,
    ("bot", "propose"): PREVIEW_KEYS,
    ("bot", "proposers"): proposers.JSON_KEYS,
    ("bot", "pulls"): pulls.JSON_KEYS,
    ("bot", "report"): report.JSON_KEYS,
    ("bot", "run"): run.RUN_KEYS,
    ("bot", "show"): show.JSON_KEYS,
    ("bot", "status"): STATUS_KEYS,
    ("bot", "step"): CONCLUDED_KEYS,
    ("runner", "class"): keys_of(Comparability),
    ("runner", "doctor"): checks_command.DOCTOR_KEYS,
    ("runner", "gate"): actions.GATE_KEYS,
    ("runner", "image"): image_command.JSON_KEYS,
    ("runner", "import-odvg"): odvg_command.IMPORT_KEYS,
    ("runner", "measure"): keys_of(Measurement),
    ("runner", "prepare"): commands.PREPARE_KEYS,
    ("runner", "publish"): actions.PUBLISH_KEYS,
    ("runner", "redteam"): checks_command.REDTEAM_KEYS,
    ("runner", "wake"): actions.WAKE_KEYS,
}
"""What each command prints with --json: `a.b` is key b of a, `a[]` every item of the list a."""

NOTE = "<!-- Made by `make docs` (docs/make_reference.py). Do not edit it here. -->"

CONFIGURATION = """\
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
| `MERGELAB_TRACEBACK` | if set, a defect of bot or runner shows its traceback |
| `DOCKER_HOST` | address of the Docker engine, as for Docker itself |
| `CUDA_VISIBLE_DEVICES` | as for CUDA: candidates get the first device of it |
"""

COMMANDS = """\
# Commands

`python -m bot` decides, `python -m runner` measures. Both are run in the repository, with the
interpreter that `make install` made: `.venv/bin/python`, or `python` after
`source .venv/bin/activate`. `-h` or `--help` after any command shows what is on this page.

With `--json` a command prints exactly one JSON object on standard output; everything for people
goes to standard error. The tables below list all keys: `a.b` is key `b` of `a`, and `a[]` stands
for every item of the list `a`. Keys keep their meaning; new ones may come.
"""

_EXAMPLE = re.compile(r"^Examples?:\n((?:  .*\n?)+)", re.MULTILINE)


def configuration() -> str:
    """The text of docs/configuration.md."""
    parts = [NOTE, CONFIGURATION]
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
    meaning = _linked(meaning)
    default = "required"
    if "default" in described:
        value = described["default"]
        default = "none" if value is None else f"`{_toml(value)}`"
    return f"| `{key}` | {_cell(_allowed(described))} | {default} | {_cell(meaning)} |"


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


def command_reference() -> str:
    """The text of docs/commands.md."""
    parts = [NOTE, COMMANDS]
    for package, group in (("bot", bot_cli), ("runner", runner_cli)):
        parts += [f"## python -m {package}", _help(group)]
        if package == "bot":
            parts.append(_flat(EXIT_CODES))
        for name, command in commands_of(group):
            parts.append(_command(package, name, command))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def commands_of(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """The commands of a command line, by name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield name, command


def _command(package: str, name: str, command: click.Command) -> str:
    call = f"python -m {package} {name}"
    context = click.Context(command, info_name=call)
    usage = " ".join([call, *command.collect_usage_pieces(context)])
    parts = [f"### {package} {name}", _help(command), f"```text\n{usage}\n```"]
    rows = [row for option in command.params if (row := _option_row(option, context))]
    parts.append("\n".join(["| option | meaning |", "| --- | --- |", *rows]))
    epilog = inspect.cleandoc(command.epilog or "").replace("\b", "")
    examples = _EXAMPLE.search(epilog)
    if examples:
        parts.append(f"Examples:\n\n```sh\n{inspect.cleandoc(examples[1])}\n```")
        epilog = epilog.replace(examples[0], "")
    parts += [_paragraph(text) for text in re.split(r"\n\s*\n", epilog) if text.strip()]
    keys = JSON_KEYS.get((package, name))
    if keys:
        rows = [f"| `{key}` | {_cell(_linked(meaning))} |" for key, meaning in keys.items()]
        parts += ["With `--json`:", "\n".join(["| key | meaning |", "| --- | --- |", *rows])]
    return "\n\n".join(parts)


def _option_row(option: click.Parameter, context: click.Context) -> str | None:
    record = option.get_help_record(context)
    if record is None:
        return None
    names, meaning = record
    return f"| `{_cell(names.strip('[]'))}` | {_cell(' '.join(meaning.split()))} |"


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _paragraph(text: str) -> str:
    """Text of an epilog: indented lines are a block, the rest is prose."""
    blocks: list[str] = []
    for line in text.strip("\n").splitlines():
        if line.startswith("  "):
            closed = blocks[-1].removesuffix("\n```") if blocks else ""
            opened = closed if closed.startswith("```") else None
            block = f"{opened}\n{line[2:]}\n```" if opened else f"```text\n{line[2:]}\n```"
            blocks = [*blocks[:-1], block] if opened else [*blocks, block]
        elif blocks and not blocks[-1].startswith("```"):
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return "\n\n".join(blocks)


def _flat(text: str) -> str:
    return inspect.cleandoc(text.replace("\b", ""))


def _linked(text: str) -> str:
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """The generated pages, by where they belong."""
    docs = TOP / "docs"
    return {
        docs / "configuration.md": configuration(),
        docs / "commands.md": command_reference(),
    }


def main(arguments: list[str]) -> int:
    """Write the pages or check them; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    stale = [
        (path, text)
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        name = path.relative_to(TOP)
        if check:
            print(f"{name} is not up to date: run `make docs`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
