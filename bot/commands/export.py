"""`python -m bot export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot.errors import BotError
from bot.history.peek import peek
from bot.views.export import COLUMNS, FORMATS, Format, text_of
from bot.views.output import json_option, print_json

JSON_KEYS = {
    "format": "what was written",
    "experiments": "how many finished experiments there are",
    "file": "where it was written; null without --output",
    "text": "what would be written; null with --output",
}


@click.command(
    epilog="""\b
Examples:
  python -m bot export > experiments.csv
  python -m bot export --format jsonl --output experiments.jsonl
  python -m bot export --format results.tsv --output results.tsv

\b
Formats:
  csv          a header and one row for each finished experiment
  jsonl        one JSON object a line, with the same keys
  results.tsv  the columns that the notebook of Karpathy's autoresearch reads

Columns: """
    + "; ".join(f"{name}: {meaning}" for name, meaning in COLUMNS.items())
    + """.

In CSV, text that a spreadsheet would take for a formula begins with an apostrophe. results.tsv
begins with the baseline, and leaves out experiments that were never run.
"""
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="csv",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write; without it, standard output. An existing one is replaced.",
)
@json_option
def command(form: Format, output: Path | None, as_json: bool) -> None:
    """Write the finished experiments for other programs."""
    from bot.audits import ledger as auditlog

    about = peek(Path.cwd())
    entries, audits = auditlog.read(about.folder, about.base)
    if form == "results.tsv" and about.direction == "higher":
        click.echo(
            f"Note: more {about.metric} is better here; the notebook looks for the least.", err=True
        )
    text = text_of(form, entries, audits)
    if output is not None:
        _write(output, text)
    if as_json:
        file = None if output is None else str(output)
        told = {"format": form, "experiments": len(entries), "file": file}
        print_json({**told, "text": None if output else text})
    elif output is None:
        sys.stdout.write(text)
    else:
        click.echo(f"Wrote {len(entries)} experiments to {output}.", err=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BotError(
            f"{path}: cannot be written ({error.strerror}). Name another file with --output."
        ) from None
