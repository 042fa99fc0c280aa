"""How commands print: tables for people, exactly one JSON object with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from bot.text.plain import for_terminal, one_line

_CELL = 1_000  # characters of one cell of a table

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, on one line, on standard output.

    Not indented: the indenting encoder is ten times slower, which 10,000 experiments show.
    """
    sys.stdout.write(json.dumps(value) + "\n")


def say(text: str) -> None:
    """Words for people on standard output; those of others in them cannot act on a terminal."""
    click.echo(for_terminal(text))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """A table: drawn on a terminal, tab-separated lines with a header elsewhere."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            print("\t".join(one_line(cell, _CELL) for cell in row))
        return
    import shutil

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", box=None, pad_edge=False)
    for header in headers:
        table.add_column(header)
    for row in rows:
        table.add_row(*(Text(one_line(cell, _CELL)) for cell in row))
    # Said, as rich takes every terminal without capabilities for one of 80 columns.
    columns, lines = shutil.get_terminal_size()
    Console(width=columns, height=lines).print(table)
