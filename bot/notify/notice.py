"""A notice: what happened, in words and as data, without any secret."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from bot.model import Verdict
from bot.notify.tables import Event
from bot.text.hygiene import Secrets
from bot.text.plain import one_line

NOTICE_KEYS = {
    "event": "`merged`, `paused`, `cap-reached` or `runner-broken`",
    "text": "what happened, in one line; the key that chat services show",
    "repository": "name of the repository's folder, or owner/name on GitHub",
    "number": "number of the pull request, null where it is about none",
    "title": "its hypothesis in one line, or null; text from outside",
    "metric": "the metric's name",
    "difference": "candidate minus baseline for a merge, or null",
    "interval": "[low, high] of the difference, or null",
    "time": "seconds since 1970 (UTC)",
}
"""Every key of the JSON of a notice."""
_TEXT = 500


@dataclass(frozen=True)
class Notice:
    """What happened."""

    event: Event
    text: str
    repository: str
    metric: str
    time: int
    number: int | None = None
    title: str | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None

    def json(self, environment: Mapping[str, str] = os.environ) -> bytes:
        """One JSON object with the keys of `NOTICE_KEYS`; texts on one line, without secrets."""
        hide = Secrets.of(environment, ("MERGELAB_WEBHOOK",)).redact
        title = None if self.title is None else hide(one_line(self.title))
        clean = replace(self, text=hide(one_line(self.text, _TEXT)), title=title)
        values = asdict(clean)
        return json.dumps({key: values[key] for key in NOTICE_KEYS}).encode()


def of_merge(
    number: int, title: str, verdict: Verdict, *, repository: str, metric: str, time: int
) -> Notice:
    """The notice of a merge."""
    estimate = verdict.estimate
    return Notice(
        event=Event.MERGED,
        text=f"{repository}: merged #{number} ({verdict.reason}): {title}",
        repository=repository,
        metric=metric,
        time=time,
        number=number,
        title=title,
        difference=estimate.difference if estimate else None,
        interval=(estimate.low, estimate.high) if estimate else None,
    )
