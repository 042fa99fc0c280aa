"""The scratchpad: beliefs, and one bounded entry for every experiment, newest first.

The bot writes only between its pairs of markers; everything else belongs to people and is kept
to the byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.history.ledger import LedgerEntry
from bot.text.figures import number, rounded
from bot.text.plain import inert_cell, inert_markdown

_RECENT = ("<!-- bot: recent experiments -->", "<!-- bot: end of recent experiments -->")
_TABLE = ("<!-- bot: earlier experiments -->", "<!-- bot: end of earlier experiments -->")
_BELIEFS = ("<!-- bot: beliefs -->", "<!-- bot: end of beliefs -->")
_MARKER = re.compile("|".join(map(re.escape, (*_BELIEFS, *_RECENT, *_TABLE))))
_SECTION = re.compile(rf"{_MARKER.pattern}|^## ", re.MULTILINE)
_HEADER = "| # | hypothesis | verdict | difference |\n| ---: | --- | --- | ---: |"


@dataclass(frozen=True)
class Bounds:
    """How much is kept: full entries, and rows of the table of older ones."""

    recent: int = 20
    table: int = 200


def read(data: bytes) -> str:
    """The file as text; bytes that are not UTF-8 survive in it, for `write`."""
    return data.decode("utf-8", "surrogateescape")


def write(text: str) -> bytes:
    """The bytes of the file: those that were `read` wherever the bot wrote nothing."""
    return text.encode("utf-8", "surrogateescape")


def with_entries(text: str, entries: list[LedgerEntry], bounds: Bounds) -> str:
    """`text` with its two written parts made anew from `entries` (oldest first).

    The parts are a function of the ledger, so that a lost or edited scratchpad repairs
    itself at the next verdict. A file without markers gets both parts at its end.
    """
    newest_first = entries[::-1]
    recent = "\n\n".join(full_entry(entry) for entry in newest_first[: bounds.recent])
    text = _replace(text, _RECENT, "## Experiments", recent or "None yet.")
    older = newest_first[bounds.recent :]
    rows = [_row(entry) for entry in older[: bounds.table]]
    dropped = len(older) - len(rows)
    table = "\n".join([_HEADER, *rows]) if rows else "None yet."
    if dropped:
        table += f"\n\n{dropped} more: `python -m bot log` lists them all."
    return _replace(text, _TABLE, "## Earlier experiments", table)


def beliefs(text: str) -> str:
    """What stands in the part that proposers maintain; empty if there is none."""
    _, found, rest = text.partition(_BELIEFS[0])
    return rest.partition(_BELIEFS[1])[0].strip() if found else ""


def with_beliefs(text: str, body: str) -> str:
    """`text` with `body` as the part that proposers maintain."""
    return _replace(text, _BELIEFS, "## What the proposers believe", body)


def of_people(text: str) -> str:
    """`text` without everything that the bot writes."""
    for start, end in (_BELIEFS, _RECENT, _TABLE):
        text = re.sub(f"{re.escape(start)}.*?{re.escape(end)}", "", text, flags=re.DOTALL)
    return text.strip()


def full_entry(entry: LedgerEntry) -> str:
    """The entry of one experiment: what was tried, what came of it, and why."""
    lines = [f"### #{entry.number} {_plain(entry.title)}: {entry.outcome} ({entry.reason})"]
    if entry.value is not None:
        reported = " (self-reported)" if entry.self_reported else ""
        against = "" if entry.baseline is None else f" against {number(entry.baseline)}"
        lines.append(
            f"{entry.metric}{reported} {number(entry.value)}{against}; "
            f"difference {difference(entry)}; "
            f"{entry.seeds} {'seed' if entry.seeds == 1 else 'seeds'}; proposed by "
            f"{_plain(entry.proposer)}, phase {_plain(entry.phase)}."
        )
    lines += [_plain(line) for line in entry.explanation.splitlines() if line.strip()]
    return "\n".join(lines)


def difference(entry: LedgerEntry) -> str:
    """Difference and interval as people read them, for example `-2.1 (-2.5 to -1.7)`."""
    if entry.difference is None:
        return "not known"
    if entry.interval is None:
        return rounded(entry.difference, 3, sign=True)
    middle, low, high = (
        rounded(value, 3, sign=True) for value in (entry.difference, *entry.interval)
    )
    return f"{middle} ({low} to {high})"


def _row(entry: LedgerEntry) -> str:
    title = inert_cell(entry.title, 80)
    return f"| {entry.number} | {title} | {entry.reason} | {difference(entry)} |"


def _plain(text: str) -> str:
    return inert_markdown(text, 300)


def _replace(text: str, markers: tuple[str, str], heading: str, body: str) -> str:
    start, end = markers
    block = f"{start}\n{body}\n{end}"
    before, found, rest = text.partition(start)
    if found:
        return before.replace(end, "") + block + _after(rest, markers)
    text = text.replace(end, "").rstrip("\n")
    return f"{text}\n\n{heading}\n\n{block}\n" if text else f"{heading}\n\n{block}\n"


def _after(rest: str, markers: tuple[str, str]) -> str:
    """What follows a written part whose start marker was before `rest`.

    Where its end marker is gone, the part ends before the next marker or section.
    """
    start, end = markers
    while True:
        ours, closed, after = rest.partition(end)
        if closed and not _MARKER.search(ours):
            return after
        following = _SECTION.search(ours)
        if following is None:
            return "\n"
        if following[0] != start:
            return "\n\n" + rest[following.start() :].replace(end, "")
        rest = rest[following.end() :]  # the same part once more: it goes as well
