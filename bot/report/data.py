"""What the report is made of: rows of plain data, from the ledger. Pure.

Titles, names and explanations are text of strangers. They are data here and stay so: the page
puts them in as text, and never as markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from bot.audits.ledger import AuditEntry
from bot.history.ledger import LedgerEntry
from bot.history.lineage import Lineage
from bot.model import Direction, Outcome, Reason
from bot.text.plain import one_line

_TEXT = 2_000  # characters of an explanation


class Kind(StrEnum):
    """What became of an experiment, as the chart tells them apart by shape and colour."""

    IMPROVED = "merged: improvement"
    SIMPLER = "merged: simpler"
    BY_HAND = "merged by hand"
    REVERTED = "merged: takes a winner back"
    CLOSED = "closed: no gain shown"
    FAILED = "closed: run failed"
    NOT_RUN = "closed: not judged"
    CONFIRMED = "audit: replicated"
    REFUTED = "audit: did not replicate"


_KINDS = {
    Reason.IMPROVEMENT: Kind.IMPROVED,
    Reason.SIMPLER: Kind.SIMPLER,
    Reason.UNMEASURED: Kind.BY_HAND,
    Reason.DID_NOT_REPLICATE: Kind.REVERTED,
    Reason.WORSE: Kind.CLOSED,
    Reason.NO_EVIDENCE: Kind.CLOSED,
    Reason.CRASHED: Kind.FAILED,
    Reason.TIMED_OUT: Kind.FAILED,
    Reason.OUT_OF_MEMORY: Kind.FAILED,
    Reason.INVALID_OUTPUT: Kind.FAILED,
}


@dataclass(frozen=True)
class History:
    """Everything that the charts and the table show, in rows that are plain JSON.

    `experiments` are all of them, oldest first; `audits` the audits; `best` the baseline over
    time; `phases` stretches of time; `gains` the audited winners; `work` running totals. Times
    are milliseconds since 1970 (UTC), as charts take them.
    """

    metric: str
    direction: Direction
    experiments: list[dict[str, Any]]
    audits: list[dict[str, Any]]
    best: list[dict[str, Any]]
    phases: list[dict[str, Any]]
    gains: list[dict[str, Any]]
    work: list[dict[str, Any]]
    lineage: Lineage
    busy: float | None

    @property
    def domain(self) -> tuple[float, float] | None:
        """The part of the metric that the chart shows; what lies outside is drawn at its edge.

        Everything that was ever the best, and nine tenths of all the others: one that went
        astray must not press the rest into a line.
        """
        best = [row["value"] for row in self.best]
        values = sorted(row["value"] for row in self.experiments if row["value"] is not None)
        if not values and not best:
            return None
        share = len(values) // 20
        inner = values[share : len(values) - share] if share else values
        low, high = min([*best, *inner]), max([*best, *inner])
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        return low - margin, high + margin


def history(
    entries: Sequence[LedgerEntry],
    audits: Sequence[AuditEntry],
    metric: str,
    direction: Direction,
) -> History:
    """The rows of a ledger, entries and audits oldest first."""
    by_number = {entry.number: entry for entry in entries}
    return History(
        metric=metric,
        direction=direction,
        experiments=[_experiment(entry) for entry in entries],
        audits=[
            row
            for audit in audits
            if (row := _audit(audit, by_number.get(audit.number), direction))
        ],
        best=_best(entries),
        phases=_phases(entries),
        gains=[_gain(audit) for audit in {one.number: one for one in audits}.values()],
        work=_work(entries),
        lineage=Lineage.of(entries, audits),
        busy=_busy(entries, audits),
    )


def kind_of(reason: Reason) -> Kind:
    """How the chart shows an experiment that ended for this reason."""
    return _KINDS.get(reason, Kind.NOT_RUN)


def _experiment(entry: LedgerEntry) -> dict[str, Any]:
    low, high = _around(entry)
    return {
        "number": entry.number,
        "title": one_line(entry.title),
        "kind": str(kind_of(entry.reason)),
        "verdict": str(entry.outcome),
        "reason": str(entry.reason),
        "phase": one_line(entry.phase),
        "proposer": one_line(entry.proposer),
        "at": entry.committed_at * 1000,
        "value": entry.value,
        "low": low,
        "high": high,
        "difference": entry.difference,
        "interval": list(entry.interval) if entry.interval else None,
        "seeds": entry.seeds,
        "hours": entry.duration_s / 3600,
        "cost": entry.cost_usd,
        "explanation": entry.explanation[:_TEXT],
    }


def _around(entry: LedgerEntry) -> tuple[float | None, float | None]:
    """The interval of the difference, drawn around the candidate's own value."""
    known = entry.value is not None and entry.difference is not None and entry.interval is not None
    if not known or not all(math.isfinite(end) for end in entry.interval or ()):
        return None, None
    assert entry.value is not None and entry.difference is not None and entry.interval  # noqa: S101
    shift = entry.value - entry.difference
    return shift + entry.interval[0], shift + entry.interval[1]


