"""Gathers what the report shows from the repository: ledger, audits, diffs and present state."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.audits import ledger as auditlog
from bot.audits import report as auditreport
from bot.git import Repository
from bot.history import imported, spending
from bot.history.ledger import LedgerEntry
from bot.history.yardstick import records
from bot.model import Direction, Outcome
from bot.proposing.place import Place
from bot.report.data import History, history
from bot.report.page import Content, Figure, Table
from bot.text.figures import number, rounded
from bot.text.plain import one_line
from bot.views.status import Status, noise_text, status
from bot.views.yardstick import HEADERS, row
from runner.text import clean_text

DIFFS = 300
"""The diffs of so many experiments are kept in the page: winners first, then the latest."""
_IMPORTED = 1_000  # rows of a history from elsewhere
_DIFF_CHARACTERS = 20_000
_ALL_CHARACTERS = 3_000_000
_LARGEST_FILE = 1 << 18


def history_of(place: Place) -> History:
    """What the ledger tells, as rows."""
    settings = place.settings
    entries, audits = auditlog.read(place.repository.path, settings.repository.base)
    direction = Direction(settings.metric.direction)
    return history(entries, audits, settings.metric_shown, direction)


def content_of(place: Place) -> Content:
    """Everything that the page shows, as it is now."""
    now = status(place)
    found = history_of(place)
    audited = auditreport.report_rows(auditreport.rows(place))
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    settings = place.settings
    return Content(
        name=one_line(place.repository.path.name),
        about=f"Experiments on branch {settings.repository.base}, measured by "
        f"{settings.metric_shown}. Made {when} at {now.view.snapshot.base[:12]}.",
        history=found,
        figures=figures(now, found),
        open=[
            {
                "number": one.pull.number,
                "title": one_line(one.pull.title),
                "note": f"{one.runs} runs" + (f", {one.missing} missing" if one.missing else ""),
            }
            for one in now.open
        ],
        audits=Table(auditreport.HEADERS, audited) if audited else None,
        proposers=_proposers(place, now),
        imported=_imported(place, now.view.snapshot.base),
        diffs=diffs(place.repository, now.view.entries, settings.candidate.paths),
    )


def _proposers(place: Place, now: Status) -> Table | None:
    """What each proposer gained for what it cost; None for one alone, which is no yardstick."""
    metric = place.settings.metric
    noted = spending.by_proposer(place.repository)
    direction = Direction(metric.direction)
    found = records(now.view.entries, now.view.audits, metric.name, direction, noted)
    return Table(HEADERS, [row(one) for one in found]) if len(found) > 1 else None


def _imported(place: Place, base: str) -> Table | None:
    rows = imported.read(place.repository.read_file(base, imported.FILE_NAME))
    if not rows:
        return None
    cells = [
        ("" if row.value is None else number(row.value), str(row.status), row.description)
        for row in rows[-_IMPORTED:]
    ]
    return Table(("metric", "status", "description"), cells)


def figures(now: Status, found: History) -> list[Figure]:
    """The numbers at the top."""
    entries, lineage = now.view.entries, found.lineage
    merged = sum(entry.outcome is Outcome.MERGED for entry in entries)
    claimed = sum(row["claimed"] or 0.0 for row in found.gains)
    confirmed = sum(row["confirmed"] or 0.0 for row in found.gains)
    best = "not known" if lineage.best is None else number(lineage.best)
    start = "" if lineage.start is None else f"{number(lineage.start)} at the start"
    busy = "not known" if found.busy is None else f"{found.busy:.0%}"
    phase, _, holds = str(now.view.snapshot.phase or "none").partition(" (")
    told = [
        Figure(
            "experiments", f"{len(entries)}", f"{merged} merged, {len(entries) - merged} closed"
        ),
        Figure(f"best {found.metric}", best, start),
        Figure("claimed gain", rounded(lineage.gain, 3, sign=True), "of all winners that stand"),
    ]
    if found.gains:
        note = f"of {rounded(claimed, 3, sign=True)} claimed by the {len(found.gains)} audited"
        told.append(Figure("confirmed gain", rounded(confirmed, 3, sign=True), note))
    return [
        *told,
        Figure(
            "false merges",
            f"≤ {now.multiplicity.expected:.2g}",
            f"expected at most, {now.multiplicity.tested} tested at alpha "
            f"{now.multiplicity.alpha:g}",
        ),
        Figure("noise", _noise(now), noise_text(now.noise)),
        Figure("hours of runs", f"{now.totals.gpu_hours:.1f}", "whatever the device"),
        Figure("busy", busy, "of the time from the first run to the last verdict"),
        Figure("spent", f"${now.totals.cost.usd:.2f}", f"{now.totals.cost.tokens:,} tokens"),
        Figure("phase", phase, holds.replace("): ", ": ", 1)),
        Figure("next", now.next, now.cap_reached),
    ]


def _noise(now: Status) -> str:
    from bot.views.status import deviation

    if now.noise is None:
        return "not known"
    size = deviation(now.noise)
    return f"{rounded(100 * size, 2)} %" if now.noise.relative else rounded(size, 2)


def diffs(
    repository: Repository, entries: Sequence[LedgerEntry], paths: Sequence[str]
) -> dict[int, str]:
    """What experiments change in the allowed files, by number: winners first, then the latest.

    All files are read by one process. An experiment whose commits are not in this clone has none.
    """
    known = [entry for entry in entries if entry.fork not in {"", "-"}]
    by_rank = sorted(known, key=lambda entry: (entry.outcome is not Outcome.MERGED, -entry.number))
    chosen = by_rank[:DIFFS]
    wanted = [(commit, path) for e in chosen for commit in (e.fork, e.head) for path in paths]
    files = repository.read_many(wanted, _LARGEST_FILE)
    found: dict[int, str] = {}
    room = _ALL_CHARACTERS
    for entry in chosen:
        if all(files.get((entry.head, path)) is None for path in paths):
            continue  # the commit is in another clone
        text = "".join(
            _diff(path, files.get((entry.fork, path)), files.get((entry.head, path)))
            for path in paths
        )
        if text and len(text) <= room:
            found[entry.number] = text
            room -= len(text)
    return found


def _diff(path: str, old: bytes | None, new: bytes | None) -> str:
    if old == new:
        return ""
    before, after = (
        clean_text(data or b"", _LARGEST_FILE).splitlines(keepends=True) for data in (old, new)
    )
    lines = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}")
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    if len(text) <= _DIFF_CHARACTERS:
        return text
    return f"{text[:_DIFF_CHARACTERS]}\n[{len(text) - _DIFF_CHARACTERS:,} characters more]\n"
