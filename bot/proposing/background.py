"""What a proposer that reads is told beside the ledger: people's remarks, training curves.

Reads the forge. Nothing of an audit comes through here: its runs, and whatever was scored on
the sealed split, are left out by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.forge.base import Forge, ForgeError, Permission
from bot.model import Purpose, Side
from bot.people.commands import without_commands
from bot.proposers.base import Remark

LOOKED_AT = 10
"""Comments of so many latest pull requests are read."""


def remarks(forge: Forge, numbers: Iterable[int]) -> tuple[Remark, ...]:
    """What people with write permission said on these pull requests, oldest first.

    Commands are left out.
    """
    may_write: dict[str, bool] = {}
    found = []
    for number in sorted(numbers)[-LOOKED_AT:]:
        try:
            comments = forge.pull(number).comments
        except ForgeError:
            continue  # it may be in the ledger only
        for comment in comments:
            author = comment.author
            text = without_commands(comment.body)
            if author.is_bot or not text:
                continue
            if author.id not in may_write:
                may_write[author.id] = forge.permission(author) is Permission.WRITE
            if may_write[author.id]:
                if comment.path:
                    text = f"On {comment.path}, line {comment.line or '?'}: {text}"
                found.append((comment.created_at, Remark(number, author.name, text)))
    return tuple(remark for _, remark in sorted(found, key=lambda pair: pair[0]))


def curve(forge: Forge, number: int) -> Sequence[tuple[float, float]]:
    """The training curve of a candidate's first full run, empty if there is none."""
    try:
        attempts = forge.pull(number).attempts
    except ForgeError:
        return ()
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            run = attempt.runs[index]
            if run.side is Side.CANDIDATE and run.purpose is not Purpose.AUDIT:
                points = _points(result)
                if points:
                    return points
    return ()


def _points(result: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    if result.get("split", "validation") != "validation":
        return ()
    found = result.get("curve")
    pairs = found if isinstance(found, list) else []
    return tuple(
        (float(pair[0]), float(pair[1]))
        for pair in pairs
        if isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(number, int | float) for number in pair)
    )
