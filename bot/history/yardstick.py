"""What each proposer has achieved for what it has used up: a pure reading of the ledger.

The search proposer costs nothing and knows nothing: its row is the yardstick for the others.
What a proposer has cost is what was noted whenever it was asked (`bot.history.spending`), so that
proposals which came to nothing count against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.audits.ledger import AuditEntry
from bot.history.ledger import LedgerEntry
from bot.model import Direction, Reason

_WINS = frozenset({Reason.IMPROVEMENT, Reason.SIMPLER})
_ROUNDING_USD = 0.01  # what the ledger's rounded costs may add up to, for each proposer


@dataclass(frozen=True)
class Record:
    """One proposer's record. Gains are in the metric's units, positive is better.

    `claimed` sums what its improvements gained on the fresh seeds of their confirmation;
    `audited` counts the winners that were measured once more, `confirmed` sums what that showed.
    `usd` is what all its proposals cost, those included that came to nothing.
    """

    proposer: str
    experiments: int = 0
    wins: int = 0
    claimed: float = 0.0
    audited: int = 0
    confirmed: float = 0.0
    usd: float = 0.0
    hours: float = 0.0  # of sandboxed runs, the baseline's included

    @property
    def wins_per_experiment(self) -> float | None:
        """Its share of wins."""
        return _ratio(self.wins, self.experiments)

    @property
    def gain_per_experiment(self) -> float | None:
        """Confirmed gain for each experiment."""
        return _ratio(self.confirmed, self.experiments)

    @property
    def gain_per_usd(self) -> float | None:
        """Confirmed gain for each US dollar; None where none was spent."""
        return _ratio(self.confirmed, self.usd)

    @property
    def gain_per_hour(self) -> float | None:
        """Confirmed gain for each hour of runs."""
        return _ratio(self.confirmed, self.hours)


def records(
    entries: Iterable[LedgerEntry],
    audits: Iterable[AuditEntry],
    metric: str,
    direction: Direction,
    noted: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Record, ...]:
    """The record of every proposer, and of every person who has experimented, by first use.

    `noted` are the US dollars that each proposer was noted to have cost. Where the ledger tells of
    more, the notes are not all in this clone, and the ledger's own costs count instead.

    Gains in another metric or direction than today's cannot be added up and count as none.
    Reverts are nobody's idea and are left out.
    """
    latest = {audit.number: audit for audit in audits}
    found: dict[str, Record] = {}
    for entry in entries:
        if entry.reverts is not None:
            continue
        old = found.get(entry.proposer, Record(entry.proposer))
        won = entry.reason in _WINS
        same = (entry.metric, entry.direction) == (metric, direction)
        audit = latest.get(entry.number) if won and same else None
        confirmed = audit.confirmed.value if audit and audit.confirmed else 0.0
        found[entry.proposer] = Record(
            proposer=entry.proposer,
            experiments=old.experiments + 1,
            wins=old.wins + won,
            claimed=old.claimed + (_gain(entry) if same else 0.0),
            audited=old.audited + (audit is not None),
            confirmed=old.confirmed + confirmed,
            usd=old.usd + entry.cost_usd,
            hours=old.hours + entry.duration_s / 3600,
        )
    return tuple(_with_costs(found, noted).values())


def _with_costs(found: Mapping[str, Record], noted: Mapping[str, float]) -> dict[str, Record]:
    """The records with everything that the proposers have cost."""
    told = sum(record.usd for record in found.values())
    if sum(noted.values()) < told - _ROUNDING_USD * len(found):
        return dict(found)
    costly = [name for name, usd in noted.items() if usd > 0]
    names = dict.fromkeys([*found, *costly])
    return {
        name: replace(found.get(name, Record(name)), usd=noted.get(name, 0.0)) for name in names
    }


def _gain(entry: LedgerEntry) -> float:
    """What an improvement claims; a simplification claims no gain."""
    if entry.reason is not Reason.IMPROVEMENT or entry.difference is None:
        return 0.0
    return -entry.difference if entry.direction is Direction.LOWER else entry.difference


def _ratio(value: float, by: float) -> float | None:
    return value / by if by > 0 else None
