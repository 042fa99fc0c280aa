"""Where the metric has been going, in one line: the small trend beside a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.history.ledger import LedgerEntry
from bot.model import Outcome
from bot.text.figures import number

SHOWN = 12
"""So many of the latest experiments with a value are shown."""
_BARS = "▁▂▃▄▅▆▇█"


def trend(metric: str, entries: Sequence[LedgerEntry], runner_class: str) -> str:
    """The latest experiments of a runner class as bars, and the winners among them; Markdown.

    Empty when there are fewer than two values: other classes are never compared.
    """
    own = [entry for entry in entries if runner_class in entry.evidence]
    shown = [(entry, entry.value) for entry in own if entry.value is not None][-SHOWN:]
    if len(shown) < 2:
        return ""
    values = [value for _, value in shown]
    won = [
        f"#{entry.number} {number(value)}"
        for entry, value in shown
        if entry.outcome is Outcome.MERGED
    ]
    winners = f"; merged: {', '.join(won[-5:])}" if won else ""
    return (
        f"**Trend.** {metric} of the last {len(shown)} experiments, oldest first: "
        f"{_bars(values)} ({number(min(values))} to {number(max(values))}){winners}."
    )


def _bars(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    if low == high or not math.isfinite(high - low):
        return _BARS[0] * len(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round(steps * ((value - low) / (high - low)))] for value in values)
