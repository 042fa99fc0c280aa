"""The chart that the bot keeps in a project which asks for it: `report.svg` of bot.toml.

Drawn from the ledger alone, so that it shows nothing of the sealed split, and redrawn in the
commit of every verdict. What is measured depends on the allowed files only, never on it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from bot.audits.ledger import AuditEntry
from bot.history.ledger import LedgerEntry
from bot.model import Direction
from bot.settings import Settings

LATEST = 500
"""So many experiments are drawn: the file is in every commit, and must not grow for ever."""


def files(
    settings: Settings, entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry]
) -> dict[str, bytes]:
    """The drawn file by its path; nothing where none is asked for, or where drawing failed.

    A verdict is worth more than its picture: whatever goes wrong is said, and the next verdict
    draws again.
    """
    if settings.report.svg is None:
        return {}
    from bot.report import chart, image
    from bot.report.data import history

    try:
        direction = Direction(settings.metric.direction)
        whole = history(entries, audits, settings.metric_shown, direction)
        latest = history(entries[-LATEST:], audits, whole.metric, direction)
        begin = min((row["at"] for row in latest.best), default=0)
        before = [row for row in whole.best if row["at"] < begin][-1:]
        best = [row | {"at": begin} for row in before] + [
            row for row in whole.best if row["at"] >= begin
        ]
        shown = replace(
            latest, best=best, audits=[row for row in whole.audits if row["at"] >= begin]
        )
        return {settings.report.svg: image.svg(chart.main_chart(shown)).encode()}
    except Exception as error:
        print(f"The chart {settings.report.svg} was not redrawn: {error}", file=sys.stderr)
        return {}
