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
from bench.simulation.bots import Books, Bot, Clock, Runner, Thinker
from bench.simulation.faults import Faults, Killed
from bench.simulation.invariants import Broken, check
from bench.simulation.people import People
from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.shaky import ShakyForge, ShakyGit, repository_on
from bot.errors import BaselineFails, BotError
from bot.forge.base import Conflict, ForgeError
from bot.forge.git import GitForge
from bot.git import GitError
from bot.git.process import Git
from bot.proposers.base import NothingToPropose
from bot.proposing.propose import BOT, Place
from bot.settings import parse

MOST_WAKE_UPS = 30
MOST_TO_QUIET = 200


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
        world = World.of(seed, Path(folder) / "project", quick=quick)
        failure = None
        git = world.place.repository.git
        fast = quick_ledger(git.store) if isinstance(git, QuickGit) else nullcontext()
        try:
            with fast:
                world.play()
        except (Exception, Killed) as error:
            failure = f"{type(error).__name__}: {error}"
            if not isinstance(error, Broken):
                failure += "\n" + "".join(traceback.format_tb(error.__traceback__)[-6:])
        return Outcome(
            seed=seed,
            failure=failure,
            faults=world.faults.struck,
            experiments=len(world.place.forge.pulls()),
            hours=(world.clock.seconds - 1_800_000_000) / 3600,
            tip=world.place.forge.base(),
            story=world.story,
        )


@dataclass
class World:
    """Everything in a history. `place` is the world's own sure view of the repository."""

    place: Place
    clock: Clock
    chance: Random
    faults: Faults
    books: Books
    people: People
    bots: list[Bot] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    _nested: bool = False

    @classmethod
    def of(cls, seed: int, folder: Path, *, quick: bool) -> World:
        """A fresh project, with as many ideas and as much trouble as the seed wants."""
        chance = Random(f"world {seed}")
        project.make(folder)
        clock = Clock()
        faults = Faults(Random(f"faults {seed}"), intensity=chance.choice([0.3, 1.0, 2.0]))
        settings = parse(project.SETTINGS.encode())
        git = QuickGit(folder, Store(folder)) if quick else Git(folder)
        repository = repository_on(git)
        forge = GitForge(repository, "main", bot=BOT, clock=clock.now)
        place = Place(repository, forge, settings)
        people = People(place, Random(f"people {seed}"), clock.now)
        world = cls(place, clock, chance, faults, Books(), people)
        world.bots = [world._bot(name, git, chance.randint(1, 3)) for name in ("A", "B")]
        return world

    def _bot(self, name: str, git: Git, ideas: int) -> Bot:
        chance = Random(self.chance.random())
        repository = repository_on(ShakyGit(git, self.faults))

        def between() -> None:
            self._interlude(name)

        def note(write: str, arguments: tuple[object, ...]) -> None:
            self.books.note(write, arguments, self.clock.seconds)
            self._watch()

        forge = GitForge(repository, "main", bot=BOT, clock=self.clock.now)
        shaky = ShakyForge(forge, self.faults, between, note)
        parts = (chance, self.clock, self.faults, self.books, between)
        place = Place(repository, shaky, self.place.settings)
        return Bot(
            name, place, Runner(repository, *parts), Thinker(*parts, ideas), self.clock, chance
        )

    def play(self) -> None:
        """Trouble first, then without any faults until nothing is left to do."""
        for _ in range(self.chance.randint(8, MOST_WAKE_UPS)):
            if self.faults.strikes("wake-up lost"):
                self.clock.wait(600)
                continue
            bot = self.chance.choice(self.bots)
            for _ in range(1 + self.faults.strikes("wake-up doubled")):
                self._wake(bot)
            if self.chance.random() < 0.25:
                self._say(self.people.act())
            self._watch()
        with self.faults.silenced():
            self._drain()
            check(self.place, self.books, self.bases)

    def _wake(self, bot: Bot) -> bool:
        """Let a bot act once; whether it found anything to do."""
        calls = self.books.calls
        try:
            action = bot.act()
        except Killed as death:
            self._interrupted(bot, f"killed {death}", calls)
        except NothingToPropose:
            self._say(f"{bot.name}: nothing to do")
            return False
        except Conflict as error:
            self._say(f"{bot.name}: conflict: {error}")
        except BaselineFails:
            self._say(f"{bot.name}: the baseline fails")
            self._say(self.people.mend())
        except (BotError, ForgeError, GitError) as error:
            self._interrupted(bot, f"{type(error).__name__}: {error}", calls)
        else:
            self._say(f"{bot.name}: {action}")
        return True

    def _interrupted(self, bot: Bot, how: str, calls: int) -> None:
        self._say(f"{bot.name}: {how}")
        self.books.proposing_interrupted += self.books.calls - calls

    def _interlude(self, acting: str) -> None:
        """Between any two things that one bot does, others may act."""
        if self._nested:
            return
        self._nested = True
        try:
            if self.faults.strikes("another bot in between"):
                others = [bot for bot in self.bots if bot.name != acting]
                self._wake(self.chance.choice(others))
            if self.faults.strikes("a person in between"):
                self._say(self.people.act())
        finally:
            self._nested = False

    def _drain(self) -> None:
        quiet: set[str] = set()
        for turn in range(MOST_TO_QUIET):
            bot = self.bots[turn % len(self.bots)]
            if self._wake(bot):
                quiet.clear()
            else:
                quiet.add(bot.name)
            self._watch()
            if len(quiet) == len(self.bots):
                return
        raise Broken(f"not quiet after {MOST_TO_QUIET} more actions")

    def _watch(self) -> None:
        base = self.place.forge.base()
        if self.bases[-1:] != [base]:
            self.bases.append(base)

    def _say(self, words: str) -> None:
        self.story.append(words[:300])
