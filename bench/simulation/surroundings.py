"""What the production scheduler meets in a simulation: clock, runner, proposer, listeners."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

from bench.simulation.books import Name, Process, tokens
from bench.simulation.faults import Killed
from bench.simulation.invariants import IDEA
from bench.simulation.project import COMPARABLE, constant, measured, with_constant
from bench.simulation.world import World
from bot.actions import Action
from bot.errors import RunnerFailed
from bot.forge.base import State as Open
from bot.git import Repository
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.proposing.asking import ask
from bot.proposing.place import Place
from bot.run.base import Answered, Concluded, Ended, Measured, Message, Order, Post
from bot.run.state import State
from runner.digests import candidate_digest
from runner.events import Event

RUN_S = 300
PROPOSAL_S = 60


@dataclass(order=True)
class _Due:
    when: float
    order: int
    make: Callable[[], Message | None] = field(compare=False)
    gone: bool = field(default=False, compare=False)


@dataclass
class SimulatedMailbox:
    """`bot.run.base.Mailbox`: waiting moves the clock to whatever is due first."""

    world: World
    process: Process
    _due: list[_Due] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def now(self) -> float:
        """Seconds since 1970."""
        return self.world.clock.seconds

    def post(self, message: Message) -> None:
        """Leave a message."""
        self.later(0, lambda: message)

    def later(self, seconds: float, make: Callable[[], Message | None]) -> _Due:
        """Carry `make` out so many seconds from now; what it returns is the message."""
        due = _Due(self.now() + seconds, next(self._count), make)
        heapq.heappush(self._due, due)
        return due

    def wait(self, until: float | None) -> Message | None:
        """The next message; None when it is `until` first."""
        clock = self.world.clock
        if until is None or until > clock.seconds:
            self.world.books.wait(self.process)
        while True:
            self.world.between(self.process.name)
            while self._due and self._due[0].gone:
                heapq.heappop(self._due)
            if until is None and not self._due:
                raise AssertionError("the scheduler waits for ever")
            if until is not None and (not self._due or self._due[0].when > until):
                clock.seconds = max(clock.seconds, until)
                return None
            due = heapq.heappop(self._due)
            clock.seconds = max(clock.seconds, due.when)
            message = due.make()
            if message is not None:
                return message


@dataclass
class _Flight:
    """An order on a slot. Each run is due when the one before it is over."""

    runner: SimulatedRunner
    number: int
    order: Order
    left: list[int]
    began: float = 0.0  # the run in flight
    ended: bool = False
    due: _Due | None = None

    def begin(self) -> None:
        """Start the next run, or end."""
        runner, world = self.runner, self.runner.world
        if not self.left:
            self._end(None)
        elif world.faults.strikes("runner vanished"):
            self._end(RunnerFailed("The runner has vanished. Run the step again."))
        else:
            world.books.begin(self._name, runner.process)
            self.began = runner.mailbox.now()
            self.due = runner.mailbox.later(RUN_S, self._over)

    def finish(self) -> None:
        """No run after the one in flight."""
        del self.left[1:]

    def stop(self) -> None:
        """End now."""
        if self.due and not self.ended:
            self.due.gone = True
            if self.left:
                self.runner.world.books.lose(self._name, self.runner.process)
        self.left.clear()
        self._end(None)

    @property
    def _name(self) -> Name:
        return self.order.attempt, self.left[0]

    def _end(self, error: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            self.runner.mailbox.post(Ended(self.number, error))

    def _over(self) -> Message:
        runner, world = self.runner, self.runner.world
        if world.faults.strikes("killed while measuring"):
            raise Killed("while measuring")
        name, index = self._name, self.left.pop(0)
        planned = dict(self.order.runs)[index]
        world.books.runs.append((self.began, world.clock.seconds))
        result = runner.result(planned.tree, planned.seed, sealed=self.order.sealed)
        world.books.made.add((result["digests"]["candidate"], planned.seed))
        world.books.finish(name, runner.process)
        if world.faults.strikes("answered twice"):
            other = runner.result(planned.tree, planned.seed, sealed=self.order.sealed)
            runner.mailbox.post(Measured(self.number, index, other))
        self.begin()
        return Measured(self.number, index, result)


@dataclass
class SimulatedRunner:
    """`bot.run.base.Measurer`: numbers from `measured`, minutes from the clock."""

    repository: Repository
    world: World
    mailbox: SimulatedMailbox
    process: Process
    slots: tuple[str, ...]

    def runner_class(self) -> str:
        """Always the same."""
        return COMPARABLE

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        """Nothing is measured by others that this bot could know of."""
        del attempts
        return frozenset()

    def start(self, job: int, order: Order, slot: str, post: Post) -> _Flight:
        """Begin to measure."""
        del slot, post
        flight = _Flight(self, job, order, [index for index, _ in order.runs])
        flight.begin()
        return flight

    def result(self, tree: str, seed: int, *, sealed: bool) -> dict[str, Any]:
        """One run of a tree."""
        source = self.repository.read_file(tree, "train.py") or b""
        return measured(source, seed, self.world.chance, sealed=sealed)


@dataclass
class Thinker:
    """A proposer with a number of ideas: a step in one constant, or in both."""

    world: World
    ideas: float
    step: Callable[[Random], float] = lambda chance: chance.choice([-0.5, 0.5, 1.0, 1.5, 20.0])
    name: str = "command"
    calls: list[int] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        """Change one or two constants."""
        world = self.world
        if self.ideas <= 0:
            raise NothingToPropose("No idea is left.")
        if world.faults.strikes("killed while proposing"):
            raise Killed("while proposing")
        self.ideas -= 1
        call = world.books.calls
        self.calls.append(call)
        world.books.calls += 1
        cost = Cost(usd=0.01, input_tokens=tokens(call), calls=1)
        if world.faults.strikes("proposal failed"):
            raise ProposalFailed("the model refused", cost)
        source = (context.revision or context).files["train.py"]
        names = world.chance.choice([["RATE"], ["WIDTH"], ["RATE", "WIDTH"]])
        for name in names:
            value = round(constant(source, name) + self.step(world.chance), 3)
            source = with_constant(source, name, value)
        title = "Set " + " and ".join(f"{name} to {constant(source, name)}" for name in names)
        idea = Hypothesis(title, f"{IDEA}{world.books.calls}.")
        return Proposal(idea, {"train.py": source}, self.name, cost)


@dataclass
class _Draft:
    """A call of the model in flight."""

    proposers: SimulatedProposers
    job: int
    told: Context
    due: _Due | None = None

    def begin(self) -> None:
        """Start to think."""
        if self._name:
            self.proposers.world.books.begin(self._name, self.proposers.process)
        self.due = self.proposers.mailbox.later(PROPOSAL_S, self._answer)

    def finish(self) -> None:
        """There is nothing after it."""

    def stop(self) -> None:
        """Give it up before it has cost anything."""
        if self.due:
            self.due.gone = True
            self._lost()

    @cached_property
    def _name(self) -> Name | None:
        """What a revision answers, at the head of now: each is paid for once."""
        asked = self.told.revision
        if asked is None:
            return None
        files = candidate_digest(dict(asked.files))
        head = self.proposers.head(asked.number)
        return "revision", asked.number, asked.guidance or asked.error, files, head

    def _answer(self) -> Message:
        given = self.proposers
        books = given.world.books
        mine = len(given.thinker.calls)
        try:
            proposal = ask(given.place, given.thinker, self.told, given.world.clock.now())
        except Exception as error:
            answer = Answered(self.job, error=error)
        else:
            answer = Answered(self.job, proposal)
            if self._name and proposal.kept:
                books.keep(self._name)  # whoever asks the same again is given this
        finally:
            given.process.calls += given.thinker.calls[mine:]
        if len(given.thinker.calls) == mine:
            self._lost()
        elif self._name:
            books.finish(self._name, given.process)
        return answer

    def _lost(self) -> None:
        if self._name:
            self.proposers.world.books.lose(self._name, self.proposers.process)


@dataclass
class SimulatedProposers:
    """`bot.run.base.Proposers`: the answer comes after a minute."""

    place: Place
    world: World
    mailbox: SimulatedMailbox
    process: Process
    thinker: Thinker

    def start(self, job: int, name: str, told: Context, post: Post) -> _Draft:
        """Begin to think."""
        del name, post
        draft = _Draft(self, job, told)
        draft.begin()
        return draft

    def head(self, number: int) -> str:
        """The head of an experiment."""
        pulls = self.place.forge.pulls(Open.OPEN)
        return next((pull.head for pull in pulls if pull.number == number), "")


@dataclass
class Silent:
    """`bot.run.teller.Teller` that keeps what was said for the story of a history."""

    say: Callable[[str], None]

    def thinking(self, count: int) -> None:
        """Nothing to tell."""

    def started(self, slot: str, order: Order, action: Action) -> None:
        """Runs begin."""
        del order
        self.say(f"{slot}: {action}")

    def seen(self, slot: str, order: Order, event: Event) -> None:
        """Nothing to tell."""

    def measured(self, slot: str, order: Order, index: int, result: Mapping[str, Any]) -> None:
        """A result is kept."""
        self.say(f"{slot}: run {index} of {order.attempt}: {result['status']}")

    def ended(self, slot: str, order: Order) -> None:
        """Nothing to tell."""

    def concluded(self, done: Concluded) -> None:
        """An experiment has its verdict."""
        self.say(f"#{done.pull.number}: {done.verdict.reason}")

    def beat(self, state: State) -> None:
        """Nothing to tell."""
