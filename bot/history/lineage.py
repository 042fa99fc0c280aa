"""The winning lineage: which experiments made the baseline of now, and what each of them added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.audits.ledger import AuditEntry, Gain
from bot.history.ledger import LedgerEntry
from bot.model import Outcome, Reason


@dataclass(frozen=True)
class Ancestor:
    """A merged experiment that the baseline of now descends from, and its latest audit."""

    entry: LedgerEntry
    claimed: Gain | None
    audit: AuditEntry | None

    @property
    def standing(self) -> str:
        """What its latest audit says: `replicated`, `did-not-replicate`, or `not-audited`."""
        if self.audit is None:
            return "not-audited"
        return "replicated" if self.audit.replicated else "did-not-replicate"


@dataclass(frozen=True)
class Lineage:
    """Merged experiments, oldest first, without those that were taken back.

    `start` is the metric of the first baseline that was compared with anything, `best` that of
    the latest winner as its own verdict measured it. Numbers of different runner classes cannot
    be compared, so that the gains that were claimed, each within one class, are what adds up.
    """

    ancestors: tuple[Ancestor, ...]
    taken_back: tuple[int, ...]
    start: float | None
    best: float | None

    @classmethod
    def of(cls, entries: Sequence[LedgerEntry], audits: Sequence[AuditEntry]) -> Lineage:
        """From the ledger, both oldest first."""
        latest = {audit.number: audit for audit in audits}
        gone = {
            entry.reverts[0]
            for entry in entries
            if entry.reason is Reason.DID_NOT_REPLICATE and entry.reverts
        }
        merged = [entry for entry in entries if entry.outcome is Outcome.MERGED]
        ancestors = tuple(
            Ancestor(entry, claimed(entry), latest.get(entry.number))
            for entry in merged
            if entry.number not in gone and entry.reason is not Reason.DID_NOT_REPLICATE
        )
        baselines = (entry.baseline for entry in entries if entry.baseline is not None)
        values = [entry.value for entry in merged if entry.value is not None]
        start = next(baselines, None)
        taken_back = tuple(entry.number for entry in merged if entry.number in gone)
        return cls(ancestors, taken_back, start, values[-1] if values else start)

    @property
    def gain(self) -> float:
        """The sum of the claimed gains, in the metric's units; positive is better."""
        return sum(one.claimed.value for one in self.ancestors if one.claimed)


def claimed(entry: LedgerEntry) -> Gain | None:
    """The gain that a verdict claims; None where nothing was compared."""
    if entry.difference is None or entry.interval is None:
        return None
    return Gain.of(entry.difference, *entry.interval, entry.direction)
