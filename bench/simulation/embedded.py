"""A history's place on the embedded forge: one clone, in which two bots and people work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random

from bench.simulation import project
from bench.simulation.books import Books, Process
from bench.simulation.bots import Bot
from bench.simulation.invariants import check_costs, opened_once
from bench.simulation.people import EmbeddedDesk, People
from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.shaky import ShakyForge, ShakyGit, repository_on
from bench.simulation.surroundings import Thinker
from bench.simulation.world import World
from bot.forge.git import GitForge
from bot.git.process import Git
from bot.history import spending
from bot.proposing.place import BOT, Place
from bot.run.scheduler import Outcome
from bot.run.terms import Terms
from bot.settings import parse

_NAMES = ("A", "B")


class Embedded:
    """`bench.simulation.scene.Scene` on the embedded forge."""

    def __init__(
        self, seed: int, folder: Path, world: World, *, quick: bool, wrote: Callable[[], None]
    ) -> None:
        project.make(folder)
        self.world = world
        self._git = QuickGit(folder, Store(folder / ".git")) if quick else Git(folder)
        self._settings = parse(project.SETTINGS.encode())
        self._wrote = wrote
        self.place = self._enter(self._git)
        self.people = People(EmbeddedDesk(self.place), Random(f"people {seed}"), world.clock.now)
        ideas = Random(f"ideas {seed}")
        self.bots: Mapping[str, Bot] = {
            name: self._bot(name, ideas.randint(1, 4)) for name in _NAMES
        }

    def quickly(self) -> AbstractContextManager[None]:
        """Reads the ledger from memory, where git is answered from there."""
        git = self._git
        return quick_ledger({git.place: git.store}) if isinstance(git, QuickGit) else nullcontext()

    def run(self, name: str, terms: Terms, slots: int) -> Outcome:
        """Let a bot run once."""
        return self.bots[name].run(terms, slots)

    def base(self) -> str:
        """Where the base branch is."""
        return self.place.forge.base()

    def state(self) -> str:
        """Everything that a bot could change."""
        return self._git.text("for-each-ref", "--format=%(refname) %(objectname)")

    def check(self, books: Books) -> None:
        """All calls are noted in the one clone, and each answer is one experiment at most."""
        opened_once(self.place.forge.pulls())
        check_costs(spending.noted(self.place.repository), books)

    def pass_time(self) -> None:
        """Nothing happens by itself here."""

    def _bot(self, name: str, ideas: int) -> Bot:
        def enter(process: Process) -> Place:
            place = self._enter(
                ShakyGit(self._git, self.world.faults, lambda: self.world.between(process.name))
            )
            forge = ShakyForge(place.forge, self.world, process, self._wrote)
            return Place(place.repository, forge, place.settings)

        return Bot(name, enter, self.world, Thinker(self.world, ideas))

    def _enter(self, git: Git) -> Place:
        repository = repository_on(git)
        forge = GitForge(repository, "main", bot=BOT, clock=self.world.clock.now)
        return Place(repository, forge, self._settings)
