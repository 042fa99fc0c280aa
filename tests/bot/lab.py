"""A small laboratory for tests: a real repository with a real forge, and a measurer whose numbers
come from a function of the measured file instead of from training it.
"""

from __future__ import annotations

import io
import random
import re
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bot.actions import (
    Action,
    AskPerson,
    BeginPhase,
    Conclude,
    Measure,
    Propose,
    Resume,
    Revise,
    Stop,
)
from bot.audits.execute import Auditor
from bot.audits.plan import BeginAudit, ConcludeAudit, ContinueAudit, Revert
from bot.decide import decide
from bot.execute import Executor
from bot.forge.base import PlannedRun
from bot.forge.git import GitForge
from bot.git import Create, Delete, Repository, Update
from bot.model import Hypothesis, Proposal
from bot.open import open_branch
from bot.people.execute import Spokesman
from bot.people.plan import Answer, AskApproval, ExplainReopened, Review
from bot.proposers.base import Context, Proposer
from bot.proposing.place import BOT, Place
from bot.proposing.revise import revise
from bot.run.base import Answered, Ended, Measured, Order
from bot.run.local import LocalMailbox
from bot.settings import parse
from bot.snapshot import View, take
from bot.step import Stepper
from bot.views.reporter import Reporter
from bot.views.telling import StepTeller
from runner.digests import candidate_digest
from runner.result import Digests, Measurement, RunnerClass, Stage, Status

TRAIN = "# --- constants (tunable) ---\nRATE = 1.0\n# --- end of constants ---\nprint(RATE)\n"
CLASS = RunnerClass(
    id="class-a",
    device="cpu",
    profile="cpu",
    budget_s=1,
    data="d",
    interpreter="3",
    torch="2",
    driver="",
    sandbox="s",
)
HARNESS = "h" * 64
COMPARABLE = f"class-a-{HARNESS[:12]}"

