"""`python -m bot import`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import BotError
from bot.history import imported
from bot.history.imported import Row, Status
from bot.views.output import json_option, print_json, say

if TYPE_CHECKING:
    from bot.proposing.place import Place

JSON_KEYS = {
    "experiments": "how many experiments the file has",
    "keep": "how many of them were kept",
    "discard": "how many were discarded",
    "crash": "how many crashed",
    "commit": "the commit on the base branch that brought them; null with --dry-run, or where they "
    "were there already",
}


@click.command(
    "import",
    epilog="""\b
Examples:
  python -m bot import results.tsv              bring it to the base branch as imported.tsv
  python -m bot import results.tsv --dry-run    only look whether it can be read

The file has the columns commit, val_bpb, memory_gb, status (keep, discard or crash) and
description, with tabs between them, as autoresearch writes it. What is imported is shown by
`report` and told to proposers that read. It is never evidence: no verdict and no noise estimate
counts it. To take it back, remove imported.tsv by a commit of your own.
""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), help="The results.tsv.")
@click.option("--dry-run", is_flag=True, help="Read and count, change nothing.")
@json_option
def command(file: Path, dry_run: bool, as_json: bool) -> None:
    """Bring a history from elsewhere to the base branch, marked as imported."""
    from bot.app import open_place

    place = open_place()
    rows = imported.parse(_bytes(file), str(file))
    commit = None if dry_run else bring(place, rows, int(time.time()))
    counts = {str(status): sum(row.status is status for row in rows) for status in Status}
    if as_json:
        print_json({"experiments": len(rows), **counts, "commit": commit})
        return
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    done = f"in commit {commit[:12]}" if commit else "nothing was changed"
    say(f"{len(rows)} experiments ({words}): {done}.")


def bring(place: Place, rows: tuple[Row, ...], when: int) -> str | None:
    """Commit the rows to the base branch; None where just these are there already.

    Raises:
        BotError: another history is there.
        Conflict, WorktreeDirty: see `Forge.advance`; nothing was changed.
    """
    repository, base = place.repository, place.forge.base()
    data = imported.write(rows)
    before = repository.read_file(base, imported.FILE_NAME)
    if before == data:
        return None
    if before is not None:
        raise BotError(
            f"{imported.FILE_NAME} is on {place.settings.repository.base} already, with another "
            "history. Remove it by a commit of your own, or add the lines there yourself."
        )
    tree = repository.tree_with(base, {imported.FILE_NAME: data})
    subject = f"Import {len(rows)} experiments from elsewhere"
    text = f"{subject}\n\nFor people and proposers to know; no verdict counts them.\n"
    commit = repository.commit_tree(tree, [base], text, repository.identity(), when)
    place.forge.advance(base=base, commit=commit)
    return commit


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(imported.MOST_BYTES + 1)
    except OSError as error:
        raise BotError(f"{file}: cannot be read ({error.strerror}).") from None
