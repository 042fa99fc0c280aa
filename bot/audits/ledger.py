"""The ledger's commits about audits: one for each winner of a session, beside `bot.history.ledger`.

They change no file. They carry what the validation split says; sealed scores are never
written to the base branch, where proposers could read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.errors import LedgerError
from bot.history import ledger
from bot.history.ledger import LedgerEntry
from bot.model import Direction
from bot.text.plain import one_line

GREP = "^Audit: [0-9]"
_SUBJECT = re.compile(r"Audit experiment #\d+: ")
_REQUIRED = {"Audit", "Replicated", "Session", "Subject"}
_TRAILER = re.compile(r"^([A-Za-z-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Gain:
    """How much better a winner is than its parent, in the metric's units, with an interval.

    Positive is better, whatever the metric's direction.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, difference: float, low: float, high: float, direction: Direction) -> Gain:
        """The gain that a difference (candidate minus baseline) with its interval is."""
        if direction is Direction.LOWER:
            return cls(-difference, -high, -low)
        return cls(difference, low, high)


@dataclass(frozen=True)
class AuditEntry:
    """What the base branch says about one audited winner.

    `subject` is the digest of the winner's files; `parts` is how many winners its session
    audits. `after` tells how many experiments had ended before, by the order of the commits.
    """

    number: int
    title: str
    session: int
    parts: int
    replicated: bool
    claimed: Gain | None
    confirmed: Gain | None
    runs: int
    subject: str
    duration_s: float = 0.0
    explanation: str = ""
    after: int = 0
    commit: str = ""
    committed_at: int = 0


def message(entry: AuditEntry) -> str:
    """The commit message: a readable story first, then one block of trailers."""
    outcome = "replicated" if entry.replicated else "did not replicate"
    story = "\n".join(one_line(line, 300) for line in entry.explanation.splitlines() if line)
    trailers = [
        ("Audit", str(entry.number)),
        ("Winner", one_line(entry.title)),
        ("Replicated", "yes" if entry.replicated else "no"),
        ("Claimed", _gain(entry.claimed)),
        ("Confirmed", _gain(entry.confirmed)),
        ("Runs", str(entry.runs)),
        ("Duration", f"{entry.duration_s:.1f}"),
        ("Session", f"{entry.session} {entry.parts}"),
        ("Subject", entry.subject),
    ]
    block = "\n".join(f"{key}: {value}" for key, value in trailers)
    title = one_line(entry.title, 90)
    return f"Audit experiment #{entry.number}: {outcome} ({title})\n\n{story}\n\n{block}\n"


def read(repository: Path, branch: str) -> tuple[tuple[LedgerEntry, ...], tuple[AuditEntry, ...]]:
    """Every experiment and every audit on the first-parent line of `branch`, oldest first.

    Raises:
        LedgerError: see `bot.history.ledger.read`.
    """
    chunks = list(ledger.commits(repository, branch, ledger.GREP, GREP))
    return _sort(reversed(chunks))


def _sort(chunks: Iterable[str]) -> tuple[tuple[LedgerEntry, ...], tuple[AuditEntry, ...]]:
    entries: dict[int, LedgerEntry] = {}
    audits: dict[tuple[int, int], AuditEntry] = {}
    for chunk in chunks:
        audit = audit_in(chunk, len(entries))
        if audit:
            audits.setdefault((audit.session, audit.number), audit)
            continue
        entry = ledger.entry_in(chunk)
        if entry:
            entries.setdefault(entry.number, entry)
    return tuple(entries.values()), tuple(audits.values())


def audit_in(chunk: str, after: int) -> AuditEntry | None:
    """The audit in one of `bot.history.ledger.commits`, after so many experiments; or None."""
    header, _, body = chunk.lstrip("\n").partition("\n")
    if not _SUBJECT.match(body):
        return None
    commit, _, committed_at = header.partition(" ")
    head, _, block = body.rstrip("\n").rpartition("\n\n")
    trailers = dict(_TRAILER.findall(block))
    if not trailers.keys() >= _REQUIRED:
        return None  # a person's commit that quotes the ledger
    try:
        session, parts = trailers["Session"].split()
        return AuditEntry(
            number=int(trailers["Audit"]),
            title=trailers["Winner"],
            session=int(session),
            parts=int(parts),
            replicated={"yes": True, "no": False}[trailers["Replicated"]],
            claimed=_read_gain(trailers["Claimed"]),
            confirmed=_read_gain(trailers["Confirmed"]),
            runs=int(trailers["Runs"]),
            subject=trailers["Subject"],
            duration_s=float(trailers["Duration"]),
            explanation=head.partition("\n\n")[2],
            after=after,
            commit=commit,
            committed_at=int(committed_at),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise LedgerError(
            f"The ledger commit {commit[:12]} about an audit cannot be read ({error!r}). Revert "
            "whatever rewrote it."
        ) from None


def _gain(gain: Gain | None) -> str:
    return "-" if gain is None else f"{gain.value:.6g} {gain.low:.6g} {gain.high:.6g}"


def _read_gain(text: str) -> Gain | None:
    if text == "-":
        return None
    value, low, high = map(float, text.split())
    return Gain(value, low, high)
