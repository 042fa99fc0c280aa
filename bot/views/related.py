"""Earlier experiments like a change, as people read them on a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from bot.history import scratchpad
from bot.history.related import Related
from bot.text.plain import inert_markdown


def related_text(known: Sequence[Related]) -> str:
    """The nearest earlier experiments, how they ended and what they showed; Markdown."""
    if not known:
        return "No earlier experiment is like it."
    return "The nearest, and what they showed:\n\n" + "\n".join(map(_line, known))


def _line(one: Related) -> str:
    entry = one.entry
    showed = f", difference {scratchpad.difference(entry)}" if entry.difference is not None else ""
    why = f" ({inert_markdown(one.why, 200)})" if one.why else ""
    return f"- #{entry.number} {inert_markdown(entry.title, 120)}: {entry.reason}{showed}{why}"