def _audit(
    audit: AuditEntry, entry: LedgerEntry | None, direction: Direction
) -> dict[str, Any] | None:
    """What the winner is worth beside its baseline as it was, by the gain that was confirmed."""
    if entry is None or entry.baseline is None or audit.confirmed is None:
        return None
    sign = -1 if direction is Direction.LOWER else 1
    gain = audit.confirmed
    ends = sorted(entry.baseline + sign * end for end in (gain.low, gain.high))
    return {
        "number": audit.number,
        "title": f"Audit of #{audit.number}: {one_line(audit.title)}",
        "kind": str(Kind.CONFIRMED if audit.replicated else Kind.REFUTED),
        "reason": f"session {audit.session}",
        "phase": one_line(entry.phase),
        "at": audit.committed_at * 1000,
        "value": entry.baseline + sign * gain.value,
        "low": ends[0],
        "high": ends[1],
        "difference": sign * gain.value,
    }


def _best(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    """The baseline's metric over time: it changes with what is merged."""
    first = next((entry for entry in entries if entry.baseline is not None), None)
    if first is None:
        return []
    start = min(first.committed_at, entries[0].committed_at) - first.duration_s
    points = [{"at": start * 1000, "value": first.baseline}]
    for entry in entries:
        if entry.outcome is Outcome.MERGED and entry.value is not None:
            points.append({"at": entry.committed_at * 1000, "value": entry.value})
    points.append({"at": entries[-1].committed_at * 1000, "value": points[-1]["value"]})
    return points


def _phases(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    bands: list[dict[str, Any]] = []
    for index, (phase, group) in enumerate(groupby(entries, key=lambda entry: entry.phase)):
        members = list(group)
        begin = members[0].committed_at - members[0].duration_s
        if bands:
            begin = bands[-1]["end"] / 1000
        end = members[-1].committed_at * 1000
        bands.append(
            {"phase": one_line(phase, 40), "begin": begin * 1000, "end": end, "odd": index % 2}
        )
    return bands


def _gain(audit: AuditEntry) -> dict[str, Any]:
    confirmed = audit.confirmed
    return {
        "number": audit.number,
        "name": f"#{audit.number} {one_line(audit.title, 40)}",
        "claimed": audit.claimed.value if audit.claimed else None,
        "confirmed": confirmed.value if confirmed else None,
        "low": confirmed.low if confirmed else None,
        "high": confirmed.high if confirmed else None,
        "standing": str(Kind.CONFIRMED if audit.replicated else Kind.REFUTED),
    }


def _work(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    hours = cost = 0.0
    rows = []
    for entry in entries:
        hours += entry.duration_s / 3600
        cost += entry.cost_usd
        rows.append({"at": entry.committed_at * 1000, "hours": hours, "cost": cost})
    return rows


def _busy(entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry]) -> float | None:
    """Time in runs over the time from the first run to the last verdict; None before any.

    Above 1 where several machines measure.
    """
    if not entries:
        return None
    both: list[LedgerEntry | AuditEntry] = [*entries, *audits]
    spent = sum(one.duration_s for one in both)
    last = max(one.committed_at for one in both)
    elapsed = last - entries[0].committed_at + entries[0].duration_s
    return spent / elapsed if elapsed > 0 else None
