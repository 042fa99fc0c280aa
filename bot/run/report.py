"""How a scheduler stands, put together for people and monitors from what it knows itself."""

from __future__ import annotations

from collections.abc import Sequence

from bot.history.cost import Cost
from bot.history.spending import Totals
from bot.proposers.tables import CapsTable
from bot.run.base import Concluded
from bot.run.drafts import Drafts
from bot.run.flights import Flights
from bot.run.state import Cap, Phase, SlotState, State
from bot.run.terms import Terms
from bot.snapshot import View


def state_of(
    view: View | None,
    flights: Flights,
    drafts: Drafts,
    concluded: Sequence[Concluded],
    *,
    started: float,
    now: float,
    phase: Phase,
    spent: Cost,
    note: str = "",
    caps: tuple[Cap, ...] = (),
) -> State:
    """Everything at this moment; `view` is the latest snapshot, None before the first.

    `spent` is what proposals have cost so far.
    """
    slots = []
    by_slot = {flight.slot: flight for flight in flights.flights.values()}
    for name in flights.measurer.slots:
        flight = by_slot.get(name)
        if flight is None:
            slots.append(SlotState(name))
            continue
        order = flight.order
        done = order.total - len(order.runs) + len(flight.done)
        slots.append(
            SlotState(name, order.attempt, order.number, done, order.total, flight.started)
        )
    open_numbers = [one.number for one in view.snapshot.open] if view else []
    baseline = (
        [run.value for run in view.snapshot.baseline if run.value is not None] if view else []
    )
    return State(
        started=started,
        now=now,
        phase=phase,
        slots=tuple(slots),
        thinking=drafts.thinking,
        queue=tuple(number for number in open_numbers if number not in flights.busy),
        concluded=len(concluded),
        merged=sum(done.verdict.merged for done in concluded),
        best=sum(baseline) / len(baseline) if baseline else None,
        usd=spent.usd,
        tokens=spent.tokens,
        busy=busy_share(flights, started, now),
        caps=caps,
        note=note,
    )


def caps_of(
    table: CapsTable, used: Totals, terms: Terms, *, concluded: int, started: float, now: float
) -> tuple[Cap, ...]:
    """The limits that are set, each with what is used up of it."""
    found = [
        ("--max-experiments", concluded, terms.verdicts),
        ("--hours", (now - started) / 3600, terms.deadline and (terms.deadline - started) / 3600),
        ("caps.max_experiments", used.experiments, table.max_experiments),
        ("caps.max_gpu_hours", used.gpu_hours, table.max_gpu_hours),
        ("caps.max_usd", used.cost.usd, table.max_usd),
        ("caps.max_tokens", used.cost.tokens, table.max_tokens),
    ]
    return tuple(Cap(name, float(n), float(most)) for name, n, most in found if most is not None)


def busy_share(flights: Flights, started: float, now: float) -> float | None:
    """The share of all slots' time since the start in which something was measured on them."""
    whole = (now - started) * len(flights.measurer.slots)
    if whole <= 0:
        return None
    still = sum(now - flight.started for flight in flights.flights.values())
    return min(1.0, (flights.busy_s + still) / whole)
