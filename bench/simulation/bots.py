"""A bot in a simulation: the production scheduler, with a simulated clock, runner and proposer."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.simulation.faults import Faults, Killed
from bench.simulation.project import COMPARABLE, constant, measured, with_constant
from bot.actions import Action
from bot.decide import Room
from bot.errors import RunnerFailed
from bot.git import Repository
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.proposing.asking import ask
from bot.proposing.place import Place
from bot.run.base import Answered, Concluded, Ended, Measured, Message, Order, Post
from bot.run.scheduler import Outcome, Scheduler, everything
from bot.run.state import State
from bot.run.terms import Terms
from bot.snapshot import View
from runner.digests import candidate_digest
from runner.events import Event

RUN_S = 300
PROPOSAL_S = 60


class PaidTwice(AssertionError):
    """A run was begun although its result was known."""


@dataclass
class Clock:
    """Seconds since 1970. It moves by `tick` at every look, so that no two commits are equal."""

    seconds: float = 1_800_000_000
    tick: int = 1

    def now(self) -> int:
        """The time now."""
        self.seconds += self.tick
        return int(self.seconds)


@dataclass
class Books:
    """What the world knows of runs and proposals, whatever the bots have written down.

    Runs are named by (digest of the files, seed). `kept` tells when a result was recorded.
    """

    made: list[tuple[str, int]] = field(default_factory=list)
    kept: dict[tuple[str, int], float] = field(default_factory=dict)
    calls: int = 0  # of a model, each paid for
    lost_calls: int = 0  # in flight when their process was killed
    proposals: int = 0  # new ones that came of the calls
    runs: list[tuple[float, float]] = field(default_factory=list)  # beginning and end of each

    def note(self, write: str, arguments: tuple[Any, ...], when: float) -> None:
        """Hear of a write that took effect."""
        if write in {"record", "record_audit"}:
            result = arguments[-1]
            self.kept[result["digests"]["candidate"], result["seed"]] = when


@dataclass
class World:
    """What all bots share: the clock, chance, the faults, the books, and everybody else."""

    clock: Clock
    chance: Random
    faults: Faults
    books: Books
    between: Callable[[str], None]  # others may act while the named bot does something


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
    bot: str
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
        while True:
            self.world.between(self.bot)
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
        runner, faults = self.runner, self.runner.world.faults
        if not self.left:
            self._end(None)
        elif faults.strikes("runner vanished"):
            self._end(RunnerFailed("The runner has vanished. Run the step again."))
        else:
            self.began = runner.mailbox.now()
            self.due = runner.mailbox.later(RUN_S, self._over)

    def finish(self) -> None:
        """No run after the one in flight."""
        del self.left[1:]

    def stop(self) -> None:
        """End now."""
        if self.due:
            self.due.gone = True
        self.left.clear()
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            self.runner.mailbox.post(Ended(self.number, error))

    def _over(self) -> Message:
        runner, world = self.runner, self.runner.world
        if world.faults.strikes("killed while measuring"):
            raise Killed("while measuring")
        index = self.left.pop(0)
        planned = dict(self.order.runs)[index]
        world.books.runs.append((self.began, world.clock.seconds))
        result = runner.result(planned.tree, planned.seed, sealed=self.order.sealed)
        world.books.made.append((result["digests"]["candidate"], planned.seed))
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
    slots: tuple[str, ...]
    looked_at: float = 0.0  # when the scheduler last took a snapshot

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
        for _, run in order.runs:
            name = self._digest(run.tree), run.seed
            if self.world.books.kept.get(name, self.looked_at) < self.looked_at:
                raise PaidTwice(f"the run with seed {run.seed} has its result")
        flight = _Flight(self, job, order, [index for index, _ in order.runs])
        flight.begin()
        return flight

    def result(self, tree: str, seed: int, *, sealed: bool) -> dict[str, Any]:
        """One run of a tree."""
        source = self.repository.read_file(tree, "train.py") or b""
        return measured(source, seed, self.world.chance, sealed=sealed)

    def _digest(self, tree: str) -> str:
        source = self.repository.read_file(tree, "train.py") or b""
        return candidate_digest({"train.py": source})


@dataclass
class Thinker:
    """A proposer with a number of ideas: a step in one constant, or in both."""

    world: World
    ideas: float
    step: Callable[[Random], float] = lambda chance: chance.choice([-0.5, 0.5, 1.0, 1.5, 20.0])
    name: str = "command"

    def propose(self, context: Context) -> Proposal:
        """Change one or two constants."""
        world = self.world
        if self.ideas <= 0:
            raise NothingToPropose("No idea is left.")
        if world.faults.strikes("killed while proposing"):
            raise Killed("while proposing")
        self.ideas -= 1
        world.books.calls += 1
        if world.faults.strikes("proposal failed"):
            raise ProposalFailed("the model refused", Cost(usd=0.01, calls=1))
        source = (context.revision or context).files["train.py"]
        names = world.chance.choice([["RATE"], ["WIDTH"], ["RATE", "WIDTH"]])
        for name in names:
            value = round(constant(source, name) + self.step(world.chance), 3)
            source = with_constant(source, name, value)
        title = "Set " + " and ".join(f"{name} to {constant(source, name)}" for name in names)
        world.books.proposals += context.revision is None
        idea = Hypothesis(title, "It may be better there.")
        return Proposal(idea, {"train.py": source}, self.name, Cost(usd=0.01, calls=1))


@dataclass
class _Draft:
    """A call of the model in flight."""

    due: _Due | None = None

    def finish(self) -> None:
        """There is nothing after it."""

    def stop(self) -> None:
        """Give it up before it has cost anything."""
        if self.due:
            self.due.gone = True


@dataclass
class SimulatedProposers:
    """`bot.run.base.Proposers`: the answer comes after a minute."""

    place: Place
    world: World
    mailbox: SimulatedMailbox
    thinker: Thinker

    def start(self, job: int, name: str, told: Context, post: Post) -> _Draft:
        """Begin to think."""
        del name, post

        def answer() -> Message:
            try:
                return Answered(job, ask(self.place, self.thinker, told, self.world.clock.now()))
            except Exception as error:
                return Answered(job, error=error)

        return _Draft(self.mailbox.later(PROPOSAL_S, answer))


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


@dataclass
class Bot:
    """One process after another that carries the programme on."""

    name: str
    place: Place
    world: World
    thinker: Thinker
    say: Callable[[str], None]

    def run(self, terms: Terms, slots: int = 1) -> Outcome:
        """A process from its start to its end."""
        self.place.forge.recover()
        mailbox = SimulatedMailbox(self.world, self.name)
        names = tuple(f"gpu {number}" for number in range(slots))
        runner = SimulatedRunner(self.place.repository, self.world, mailbox, names)

        def choose(view: View, room: Room) -> tuple[Action, ...]:
            runner.looked_at = self.world.clock.seconds
            return everything(view, room)

        scheduler = Scheduler(
            self.place,
            runner,
            SimulatedProposers(self.place, self.world, mailbox, self.thinker),
            mailbox,
            Silent(lambda words: self.say(f"{self.name}: {words}")),
            terms,
            choose,
            seed=lambda: self.world.chance.randrange(2**31),
        )
        return scheduler.run()
