"""Measurements in flight: one order on each slot, its results kept as soon as they are there.

What is in flight is known to this process only, and only saves work: whoever looks at the
forge finds attempts that lack results and can make them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.actions import Action, Measure, Resume
from bot.audits.execute import session_of
from bot.audits.plan import BeginAudit, ContinueAudit
from bot.errors import BotError
from bot.forge.base import Conflict
from bot.run.acting import Hands
from bot.run.base import Ended, Job, Mailbox, Measured, Measurer, Order, Seen
from bot.run.plan import Longer
from bot.run.teller import Teller
from bot.snapshot import View

_LAST_WAIT_S = 15.0  # for runners that were told to end
_REMEMBERED = 50  # latest runs whose durations are kept


@dataclass
class Flight:
    """An order that is being measured on a slot."""

    slot: str
    order: Order
    job: Job
    started: float
    baseline_unknown: bool  # nothing was known of the baseline when it began
    latest: float  # when the run in flight began
    done: set[int] = field(default_factory=set)
    ending: bool = False  # asked to make no further run


@dataclass(frozen=True)
class _Unkept:
    """A result that the forge did not take yet."""

    slot: str
    order: Order
    index: int
    result: Mapping[str, Any]


class Flights:
    """All measurements in flight, by the number of their job."""

    def __init__(
        self,
        measurer: Measurer,
        mailbox: Mailbox,
        teller: Teller,
        hands: Hands,
        *,
        runner_class: str,
    ) -> None:
        self.measurer = measurer
        self.mailbox = mailbox
        self.teller = teller
        self.hands = hands
        self.runner_class = runner_class
        self.flights: dict[int, Flight] = {}
        self.durations_s: list[float] = []
        self.busy_s = 0.0  # slots, times seconds, of flights that are over
        self._unkept: list[_Unkept] = []

    @property
    def busy(self) -> frozenset[int]:
        """The experiments that are being measured."""
        numbers = (flight.order.number for flight in self.flights.values())
        return frozenset(number for number in numbers if number is not None)

    @property
    def auditing(self) -> bool:
        """Whether an audit is being measured."""
        return any(flight.order.number is None for flight in self.flights.values())

    @property
    def owing(self) -> bool:
        """Whether the forge has not taken every result yet."""
        return bool(self._unkept)

    def free(self) -> Iterator[str]:
        """The slots on which nothing is measured."""
        used = {flight.slot for flight in self.flights.values()}
        return (slot for slot in self.measurer.slots if slot not in used)

    def begin(self, number: int, action: Longer, slot: str, view: View) -> None:
        """Write down what is to be run, unless it is already, and have it run on a slot.

        Raises Conflict when somebody else was first.
        """
        order = self._order(action, view)
        now = self.mailbox.now()
        self.teller.started(slot, order, action)
        job = self.measurer.start(number, order, slot, self.mailbox.post)
        unknown = not view.snapshot.baseline
        self.flights[number] = Flight(slot, order, job, now, unknown, now)

    def seen(self, message: Seen) -> None:
        """Show what happens in a measurement."""
        flight = self.flights.get(message.job)
        if flight:
            self.teller.seen(flight.slot, flight.order, message.event)

    def measured(self, message: Measured) -> None:
        """Take a result; `keep` hands it in."""
        flight = self.flights.get(message.job)
        if flight is None or message.index in flight.done:
            return
        flight.done.add(message.index)
        now = self.mailbox.now()
        self.durations_s = [*self.durations_s, now - flight.latest][-_REMEMBERED:]
        flight.latest = now
        self._unkept.append(_Unkept(flight.slot, flight.order, message.index, message.result))

    def keep(self) -> None:
        """Hand in the results that the forge has not taken yet.

        Raises RunnerChanged or BotError for one that cannot count, and what the forge raises
        when it cannot take one now: that one stays.
        """
        while self._unkept:
            one = self._unkept[0]
            keeper = self.hands.auditor if one.order.number is None else self.hands.executor
            try:
                keeper.keep(one.order, one.index, one.result, self.runner_class)
            except Conflict:
                pass  # another bot has measured the same, and was first
            except (BotError, ValueError):
                del self._unkept[0]  # it will never count
                raise
            del self._unkept[0]
            self.teller.measured(one.slot, one.order, one.index, one.result)

    def ended(self, message: Ended) -> Flight | None:
        """Take a measurement off its slot; None when it was none of ours."""
        flight = self.flights.pop(message.job, None)
        if flight:
            self.busy_s += self.mailbox.now() - flight.started
            self.teller.ended(flight.slot, flight.order)
        return flight

    def tidy(self, view: View) -> None:
        """End what nobody waits for any more: it is complete, or its experiment is closed.

        Where another bot has begun to measure the same attempt or audit, no run that it has a
        result of is made here: the run in flight is finished, and what is missing then is asked
        for anew.
        """
        attempts = {one.id: one for each in view.standings for one in each.pull.attempts}
        sessions = {audit.session: audit for audit in view.snapshot.audits.open}
        for flight in self.flights.values():
            order = flight.order
            known = (
                sessions.get(session_of(order))
                if order.number is None
                else attempts.get(order.attempt)
            )
            if known is None or known.complete:
                flight.job.stop()
            elif _overtaken(flight, known.results):
                flight.ending = True
                flight.job.finish()

    def keep_to(self, actions: Iterable[Action]) -> None:
        """Begin no further run of an attempt that would not be gone on with now.

        A person holds its experiment or the programme, or a winner has landed, so that it
        measures what would not be merged. The run in flight is finished: it may still count, or
        close the experiment.
        """
        wanted = {action.attempt for action in actions if isinstance(action, Resume)}
        for flight in self.flights.values():
            order = flight.order
            if order.number is not None and order.attempt not in wanted and not flight.ending:
                flight.ending = True
                flight.job.finish()

    def finish(self) -> None:
        """Begin no further run."""
        for flight in self.flights.values():
            flight.ending = True
            flight.job.finish()

    def end_all(self) -> None:
        """End all of it now, and wait for that; what was finished by then is kept."""
        for flight in self.flights.values():
            flight.job.stop()
        until = self.mailbox.now() + _LAST_WAIT_S
        while self.flights and (message := self.mailbox.wait(until)) is not None:
            if isinstance(message, Measured):
                self.measured(message)
            elif isinstance(message, Ended):
                self.ended(message)
        with contextlib.suppress(Exception):
            self.keep()

    def _order(self, action: Longer, view: View) -> Order:
        match action:
            case Measure():
                return self.hands.executor.begin(action, view)
            case Resume():
                return self.hands.executor.go_on(action, view)
            case BeginAudit():
                return self.hands.auditor.begin(action, view)
            case ContinueAudit():
                return self.hands.auditor.go_on(action)


def _overtaken(flight: Flight, results: Collection[int]) -> bool:
    """Whether somebody else has the result of a run that this flight has still to make."""
    left = {index for index, _ in flight.order.runs} - flight.done
    return not left.isdisjoint(results)
