"""A bot in a simulation: the production code, with a scripted runner and proposer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from bench.simulation.faults import Faults, Killed
from bench.simulation.project import COMPARABLE, constant, measured, with_constant
from bot.audits.execute import Auditor
from bot.audits.plan import BeginAudit, ConcludeAudit, ContinueAudit, Revert
from bot.decide import Action, AskPerson, Conclude, Measure, Propose, Resume, Revise, decide
from bot.errors import RunnerFailed
from bot.execute import Executor
from bot.forge.base import PlannedRun
from bot.git import Repository
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.people.execute import Spokesman
from bot.people.plan import Answer, AskApproval, Review
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.proposing.propose import Place, open_proposal
from bot.proposing.revise import revise
from bot.run.base import Order
from bot.snapshot import View, take

RUN_S = 300
PROPOSAL_S = 60


class PaidTwice(AssertionError):
    """A run was made although its result was known."""


@dataclass
class Clock:
    """Seconds since 1970. It moves a second at every look, so that no two commits are equal."""

    seconds: int = 1_800_000_000

    def now(self) -> int:
        """The time, which is never the same twice."""
        self.seconds += 1
        return self.seconds

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass
class Books:
    """What the world knows of runs and proposals, whatever the bots have written down.

    Runs are named by (digest of the files, seed). `kept` tells when a result was recorded.
    """

    made: list[tuple[str, int]] = field(default_factory=list)
    kept: dict[tuple[str, int], int] = field(default_factory=dict)
    calls: int = 0  # of a model, each paid for
    proposals: int = 0  # that came of them
    proposing_interrupted: int = 0  # calls of which nothing may be left

    def note(self, write: str, arguments: tuple[Any, ...], when: int) -> None:
        """Hear of a write that took effect."""
        if write in {"record", "record_audit"}:
            result = arguments[-1]
            self.kept[result["digests"]["candidate"], result["seed"]] = when


@dataclass
class Runner:
    """Makes runs: numbers from `measured`, minutes from the clock."""

    repository: Repository
    chance: Random
    clock: Clock
    faults: Faults
    books: Books
    between: Callable[[], None]
    looked_at: int = 0  # when the bot took the snapshot that it acts on

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None:
        """Run them in the given order."""
        for index, run in runs:
            source = self.repository.read_file(run.tree, "train.py") or b""
            result = measured(source, run.seed, self.chance, sealed=sealed)
            name = result["digests"]["candidate"], run.seed
            if self.books.kept.get(name, self.looked_at) < self.looked_at:
                raise PaidTwice(f"the run with seed {run.seed} has its result")
            self.clock.wait(RUN_S)
            if self.faults.strikes("runner vanished"):
                raise RunnerFailed("The runner has vanished. Run the step again.")
            self.between()
            self.books.made.append(name)
            if self.faults.strikes("killed while measuring"):
                raise Killed("while measuring")
            on_result(index, result)
            if self.faults.strikes("answered twice"):
                on_result(index, measured(source, run.seed, self.chance, sealed=sealed))


@dataclass
class Thinker:
    """A proposer with a number of ideas."""

    chance: Random
    clock: Clock
    faults: Faults
    books: Books
    between: Callable[[], None]
    ideas: int
    name: str = "command"

    def propose(self, context: Context) -> Proposal:
        """Change one or two constants."""
        if self.ideas <= 0:
            raise NothingToPropose("No idea is left.")
        self.clock.wait(PROPOSAL_S)
        self.between()
        if self.faults.strikes("killed while proposing"):
            raise Killed("while proposing")
        self.ideas -= 1
        self.books.calls += 1
        if self.faults.strikes("proposal failed"):
            raise ProposalFailed("the model refused", Cost(usd=0.01, calls=1))
        source = (context.revision or context).files["train.py"]
        names = self.chance.choice([["RATE"], ["WIDTH"], ["RATE", "WIDTH"]])
        for name in names:
            step = self.chance.choice([-0.5, 0.5, 1.0, 1.5, 20.0])
            source = with_constant(source, name, constant(source, name) + step)
        title = "Set " + " and ".join(f"{name} to {constant(source, name)}" for name in names)
        self.books.proposals += context.revision is None
        idea = Hypothesis(title, "It may be better there.")
        return Proposal(idea, {"train.py": source}, self.name, Cost(usd=0.01, calls=1))


@dataclass
class Bot:
    """One process after another that looks at the forge and carries out what is due."""

    name: str
    place: Place
    runner: Runner
    thinker: Thinker
    clock: Clock
    chance: Random

    def act(self) -> Action:
        """Look, decide, and carry out one of the actions, whichever comes first."""
        self.runner.looked_at = self.clock.now()
        view = self.look()
        action = self.chance.choice(decide(view.snapshot))
        self.carry_out(action, view)
        return action

    def look(self) -> View:
        """A snapshot as every step takes it."""
        self.place.forge.recover()
        return take(self.place.repository, self.place.forge, self.place.settings, COMPARABLE)

    def carry_out(self, action: Action, view: View) -> None:
        """What `bot.step` does with an action."""
        place = self.place
        parts = (place.repository, place.forge, place.settings, self.clock.now)
        executor, auditor = Executor(*parts, self._seed), Auditor(*parts, self._seed)
        match action:
            case Propose():
                open_proposal(place, view, self.thinker, self.clock.now)
            case Measure():
                self.measure(executor.begin(action, view), executor, view)
            case Resume():
                self.measure(executor.go_on(action, view), executor, view)
            case Revise():
                revise(place, view, self.thinker, action, now=self.clock.now)
            case Conclude():
                executor.conclude(action, view)
            case AskPerson():
                executor.ask_person(action, view)
            case BeginAudit():
                self.measure(auditor.begin(action, view), auditor, view)
            case ContinueAudit():
                self.measure(auditor.go_on(action), auditor, view)
            case ConcludeAudit():
                auditor.conclude(action, view)
            case Revert():
                auditor.revert(action, view)
            case Answer() | Review() | AskApproval():
                parts = (place.repository, place.forge, place.settings, self.clock.now)
                Spokesman(*parts).carry_out(action, view)

    def measure(self, order: Order, keeper: Executor | Auditor, view: View) -> None:
        """Have an order measured, every result kept as soon as it is there."""
        keep = partial(keeper.keep, order, runner_class=view.runner_class)
        self.runner.measure(order.runs, keep, sealed=order.sealed)
        if isinstance(keeper, Executor) and not view.snapshot.baseline:
            keeper.check_baseline_works(order)

    def _seed(self) -> int:
        return self.chance.randrange(2**31)
