"""Claimed against confirmed gain of every audited winner, the sealed split beside it: for people.

Only this and `bot.audits.sealed`, which takes them out of texts, read sealed scores. Nothing that
a proposer is told, and nothing that is written to a pull request or to the base branch, comes from
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.audits import ledger as auditlog
from bot.audits import plan as audit
from bot.audits.ledger import AuditEntry, Gain
from bot.audits.state import Subject, sealed_of_audit
from bot.candidate import measured_digest
from bot.forge.base import Audit
from bot.history.ledger import LedgerEntry
from bot.history.past import Past
from bot.model import Direction, Run
from bot.proposing.place import Place
from bot.settings import Settings
from bot.text.figures import rounded
from bot.verdict import Evidence

AUDIT_KEYS = {
    "audits": "the latest audit of every audited winner, in the order of the ledger. All gains are "
    "in the metric's units, and positive is better",
    "audits[].number": "number of the winner's pull request",
    "audits[].title": "its hypothesis in one line",
    "audits[].replicated": "whether the gain may still be there",
    "audits[].claimed": "the gain that its merge claimed, null if it claimed none",
    "audits[].confirmed": "the gain that fresh runs of winner and parent show, null if one of the "
    "sides produced no value",
    "audits[].confirmed_interval": "[low, high] of it, or null",
    "audits[].sealed": "the same on the sealed split, null where that could not be scored",
    "audits[].sealed_interval": "[low, high] of it, or null",
    "audits[].runs": "fresh runs of the winner",
    "total": "sums over these audits; what is null counts as nothing",
    "total.claimed": "of the claimed gains",
    "total.confirmed": "of the confirmed gains",
    "total.sealed": "of the gains on the sealed split",
}
Repeats = tuple[tuple[float, ...], ...]
HEADERS = ("#", "hypothesis", "claimed", "confirmed", "sealed", "runs", "replicated")


@dataclass(frozen=True)
class Row:
    """One audited winner with everything that is known of its gain."""

    entry: AuditEntry
    sealed: Gain | None


def rows(place: Place) -> tuple[Row, ...]:
    """The latest audit of every audited winner, in the order of the ledger."""
    return rows_of(place, *auditlog.read(place.repository.path, place.settings.repository.base))


def rows_of(
    place: Place, entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry]
) -> tuple[Row, ...]:
    """The same from a ledger that has been read."""
    settings, repository = place.settings, place.repository
    latest = {entry.number: entry for entry in audits}
    kept = set(place.forge.audits.numbers())
    wanted = kept & {entry.session for entry in latest.values()}
    sessions = {session.number: session for session in place.forge.audits.read(wanted)}

    def subject(tree: str) -> str:
        return measured_digest(repository, tree, settings)

    @cache
    def repeats(runner_class: str) -> Repeats:
        return tuple(values for _, values in Past.of(entries, runner_class).repeats())

    return tuple(
        Row(entry, _sealed(entry, sessions.get(entry.session), repeats, subject, settings))
        for entry in latest.values()
    )


def report_json(found: Sequence[Row]) -> dict[str, Any]:
    """The report as data, with the keys of `AUDIT_KEYS`."""
    return {
        "audits": [
            {
                "number": row.entry.number,
                "title": row.entry.title,
                "replicated": row.entry.replicated,
                "claimed": _value(row.entry.claimed),
                "confirmed": _value(row.entry.confirmed),
                "confirmed_interval": _interval(row.entry.confirmed),
                "sealed": _value(row.sealed),
                "sealed_interval": _interval(row.sealed),
                "runs": row.entry.runs,
            }
            for row in found
        ],
        "total": {
            "claimed": _total([row.entry.claimed for row in found]),
            "confirmed": _total([row.entry.confirmed for row in found]),
            "sealed": _total([row.sealed for row in found]),
        },
    }


def report_rows(found: Sequence[Row]) -> list[tuple[str, ...]]:
    """The report as lines of a table with `HEADERS`, the last one the totals."""
    lines: list[tuple[str, ...]] = [
        (
            str(row.entry.number),
            row.entry.title,
            _value_text(row.entry.claimed),
            _text(row.entry.confirmed),
            _text(row.sealed),
            str(row.entry.runs),
            "yes" if row.entry.replicated else "NO",
        )
        for row in found
    ]
    if found:
        sums = report_json(found)["total"]
        totals = [rounded(sums[key], 3, sign=True) for key in ("claimed", "confirmed", "sealed")]
        if not any(row.sealed for row in found):
            totals[-1] = "not known"
        lines.append(("", "in total", *totals, "", ""))
    return lines


def _sealed(
    entry: AuditEntry,
    session: Audit | None,
    repeats: Callable[[str], Repeats],
    subject: Subject,
    settings: Settings,
) -> Gain | None:
    """What the sealed split says; None without its scores of both sides."""
    pair = next((w for w in session.winners if w.number == entry.number), None) if session else None
    if session is None or pair is None:
        return None
    scores = sealed_of_audit(session)
    winner, parent = (_scored(scores.get(subject(t), ())) for t in (pair.winner, pair.parent))
    runs = min(len(winner), len(parent))
    if not runs:
        return None
    direction = Direction(settings.metric.direction)
    evidence = Evidence(winner[:runs], parent[:runs], direction, repeats(session.runner_class))
    result = audit.verdict(evidence, settings.verdict, settings.audit, runs)
    estimate = result.estimate if result else None
    if estimate is None:
        return None
    return Gain.of(estimate.difference, estimate.low, estimate.high, direction)


def _scored(runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.value is not None)


def _value(gain: Gain | None) -> float | None:
    return None if gain is None else gain.value


def _interval(gain: Gain | None) -> list[float] | None:
    if gain is None or not (math.isfinite(gain.low) and math.isfinite(gain.high)):
        return None
    return [gain.low, gain.high]


def _total(gains: Sequence[Gain | None]) -> float:
    return math.fsum(gain.value for gain in gains if gain is not None)


def _value_text(gain: Gain | None) -> str:
    return "none" if gain is None else rounded(gain.value, 3, sign=True)


def _text(gain: Gain | None) -> str:
    if gain is None:
        return "not known"
    middle, low, high = (rounded(v, 3, sign=True) for v in (gain.value, gain.low, gain.high))
    return f"{middle} ({low} to {high})"
