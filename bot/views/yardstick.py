"""The record of every proposer as a table for people."""

from __future__ import annotations

from bot.history.yardstick import Record

HEADERS = (
    "proposer",
    "experiments",
    "wins",
    "claimed",
    "confirmed",
    "cost",
    "hours",
    "per experiment",
    "per $",
    "per hour",
)


def row(record: Record) -> tuple[str, ...]:
    """One proposer's cells, in the order of the headers."""
    from bot.text.figures import rounded

    def shown(value: float | None) -> str:
        return "-" if value is None else rounded(value, 3, sign=True)

    confirmed = "not audited"
    if record.audited:
        confirmed = f"{shown(record.confirmed)} ({record.audited} audited)"
    ratios = (record.gain_per_experiment, record.gain_per_usd, record.gain_per_hour)
    return (
        record.proposer,
        str(record.experiments),
        str(record.wins),
        shown(record.claimed),
        confirmed,
        f"${record.usd:.2f}",
        f"{record.hours:.2f}",
        *(shown(one if record.audited else None) for one in ratios),
    )
