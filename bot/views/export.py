"""The history as files for other programs: CSV, JSON lines, and `results.tsv`.

`results.tsv` has the columns that the analysis notebook of Karpathy's autoresearch reads:
commit, val_bpb, memory_gb, status (keep, discard or crash) and description.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Literal

from bot.audits.ledger import AuditEntry
from bot.history.ledger import LedgerEntry
from bot.history.lineage import Ancestor, claimed
from bot.model import Outcome, Reason, Side
from bot.text.plain import one_line

Format = Literal["csv", "jsonl", "results.tsv"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "results.tsv")

COLUMNS = {
    "number": "number of the pull request",
    "finished_at": "seconds since 1970 (UTC) of its verdict",
    "title": "the hypothesis in one line",
    "phase": "phase of the programme",
    "proposer": "who proposed it",
    "verdict": "`merged` or `closed`",
    "reason": "the typed reason (docs/concepts.md)",
    "metric_name": "name of the metric",
    "direction": "which way it is better: `lower` or `higher`",
    "metric": "mean of the candidate's runs that count",
    "baseline": "mean of the baseline's runs that count",
    "difference": "candidate minus baseline",
    "low": "lower end of its interval",
    "high": "upper end of its interval",
    "level": "level of the interval",
    "seeds": "how many seeds the candidate was run with",
    "runs": "all finished runs, the baseline's included",
    "failed_runs": "how many of them produced no value",
    "duration_s": "seconds of all runs",
    "cost_usd": "what the proposal cost, in US dollars",
    "memory_bytes": "the most memory of a run of the candidate: the GPU's, else the machine's",
    "audit": "`replicated`, `did-not-replicate` or `not-audited`",
    "confirmed_gain": "the gain that its latest audit confirmed, positive is better",
    "commit": "its commit on the base branch",
    "head": "the commit that was measured, before merging",
}
"""The columns of CSV and the keys of JSON lines. What is not known is empty, or null."""

_CRASHES = {Reason.CRASHED, Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.INVALID_OUTPUT}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MEMORY = ("peak_gpu_memory_bytes", "peak_memory_bytes")


def text_of(form: Format, entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry] = ()) -> str:
    """The whole file. Entries and audits oldest first. Raises LedgerError for damaged evidence."""
    match form:
        case "csv":
            return _csv(rows(entries, audits))
        case "jsonl":
            return "".join(f"{json.dumps(row)}\n" for row in rows(entries, audits))
        case "results.tsv":
            return results_tsv(entries)


def rows(entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry] = ()) -> list[dict[str, Any]]:
    """One row for each finished experiment, with the keys of `COLUMNS`."""
    latest = {audit.number: audit for audit in audits}
    return [_row(entry, latest.get(entry.number)) for entry in entries]


def _row(entry: LedgerEntry, audit: AuditEntry | None) -> dict[str, Any]:
    runs = [run for _, run in entry.runs()]
    low, high = entry.interval or (None, None)
    confirmed = audit.confirmed if audit else None
    return {
        "number": entry.number,
        "finished_at": entry.committed_at,
        "title": one_line(entry.title),
        "phase": one_line(entry.phase),
        "proposer": one_line(entry.proposer),
        "verdict": str(entry.outcome),
        "reason": str(entry.reason),
        "metric_name": entry.metric,
        "direction": str(entry.direction),
        "metric": entry.value,
        "baseline": entry.baseline,
        "difference": entry.difference,
        "low": low,
        "high": high,
        "level": entry.level,
        "seeds": entry.seeds,
        "runs": len(runs),
        "failed_runs": sum(run.value is None for run in runs),
        "duration_s": entry.duration_s,
        "cost_usd": entry.cost_usd,
        "memory_bytes": _memory(entry),
        "audit": Ancestor(entry, claimed(entry), audit).standing,
        "confirmed_gain": confirmed.value if confirmed else None,
        "commit": entry.commit,
        "head": entry.head,
    }


def _memory(entry: LedgerEntry) -> int | None:
    own = [dict(run.secondary) for side, run in entry.runs() if side is Side.CANDIDATE]
    for name in _MEMORY:
        known = [values[name] for values in own if name in values]
        if known:
            return round(max(known))
    return None


def _csv(found: Sequence[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in found)
    return file.getvalue()


def _cell(value: object) -> object:
    """A cell that a spreadsheet does not take for a formula, whoever wrote the text."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def results_tsv(entries: Sequence[LedgerEntry]) -> str:
    """What the notebook reads: first the baseline, then every experiment that was measured.

    Experiments that ended without being run are left out: a zero would pass for a result.
    """
    lines = ["commit\tval_bpb\tmemory_gb\tstatus\tdescription"]
    first = next((entry for entry in entries if entry.baseline is not None), None)
    if first and first.baseline is not None:
        commit = first.fork.strip("-") or first.commit
        lines.append(_line(commit, first.baseline, _memory(first), "keep", "baseline"))
    for entry in entries:
        if entry.reason in _CRASHES:
            lines.append(_line(entry.head, 0.0, None, "crash", entry.title))
        elif entry.value is not None:
            status = "keep" if entry.outcome is Outcome.MERGED else "discard"
            lines.append(_line(entry.head, entry.value, _memory(entry), status, entry.title))
    return "\n".join(lines) + "\n"


def _line(commit: str, value: float, memory: int | None, status: str, title: str) -> str:
    exact = f"{value:.6f}" if not value or abs(value) >= 0.001 else f"{value:.6g}"
    return f"{commit[:7]}\t{exact}\t{(memory or 0) / 2**30:.1f}\t{status}\t{one_line(title)}"
