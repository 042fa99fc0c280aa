"""A history from elsewhere: experiments that were tried before this project was begun.

`imported.tsv` on the base branch, with the columns of autoresearch's `results.tsv`. It is shown
to people and told to proposers that read, so that nobody tries the same twice in ignorance. It is
never evidence: no verdict, no noise estimate, no baseline and no count of experiments reads it,
since nothing vouches for its numbers and nothing can run its code again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import BotError
from bot.settings import IMPORTED
from bot.text.plain import one_line

FILE_NAME = IMPORTED
COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")
_REQUIRED = ("val_bpb", "status", "description")
MOST_BYTES, MOST_ROWS = 5_000_000, 100_000
_DESCRIPTION = 300


class NotResults(BotError):
    """A file is no history that can be imported; the message names line and reason."""


class Status(StrEnum):
    """What became of an imported experiment."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"


@dataclass(frozen=True)
class Row:
    """One imported experiment. `value` and `memory_gb` are None where none was measured."""

    commit: str
    value: float | None
    memory_gb: float | None
    status: Status
    description: str


def parse(data: bytes, where: str) -> tuple[Row, ...]:
    """The rows of a results.tsv, oldest first.

    Raises:
        NotResults: names file, line, what was found and what is expected.
    """
    if len(data) > MOST_BYTES:
        raise NotResults(f"{where}: {len(data):,} bytes are more than {MOST_BYTES:,}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotResults(f"{where}: byte {error.start} is no UTF-8 text.") from None
    lines = text.replace("\r\n", "\n").split("\n")
    names = [name.strip().casefold() for name in lines[0].split("\t")]
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise NotResults(
            f"{where}, line 1: the column {missing[0]} is missing. Expected is a line of the names "
            f"{', '.join(COLUMNS)}, with tabs between them."
        )
    filled = [(at, line) for at, line in enumerate(lines[1:], 2) if line.strip()]
    if not filled:
        raise NotResults(f"{where}: there is no experiment in it.")
    if len(filled) > MOST_ROWS:
        raise NotResults(f"{where}: more than {MOST_ROWS:,} experiments.")
    return tuple(_row(line, names, f"{where}, line {at}") for at, line in filled)


def _row(line: str, names: Sequence[str], where: str) -> Row:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != len(names):
        raise NotResults(f"{where}: {len(cells)} columns, expected are {len(names)}.")
    found = dict(zip(names, cells, strict=True))
    try:
        status = Status(found["status"].casefold())
    except ValueError:
        shown = one_line(found["status"], 40)
        raise NotResults(f"{where}: status {shown!r} is not keep, discard or crash.") from None
    value = _number(found["val_bpb"], "val_bpb", where)
    return Row(
        commit=one_line(found.get("commit", ""), 40),
        value=None if status is Status.CRASH else value,
        memory_gb=_number(found.get("memory_gb", ""), "memory_gb", where),
        status=status,
        description=one_line(found["description"], _DESCRIPTION),
    )


def _number(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NotResults(f"{where}: {name} {one_line(text, 40)!r} is no finite number.")
    return value


def write(rows: Sequence[Row]) -> bytes:
    """The file that is committed: the same rows in one form."""
    lines = ["\t".join(COLUMNS)]
    for row in rows:
        value = "0.000000" if row.value is None else f"{row.value:.10g}"
        memory = "0.0" if row.memory_gb is None else f"{row.memory_gb:.1f}"
        lines.append("\t".join([row.commit, value, memory, str(row.status), row.description]))
    return ("\n".join(lines) + "\n").encode()


def read(data: bytes | None) -> tuple[Row, ...]:
    """The rows of the committed file; none where it is missing or was made unreadable."""
    if data is None:
        return ()
    try:
        return parse(data, FILE_NAME)
    except NotResults:
        return ()
