"""What proposers believe: the part of the scratchpad that they maintain, one belief a line.

A proposer hands in the part as it should stand. What is kept with its experiment is the change,
so that those of experiments that run at the same time do not undo each other; it is written with
the verdict. Pure; the text comes from models and is made inert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.history import scratchpad
from bot.text.plain import inert_markdown

LONGEST = 400
"""Characters of one belief; a longer one is cut."""
_ITEM = re.compile(r"^\s*[-*•+]\s+")  # whatever marker people like


@dataclass(frozen=True)
class Change:
    """Beliefs that a proposal drops, and those that it adds."""

    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.removed or self.added)

    @classmethod
    def read(cls, record: object) -> Change:
        """From a pull request's record; whatever is no list of texts counts as nothing."""
        if not isinstance(record, dict):
            return cls()
        return cls(*(tuple(_texts(record.get(key))) for key in ("removed", "added")))


def of(text: str) -> tuple[str, ...]:
    """The beliefs in the text of a scratchpad: its list items, whatever their marker."""
    lines = scratchpad.beliefs(text).splitlines()
    items = (_ITEM.sub("", line).rstrip() for line in lines if _ITEM.match(line))
    return tuple(filter(None, items))


def size(beliefs: Iterable[str]) -> int:
    """How long they are together, in characters, as `scratchpad.beliefs` of bot.toml counts."""
    return sum(len(belief) + 1 for belief in beliefs)


def change(now: Sequence[str], wanted: str) -> Change:
    """From the beliefs of now to those of `wanted`, a text with one a line; empty: no change."""
    lines = [_ITEM.sub("", line).strip() for line in wanted.splitlines()]
    new = list(dict.fromkeys(filter(None, (_inert(line, now) for line in lines))))
    if not new:
        return Change()
    return Change(
        removed=tuple(one for one in now if one not in new),
        added=tuple(one for one in new if one not in now),
    )


def after(now: Sequence[str], changed: Change, limit: int | None = None) -> tuple[str, ...]:
    """The beliefs once a change is made. With `limit`, what does not fit is left out."""
    kept = [one for one in now if one not in changed.removed]
    for one in dict.fromkeys(changed.added):
        belief = _inert(one, now)
        if belief and belief not in kept and (limit is None or size([*kept, belief]) <= limit):
            kept.append(belief)
    return tuple(kept)


def write(text: str, beliefs: Sequence[str]) -> str:
    """The text of the scratchpad with these beliefs; without any the part is not begun."""
    if not beliefs and not scratchpad.beliefs(text):
        return text
    lines = "\n".join(f"- {belief}" for belief in beliefs)
    return scratchpad.with_beliefs(text, lines or "None yet.")


def _inert(line: str, known: Sequence[str]) -> str:
    """A belief as it is written down; one that is there already stays as it is."""
    return line if line in known else inert_markdown(line, LONGEST)


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
