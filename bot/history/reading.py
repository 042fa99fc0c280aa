"""The ledger as a process sees it again and again: read once, and then only what is new.

Nothing is kept on disk. What is known is thrown away when the base branch no longer has it on its
first-parent line, as after a rewrite.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from bot.audits import ledger as auditlog
from bot.audits.ledger import AuditEntry
from bot.git import Repository
from bot.history import ledger
from bot.history.ledger import LedgerEntry
from bot.people import programme
from bot.people.programme import Programme
from bot.phases import marks
from bot.phases.marks import PhaseMark


@dataclass(frozen=True)
class Ledger:
    """Everything that the base branch's own commits say, each kind oldest first."""

    entries: tuple[LedgerEntry, ...]
    audits: tuple[AuditEntry, ...]
    marks: tuple[PhaseMark, ...]
    programme: Programme = field(default_factory=Programme)


@dataclass
class _Known:
    tip: str
    entries: dict[int, LedgerEntry] = field(default_factory=dict)
    audits: dict[tuple[int, int], AuditEntry] = field(default_factory=dict)
    marks: list[PhaseMark] = field(default_factory=list)
    changes: list[programme.Change] = field(default_factory=list)

    def add(self, chunk: str) -> None:
        if entry := ledger.entry_in(chunk):  # most of them
            self.entries.setdefault(entry.number, entry)
        elif audit := auditlog.audit_in(chunk, len(self.entries)):
            self.audits.setdefault((audit.session, audit.number), audit)
        elif mark := marks.mark_in(chunk):
            self.marks.append(mark)
        elif change := programme.change_in(chunk):
            self.changes.append(change)


_known: dict[tuple[Path, str], _Known] = {}
_lock = threading.Lock()


def read(repository: Repository, branch: str) -> Ledger:
    """The ledger on the first-parent line of `branch`.

    Raises:
        LedgerError: git failed, or a ledger commit lacks what it must have.
    """
    key = repository.path, branch
    with _lock:
        tip = repository.ref(f"refs/heads/{branch}") or ""
        known = _known.pop(key, None)  # an error must leave nothing half known
        if known is None or not _follows(repository, known.tip, tip):
            known = _Known("")
        if known.tip != tip or not tip:
            _read_on(repository, branch, known, tip)
        _known[key] = known
        return Ledger(
            tuple(known.entries.values()),
            tuple(known.audits.values()),
            tuple(known.marks),
            programme.after(known.changes),
        )


def _read_on(repository: Repository, branch: str, known: _Known, tip: str) -> None:
    """Add what came after `known.tip`."""
    patterns = ledger.GREP, auditlog.GREP, marks.GREP, programme.GREP
    where = f"{known.tip}..{tip}" if known.tip else tip or None
    chunks = list(ledger.commits(repository.path, branch, *patterns, where=where))
    for chunk in reversed(chunks):
        known.add(chunk)
    known.tip = tip


def _follows(repository: Repository, old: str, new: str) -> bool:
    """Whether `old` is on the first-parent line of `new`."""
    if old == new:
        return True
    done = repository.git.run(
        *("rev-list", "--first-parent", "--parents", "--end-of-options", f"{old}..{new}"),
        accepted=(0, 128),
    )
    lines = done.stdout.decode().split("\n")
    oldest = next((line for line in reversed(lines) if line), "").split(" ")
    return done.code == 0 and len(oldest) > 1 and oldest[1] == old
