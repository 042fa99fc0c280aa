"""One history: a project, two bots and some people, from a seed to quiet."""

from __future__ import annotations

import tempfile
import traceback
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.simulation import project
from bench.simulation.bots import Books, Bot, Clock, Thinker, World
from bench.simulation.faults import Faults, Killed
from bench.simulation.invariants import Broken, check
from bench.simulation.people import People
from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.shaky import ShakyForge, ShakyGit, repository_on
from bot.errors import BaselineFails, BotError
from bot.forge.base import ForgeError
from bot.forge.git import GitForge
from bot.git import GitError
from bot.git.process import Git
from bot.proposing.place import BOT, Place
from bot.run.terms import Terms
from bot.settings import parse

MOST_WAKE_UPS = 12
MOST_TO_QUIET = 12


@dataclass
class Outcome:
    """How a history went. `failure` is None, or what did not hold, with its last events."""

    seed: int
    failure: str | None
    faults: Counter[str]
    experiments: int
    hours: float  # simulated
    tip: str = ""  # the base branch at its end
    story: list[str] = field(default_factory=list)


def play(seed: int, *, quick: bool = True) -> Outcome:
    """The history of one seed; without `quick`, every git command is a process of git."""
    with tempfile.TemporaryDirectory(prefix="mergelab-history-", dir=project.memory()) as folder:
        history = History.of(seed, Path(folder) / "project", quick=quick)
        failure = None
        git = history.place.repository.git
        fast = quick_ledger(git.store) if isinstance(git, QuickGit) else nullcontext()
        try:
            with fast:
                history.play()
        except (Exception, Killed) as error:
            failure = f"{type(error).__name__}: {error}"
            if not isinstance(error, Broken):
                failure += "\n" + "".join(traceback.format_tb(error.__traceback__)[-6:])
        return Outcome(
            seed=seed,
            failure=failure,
            faults=history.world.faults.struck,
            experiments=len(history.place.forge.pulls()),
            hours=(history.world.clock.seconds - 1_800_000_000) / 3600,
            tip=history.place.forge.base(),
            story=history.story,
        )


@dataclass
class History:
    """Everything in a history. `place` is a sure view of the repository, without faults."""

    place: Place
    world: World
    chance: Random
    people: People
    bots: list[Bot] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    _acting: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, seed: int, folder: Path, *, quick: bool) -> History:
        """A fresh project, with as many ideas and as much trouble as the seed wants."""
        chance = Random(f"history {seed}")
        project.make(folder)
        clock = Clock()
        faults = Faults(Random(f"faults {seed}"), intensity=chance.choice([0.3, 1.0, 2.0]))
        settings = parse(project.SETTINGS.encode())
        git = QuickGit(folder, Store(folder)) if quick else Git(folder)
        repository = repository_on(git)
        forge = GitForge(repository, "main", bot=BOT, clock=clock.now)
        place = Place(repository, forge, settings)
        people = People(place, Random(f"people {seed}"), clock.now)
        world = World(clock, Random(f"bots {seed}"), faults, Books(), lambda _: None)
        history = cls(place, world, chance, people)
        world.between = history._interlude
        history.bots = [history._bot(name, git, chance.randint(1, 4)) for name in ("A", "B")]
        return history

    def _bot(self, name: str, git: Git, ideas: int) -> Bot:
        world = self.world
        repository = repository_on(ShakyGit(git, world.faults))

        def between() -> None:
            self._interlude(name)

        def note(write: str, arguments: tuple[object, ...]) -> None:
            world.books.note(write, arguments, world.clock.seconds)
            self._watch()

        forge = GitForge(repository, "main", bot=BOT, clock=world.clock.now)
        shaky = ShakyForge(forge, world.faults, between, note)
        place = Place(repository, shaky, self.place.settings)
        return Bot(name, place, world, Thinker(world, ideas), self._say)

    def play(self) -> None:
        """Trouble first, then without any faults until nothing is left to do."""
        faults = self.world.faults
        for _ in range(self.chance.randint(3, MOST_WAKE_UPS)):
            if faults.strikes("wake-up lost"):
                self.world.clock.seconds += 600
                continue
            bot = self.chance.choice(self.bots)
            for _ in range(1 + faults.strikes("wake-up doubled")):
                self._wake(bot, self._terms(), self.chance.choice([1, 1, 2, 4]))
            if self.chance.random() < 0.5:
                self._say(self.people.act())
            self._watch()
        with faults.silenced():
            self._drain()
            check(self.place, self.world.books, self.bases)

    def _terms(self) -> Terms:
        """A step, or a while of the overnight loop."""
        if self.chance.random() < 0.5:
            return Terms(verdicts=1)
        end = self.world.clock.seconds + self.chance.choice([600, 3600, 36000])
        most = self.chance.choice([None, 1, 3])
        return Terms(deadline=end, max_in_flight=most, patient=True, look_every_s=60)

    def _wake(self, bot: Bot, terms: Terms, slots: int) -> None:
        """Let a bot run once, to its own end or to that of its process."""
        self._acting.add(bot.name)
        calls = self.world.books.calls
        try:
            outcome = bot.run(terms, slots)
        except Killed as death:
            self._say(f"{bot.name}: killed {death}")
            self.world.books.lost_calls += self.world.books.calls - calls
        except BaselineFails:
            self._say(f"{bot.name}: the baseline fails")
            self._say(self.people.mend())
        except (BotError, ForgeError, GitError) as error:
            self._say(f"{bot.name}: {type(error).__name__}: {error}")
            self.world.books.lost_calls += self.world.books.calls - calls
        else:
            self._say(f"{bot.name}: {len(outcome.concluded)} verdicts, {outcome.why}")
        finally:
            self._acting.discard(bot.name)

    def _interlude(self, acting: str) -> None:
        """Between any two things that one bot does, others may act."""
        if len(self._acting) > 1:
            return
        if self.world.faults.strikes("another bot in between"):
            others = [bot for bot in self.bots if bot.name != acting]
            self._wake(self.chance.choice(others), Terms(verdicts=1), 1)
        if self.world.faults.strikes("a person in between"):
            self._say(self.people.act())

    def _drain(self) -> None:
        """Both bots in turn, patiently, until neither changes anything."""
        quiet = 0
        for turn in range(MOST_TO_QUIET):
            before = self.place.repository.git.text("for-each-ref", "--format=%(objectname)")
            self._wake(self.bots[turn % 2], Terms(max_in_flight=None, patient=True), 2)
            self._watch()
            after = self.place.repository.git.text("for-each-ref", "--format=%(objectname)")
            quiet = quiet + 1 if before == after else 0
            if quiet == len(self.bots):
                return
        raise Broken(f"not quiet after {MOST_TO_QUIET} more runs")

    def _watch(self) -> None:
        base = self.place.forge.base()
        if self.bases[-1:] != [base]:
            self.bases.append(base)

    def _say(self, words: str) -> None:
        self.story.append(words[:300])
