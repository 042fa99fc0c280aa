"""docs/commands.md, made from the command lines."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from bot.cli import EXIT_CODES
from bot.cli import cli as bot_cli
from docs.reference.json_keys import JSON_KEYS
from docs.reference.markdown import NOTE, cell, linked
from runner.cli import cli as runner_cli

_OPENING = """\
# Commands

`python -m bot` decides, `python -m runner` measures. Both are run in the repository, with the
interpreter that `make install` made: `.venv/bin/python`, or `python` after
`source .venv/bin/activate`. `-h` or `--help` after any command shows what is on this page.

With `--json` a command prints exactly one JSON object on standard output; everything for people
goes to standard error. The tables below list all keys: `a.b` is key `b` of `a`, and `a[]` stands
for every item of the list `a`. Keys keep their meaning; new ones may come.
"""

_EXAMPLE = re.compile(r"^Examples?:\n((?:  .*\n?)+)", re.MULTILINE)


def command_reference() -> str:
    """The text of docs/commands.md."""
    parts = [NOTE, _OPENING]
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
        rows = [f"| `{key}` | {cell(linked(meaning))} |" for key, meaning in keys.items()]
        parts += ["With `--json`:", "\n".join(["| key | meaning |", "| --- | --- |", *rows])]
    return "\n\n".join(parts)


def _option_row(option: click.Parameter, context: click.Context) -> str | None:
    record = option.get_help_record(context)
    if record is None:
        return None
    names, meaning = record
    return f"| `{cell(names.strip('[]'))}` | {cell(' '.join(meaning.split()))} |"


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
