"""Time that passes only when somebody waits: the scheduler's surroundings for its tests."""

from __future__ import annotations

import heapq
import itertools
import random
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.errors import RunnerFailed
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context, NothingToPropose, Proposer
from bot.run.base import Answered, Ended, Job, Measured, Message, Order, Post
from bot.run.state import State
from bot.run.terms import Terms
from tests.bot.lab import COMPARABLE, Lab, ScriptedMeasurer

START = 1_850_000_000.0


PATIENT = Terms(max_in_flight=None, patient=True, look_every_s=30)
"""As `bot run` works."""


class SimulatedMailbox:
    """`bot.run.base.Mailbox` with messages that arrive at set times."""

    def __init__(self) -> None:
        self.time = START
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Message | Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def post(self, message: Message) -> None:
        self.at(self.time, message)

    def at(self, when: float, what: Message | Callable[[], object]) -> None:
        """A message that arrives then, or something that happens then."""
        heapq.heappush(self._waiting, (when, next(self._order), what))

    def wait(self, until: float | None) -> Message | None:
        while self._waiting and (until is None or self._waiting[0][0] <= max(until, self.time)):
            when, _, what = heapq.heappop(self._waiting)
            self.time = max(self.time, when)
            if not callable(what):
                return what
            what()
        assert until is not None, "it would wait for ever"
        self.time = max(self.time, until)
        return None


@dataclass
class SimulatedJob:
    mailbox: SimulatedMailbox
    number: int
    last: bool = False
    over: bool = False

    def finish(self) -> None:
        self.last = True

    def stop(self) -> None:
        if not self.over:
            self.over = True
            self.mailbox.post(Ended(self.number))


@dataclass
class SimulatedMeasurer:
    """`bot.run.base.Measurer`: every run takes `run_s`."""

    mailbox: SimulatedMailbox
    runs: ScriptedMeasurer
    slots: tuple[str, ...] = ("0",)
    run_s: float = 300.0
    away: frozenset[str] = frozenset()
    orders: list[tuple[str, Order]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)  # of the next orders
    broken: frozenset[str] = frozenset()  # slots whose runner always fails

    def runner_class(self) -> str:
        return COMPARABLE

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        return self.away & frozenset(attempts)

    def start(self, job: int, order: Order, slot: str, post: Post) -> Job:
        started = SimulatedJob(self.mailbox, job)
        self.orders.append((slot, order))
        if self.failures or slot in self.broken:
            error = self.failures.pop(0) if self.failures else RunnerFailed("The card is lost.")
            post(Ended(job, error))
            return started
        left = list(order.runs)

        def run_next() -> None:
            if started.over:
                return
            if not left or (started.last and len(left) < len(order.runs)):
                started.stop()
                return
            self.mailbox.at(self.mailbox.time + self.run_s, done)

        def done() -> None:
            if started.over:
                return
            index, run = left.pop(0)

            def keep(index: int, result: Mapping[str, Any]) -> None:
                post(Measured(job, index, result))

            self.runs.measure([(index, run)], keep, sealed=order.sealed)
            if started.last:
                started.stop()
            else:
                run_next()

        run_next()
        return started


@dataclass
class SimulatedProposers:
    """`bot.run.base.Proposers`: every answer takes `proposal_s`."""

    mailbox: SimulatedMailbox
    proposer: Proposer
    proposal_s: float = 60.0
    at_once: int = 0
    most_at_once: int = 0

    def start(self, job: int, name: str, told: Context, post: Post) -> Job:
        started = SimulatedJob(self.mailbox, job)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)

        def answer() -> None:
            self.at_once -= 1
            try:
                post(Answered(job, self.proposer.propose(told)))
            except Exception as error:
                post(Answered(job, error=error))

        self.mailbox.at(self.mailbox.time + self.proposal_s, answer)
        return started


@dataclass
class Ideas:
    """A proposer with ever new, bad ideas; `failures` come first."""

    failures: list[Exception] = field(default_factory=list)
    most: int = 1_000
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    name: str = "list"

    def propose(self, context: Context) -> Proposal:
        if self.failures:
            raise self.failures.pop(0)
        if not self.most:
            raise NothingToPropose("no idea is left")
        self.most -= 1
        value = round(self.chance.uniform(10, 90), 3)
        source = re.sub(rb"RATE = .+", b"RATE = %r" % value, context.files["train.py"])
        return Proposal(
            Hypothesis(f"Set RATE to {value}", "Why not."), {"train.py": source}, "list"
        )


class Quiet:
    """`bot.run.teller.Teller` that remembers what was said, and the states."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.states: list[State] = []

    @property
    def state(self) -> State | None:
        return self.states[-1] if self.states else None

    def say(self, text: str) -> None:
        self.said.append(text)

    def beat(self, state: State) -> None:
        self.states.append(state)

    def thinking(self, *_: Any) -> None: ...

    started = seen = measured = ended = concluded = thinking


def surroundings(
    lab: Lab, proposer: Proposer, slots: int = 1
) -> tuple[SimulatedMeasurer, SimulatedProposers, SimulatedMailbox, Quiet]:
    """What `Scheduler` takes after the place."""
    mailbox = SimulatedMailbox()
    names = tuple(str(index) for index in range(slots))
    measurer = SimulatedMeasurer(mailbox, lab.measurer, names)
    return measurer, SimulatedProposers(mailbox, proposer), mailbox, Quiet()
