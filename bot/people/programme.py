"""Whether the whole programme is paused: commits on the base branch that change no file.

The last one counts. Each names the comment that asked for it, so that a bot that was killed
before it answered does nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.history import ledger
from bot.text.plain import one_line, quiet

GREP = "^Programme: "
_SUBJECT = re.compile(r"(?:Pause|Start) the programme\n")
_TRAILER = re.compile(r"^(Programme|By|Comment): (.*)$", re.MULTILINE)
_STATES = {"paused": True, "started": False}


@dataclass(frozen=True)
class Programme:
    """How the programme stands: who paused it (None: it runs), and which comments made it so."""

    paused_by: str | None = None
    comments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One commit that paused or started it."""

    paused: bool
    by: str
    comment: str


def message(*, paused: bool, by: str, number: int, comment: str) -> str:
    """The commit message that pauses or starts the programme."""
    verb, state = ("Pause", "paused") if paused else ("Start", "started")
    name = quiet(one_line(by, 80)) or "a person"
    return (
        f"{verb} the programme\n\nAsked for by {name} in a comment on #{number}.\n\n"
        f"Programme: {state}\nBy: {name}\nComment: {one_line(comment)}\n"
    )


def read(repository: Path, branch: str) -> Programme:
    """How the programme stands by the first-parent line of `branch`. Raises LedgerError."""
    found = [change_in(chunk) for chunk in ledger.commits(repository, branch, GREP)]
    return after([change for change in reversed(found) if change])


def after(changes: Sequence[Change]) -> Programme:
    """How the programme stands after these, oldest first."""
    if not changes:
        return Programme()
    last = changes[-1]
    return Programme(last.by if last.paused else None, frozenset(c.comment for c in changes))


def change_in(chunk: str) -> Change | None:
    """The change in one of `bot.history.ledger.commits`; None where it is only quoted."""
    _, _, body = chunk.lstrip("\n").partition("\n")
    if not _SUBJECT.match(body):
        return None
    trailers = dict(_TRAILER.findall(body.rstrip("\n").rpartition("\n\n")[2]))
    state = _STATES.get(trailers.get("Programme", ""))
    if state is None or "Comment" not in trailers:
        return None
    return Change(state, trailers.get("By") or "a person", trailers["Comment"])
