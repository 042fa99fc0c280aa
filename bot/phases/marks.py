"""The ledger's commits that begin a phase, by the bot or by a person. They change no file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bot.errors import LedgerError
from bot.history import ledger
from bot.text.plain import one_line, quiet

GREP = "^Phase-Begun: [a-z0-9]"
_SUBJECT = re.compile(r"Begin phase ")
_TRAILER = re.compile(r"^([A-Za-z-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class PhaseMark:
    """A phase that was begun: by whom, why, and after how many finished experiments."""

    name: str
    by: str
    why: str
    after: int
    commit: str = ""
    committed_at: int = 0  # seconds since 1970, UTC


def message(mark: PhaseMark) -> str:
    """The commit message that begins a phase."""
    by, why = quiet(one_line(mark.by, 80)) or "a person", quiet(one_line(mark.why, 300))
    trailers = f"Phase-Begun: {mark.name}\nBy: {by}\nAfter: {mark.after}"
    return f"Begin phase {mark.name}\n\n{why}\n\n{trailers}\n"


def read(repository: Path, branch: str) -> tuple[PhaseMark, ...]:
    """Every beginning of a phase on the first-parent line of `branch`, oldest first.

    Raises:
        LedgerError: git failed, or such a commit is damaged.
    """
    found = [mark_in(chunk) for chunk in ledger.commits(repository, branch, GREP)]
    return tuple(mark for mark in reversed(found) if mark)


def mark_in(chunk: str) -> PhaseMark | None:
    """The beginning of a phase in one of `bot.history.ledger.commits`, or None."""
    header, _, body = chunk.lstrip("\n").partition("\n")
    head, _, block = body.rstrip("\n").rpartition("\n\n")
    trailers = dict(_TRAILER.findall(block))
    if not _SUBJECT.match(body) or not trailers.keys() >= {"Phase-Begun", "By", "After"}:
        return None  # a person's commit that quotes the ledger
    commit, _, committed_at = header.partition(" ")
    try:
        return PhaseMark(
            name=trailers["Phase-Begun"],
            by=trailers["By"],
            why=head.partition("\n\n")[2],
            after=int(trailers["After"]),
            commit=commit,
            committed_at=int(committed_at),
        )
    except ValueError as error:
        raise LedgerError(
            f"The ledger commit {commit[:12]} that begins a phase cannot be read ({error}). "
            "Revert whatever rewrote it."
        ) from None