see: Callable[[Path], Repository] = Repository
"""How a laboratory sees its repository: see the fixture `git_in_memory`."""


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person would."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(folder: Path, train: str = TRAIN, settings: str = "") -> Path:
    """A repository on branch main with everything that a step needs."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Person")
    git(folder, "config", "user.email", "person@example.org")
    (folder / "train.py").write_text(train)
    (folder / "bot.toml").write_text(settings)
    (folder / "scratchpad.md").write_text("# Scratchpad\n")
    (folder / "program.md").write_text("# Programme\n")
    (folder / "README.md").write_text("A project.\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder


def rate(source: bytes) -> float:
    """The constant that decides the metric in these tests."""
    found = re.search(rb"^RATE = (.+)$", source, re.MULTILINE)
    assert found, source
    return float(found[1])


def quadratic(source: bytes) -> float:
    """The true metric of a file: lower is better, best at RATE 3."""
    return 10 + (rate(source) - 3) ** 2


@dataclass
class ScriptedMeasurer:
    """`bot.execute.Measurer` with numbers from `metric` plus noise; remembers what it measured.

    `sealed` gives the score on the sealed split when one is asked for, `memory` the peak.
    """

    repository: Repository
    metric: Callable[[bytes], float | Status] = quadratic
    noise: float = 0.05
    random: random.Random = field(default_factory=lambda: random.Random(0))
    measured: list[tuple[str, bytes]] = field(default_factory=list)
    sealed: Callable[[bytes], float] = quadratic
    breaks: Callable[[bytes], bool] = lambda source: False  # in the smoke run
    memory: Callable[[bytes], int] | None = None

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None:
        for index, run in runs:
            source = self.repository.read_file(run.tree, "train.py") or b""
            self.measured.append((run.tree, source))
            result = self.result(source, run.seed)
            if sealed and result["status"] == Status.OK:
                result["sealed"] = {"metric": self.sealed(source), "secondary": {}}
            on_result(index, result)

    def result(self, source: bytes, seed: int) -> dict[str, Any]:
        broken = self.breaks(source)
        value = Status.CRASHED if broken else self.metric(source)
        failed = isinstance(value, Status)
        measurement = Measurement(
            status=value if isinstance(value, Status) else Status.OK,
            stage=Stage.SMOKE if broken else Stage.TRAIN if failed else Stage.SCORE,
            message="the smoke run ended with exit code 1" if broken else "",
            metric=None if isinstance(value, Status) else value + self.random.gauss(0, self.noise),
            seed=seed,
            train_s=1.0,
            peak_memory_bytes=self.memory(source) if self.memory else None,
            runner_class=CLASS,
            digests=Digests(
                candidate=candidate_digest({"train.py": source}),
                data="d",
                scorer="s",
                harness=HARNESS,
            ),
        )
        return measurement.model_dump(mode="json")


@dataclass
class ListProposer:
    """Proposes the given rates one after another."""

    rates: list[float]
    name: str = "list"
    asked: int = 0

    def propose(self, context: Context) -> Proposal:
        value = self.rates[min(self.asked, len(self.rates) - 1)]
        self.asked += 1
        source = re.sub(rb"RATE = .+", b"RATE = %r" % value, context.files["train.py"])
        hypothesis = Hypothesis(f"Set RATE to {value}", "It may be better there.")
        return Proposal(hypothesis, {"train.py": source}, self.name)


class Measures(Protocol):
    """Makes runs one after another and hands each result over as soon as it is there."""

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class HandyExecutor(Executor):
    """Carries an attempt out here and now, as `bot.run` does it over time."""

    measurer: Measures

    def measure(self, action: Measure, view: View) -> None:
        self._run(self.begin(action, view), view)

    def resume(self, action: Resume, view: View) -> None:
        self._run(self.go_on(action, view), view)

    def _run(self, order: Order, view: View) -> None:
        keep = partial(self.keep, order, runner_class=view.runner_class)
        self.measurer.measure(order.runs, keep)
        if not view.snapshot.baseline:
            self.check_baseline_works(order)


@dataclass(frozen=True, kw_only=True)
class HandyAuditor(Auditor):
    """The same for audits."""

    measurer: ScriptedMeasurer

    def measure(self, order: Order, view: View) -> None:
        keep = partial(self.keep, order, runner_class=view.runner_class)
        self.measurer.measure(order.runs, keep, sealed=order.sealed)


class Done:
    """A job that is over already (`bot.run.base.Job`)."""

    def finish(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class AtOnce:
    """`bot.run.base.Measurer` and `Proposers` whose jobs are over when they have begun."""

    measurer: ScriptedMeasurer
    proposer: Proposer
    slots: tuple[str, ...] = ("cpu",)

    def runner_class(self) -> str:
        return COMPARABLE

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        return frozenset()

    def start(self, job: int, *rest: Any) -> Done:
        told = next(one for one in rest if isinstance(one, Order | Context))
        post = rest[-1]
        if isinstance(told, Context):
            post(Answered(job, self.proposer.propose(told)))
            return Done()
        self.measurer.measure(
            told.runs, lambda index, result: post(Measured(job, index, result)), sealed=told.sealed
        )
        post(Ended(job))
        return Done()


@dataclass
class Lab:
    """Repository, forge, measurer and executor together."""

    place: Place
    measurer: ScriptedMeasurer
    executor: HandyExecutor
    proposer: Proposer = field(default_factory=lambda: ListProposer([0.5]))  # for revisions

    @classmethod
    def build(cls, folder: Path, settings: str = "") -> Lab:
        make_repository(folder, settings=settings)
        return cls.at(folder, settings)

    @classmethod
    def at(cls, folder: Path, settings: str = "") -> Lab:
        """The laboratory around a repository that exists."""
        repository = see(folder)
        clock = iter(range(1_800_000_000, 1_900_000_000))
        forge = GitForge(repository, "main", bot=BOT, clock=lambda: float(next(clock)))
        place = Place(repository, forge, parse(settings.encode()))
        measurer = ScriptedMeasurer(repository)
        seeds = random.Random(1)
        executor = HandyExecutor(
            repository,
            forge,
            place.settings,
            measurer=measurer,
            now=lambda: next(clock),
            seed=lambda: seeds.randrange(2**31),
        )
        return cls(place, measurer, executor)

    @property
    def auditor(self) -> HandyAuditor:
        executor = self.executor
        return HandyAuditor(
            executor.repository,
            executor.forge,
            executor.settings,
            executor.now,
            executor.seed,
            measurer=self.measurer,
        )

    def stepper(self, proposer: Proposer) -> Stepper:
        """The production scheduler, with jobs that are over when they have begun."""
        jobs = AtOnce(self.measurer, proposer)
        teller = StepTeller(Reporter(io.StringIO()), "mean_rank")
        return Stepper(self.place, jobs, jobs, LocalMailbox(), teller)

    @property
    def spokesman(self) -> Spokesman:
        place = self.place
        return Spokesman(place.repository, place.forge, place.settings, self.executor.now)

    def act(self, action: Action | None = None, seen: View | None = None) -> Action:
        """Carry out an action, the first that `decide` asks for if none is given.

        `seen` is what it was decided on, if that is not the present.
        """
        view = seen or self.view()
        action = action or decide(view.snapshot)[0]
        match action:
            case Measure():
                self.executor.measure(action, view)
            case Resume():
                self.executor.resume(action, view)
            case BeginPhase():
                self.executor.begin_phase(action, view)
            case Revise():
                revise(self.place, view, self.proposer, action, now=self.executor.now)
            case Conclude():
                self.executor.conclude(action, view)
            case AskPerson():
                self.executor.ask_person(action, view)
            case BeginAudit():
                self.auditor.measure(self.auditor.begin(action, view), view)
            case ContinueAudit():
                self.auditor.measure(self.auditor.go_on(action), view)
            case ConcludeAudit():
                self.auditor.conclude(action, view)
            case Revert():
                self.auditor.revert(action, view)
            case Answer() | Review() | AskApproval() | ExplainReopened():
                self.spokesman.carry_out(action, view)
        return action

    def until_idle(self) -> list[Action]:
        """Everything that is done before a new hypothesis would be proposed."""
        done: list[Action] = []
        while not isinstance(decide(self.view().snapshot)[0], Propose | Stop):
            done.append(self.act())
            assert len(done) < 100, done[-5:]
        return done

    def until_idle_or_phase(self) -> list[Action]:
        """The same, but a phase that is over is left for the test to see."""
        done: list[Action] = []
        while not isinstance(decide(self.view().snapshot)[0], Propose | Stop | BeginPhase):
            done.append(self.act())
            assert len(done) < 100, done[-5:]
        return done

    def experiment(self, files: Mapping[str, str], title: str = "Try it") -> int:
        """Open a change as an experiment; its number."""
        name = f"idea-{len(self.place.forge.pulls()) + 1}"
        self.branch(name, files)
        number = open_branch(self.place, name, title, "It may help.").number
        self.act(Review(number))
        return number

    @property
    def folder(self) -> Path:
        return self.place.repository.path

    def view(self) -> View:
        return take(self.place.repository, self.place.forge, self.place.settings, COMPARABLE)

    def branch(self, name: str, files: Mapping[str, str], message: str = "Try it") -> str:
        """A branch off main as a person would push it, without touching the working tree."""
        repository = self.place.repository
        base = self.place.forge.base()
        tree = repository.tree_with(base, {path: text.encode() for path, text in files.items()})
        who = repository.identity()
        head = repository.commit_tree(tree, [base], message, who, 1_700_000_000)
        self.push(name, head)
        return head

    def push(self, branch: str, commit: str) -> None:
        """Move a branch as a person would push it, or make it."""
        ref, repository = f"refs/heads/{branch}", self.place.repository
        at = repository.ref(ref)
        repository.update_refs([Update(ref, commit, at) if at else Create(ref, commit)], "a person")

    def commit(self, files: Mapping[str, str], message: str = "By hand") -> None:
        """What a person commits to a base branch that is not checked out."""
        repository = self.place.repository
        base = self.place.forge.base()
        tree = repository.tree_with(base, {path: text.encode() for path, text in files.items()})
        who = repository.identity()
        self.push("main", repository.commit_tree(tree, [base], message, who, 1_700_000_000))

    def delete(self, branch: str) -> None:
        """Delete a branch as a person would."""
        ref = f"refs/heads/{branch}"
        at = self.place.repository.ref(ref) or ""
        self.place.repository.update_refs([Delete(ref, at)], "a person")

    def git(self, *arguments: str) -> str:
        """What git says, in memory or not."""
        return self.place.repository.git.text(*arguments)

    def file(self, path: str = "train.py") -> str:
        """A file on the base branch."""
        base = self.place.forge.base()
        return (self.place.repository.read_file(base, path) or b"").decode()
