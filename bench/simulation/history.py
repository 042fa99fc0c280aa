"""One history: a project, two bots and some people, from a seed to quiet."""

from __future__ import annotations

import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.simulation import project
from bench.simulation.embedded import Embedded
from bench.simulation.faults import Faults, Killed
from bench.simulation.invariants import Broken, check
from bench.simulation.on_github import OnGitHub
from bench.simulation.scene import Scene
from bench.simulation.world import START, Clock, World
from bot.errors import BaselineFails, BotError
from bot.forge.base import ForgeError
from bot.forge.git import store
from bot.git import GitError
from bot.run.terms import Terms

MOST_WAKE_UPS = 12
MOST_TO_QUIET = 12
ON_GITHUB = 4
"""One history of so many is played on the model of GitHub, the others on the embedded forge."""


@dataclass
class Outcome:
    """How a history went. `failure` is None, or what did not hold, with its last events."""

    seed: int
    forge: str
    failure: str | None
    faults: Counter[str]
    experiments: int
    hours: float  # simulated
    tip: str = ""  # the base branch at its end
    story: list[str] = field(default_factory=list)


def forge_of(seed: int) -> str:
    """On which forge the history of a seed is played: "git" or "github"."""
    return "github" if seed % ON_GITHUB == ON_GITHUB - 1 else "git"


def play(seed: int, *, quick: bool = True) -> Outcome:
    """The history of one seed; without `quick`, every git command is a process of git."""
    store.forget()
    with tempfile.TemporaryDirectory(prefix="mergelab-history-", dir=project.memory()) as folder:
        history = History(seed, Path(folder), quick=quick)
        failure = None
        with history.scene.quickly():
            try:
                history.play()
            except (Exception, Killed) as error:
                failure = f"{type(error).__name__}: {error}"
                if not isinstance(error, Broken):
                    failure += "\n" + "".join(traceback.format_tb(error.__traceback__)[-6:])
            return Outcome(
                seed=seed,
                forge=forge_of(seed),
                failure=failure,
                faults=history.world.faults.struck,
                experiments=len(history.scene.place.forge.pulls()),
                hours=(history.world.clock.seconds - START) / 3600,
                tip=history.scene.base(),
                story=history.story,
            )


class History:
    """Everything in a history: as many ideas and as much trouble as the seed wants."""

    def __init__(self, seed: int, folder: Path, *, quick: bool) -> None:
        self.chance = Random(f"history {seed}")
        intensity = self.chance.choice([0.3, 1.0, 2.0])
        faults = Faults(Random(f"faults {seed}"), intensity=intensity)
        self.world = World(Clock(), Random(f"bots {seed}"), faults)
        self.world.between = self._interlude
        self.world.say = self._say
        self.bases: list[str] = []
        self.story: list[str] = []
        self._acting: set[str] = set()
        make = OnGitHub if forge_of(seed) == "github" else Embedded
        self.scene: Scene = make(
            seed, folder / "project", self.world, quick=quick, wrote=self._watch
        )

    def play(self) -> None:
        """Trouble first, then without any faults until nothing is left to do."""
        faults = self.world.faults
        for _ in range(self.chance.randint(3, MOST_WAKE_UPS)):
            if faults.strikes("wake-up lost"):
                self.world.clock.sleep(600)
                continue
            bot = self.chance.choice(list(self.scene.bots))
            for _ in range(1 + faults.strikes("wake-up doubled")):
                self._wake(bot, self._terms(), self.chance.choice([1, 1, 2, 4]))
            if self.chance.random() < 0.5:
                self._say(self.scene.people.act())
            self._watch()
        with faults.silenced():
            self._drain()
            check(self.scene.place, self.world.books, self.bases)
            self.scene.check(self.world.books)

    def _terms(self) -> Terms:
        """A step, or a while of the overnight loop."""
        if self.chance.random() < 0.5:
            return Terms(verdicts=1)
        end = self.world.clock.seconds + self.chance.choice([600, 3600, 36000])
        most = self.chance.choice([None, 1, 3])
        return Terms(deadline=end, max_in_flight=most, patient=True, look_every_s=60)

    def _wake(self, bot: str, terms: Terms, slots: int) -> None:
        """Let a bot run once, to its own end or to that of its process."""
        self._acting.add(bot)
        self.scene.pass_time()
        try:
            outcome = self.scene.run(bot, terms, slots)
        except Killed as death:
            self._say(f"{bot}: killed {death}")
        except BaselineFails:
            self._say(f"{bot}: the baseline fails")
            self._say(self.scene.people.mend())
        except (BotError, ForgeError, GitError) as error:
            self._say(f"{bot}: {type(error).__name__}: {error}")
        else:
            self._say(f"{bot}: {len(outcome.concluded)} verdicts, {outcome.why}")
        finally:
            self._acting.discard(bot)

    def _interlude(self, acting: str) -> None:
        """Between any two things that one bot does, others may act."""
        self.scene.pass_time()
        if len(self._acting) > 1:
            return
        if self.world.faults.strikes("another bot in between"):
            others = [name for name in self.scene.bots if name != acting]
            self._wake(self.chance.choice(others), Terms(verdicts=1), 1)
        if self.world.faults.strikes("a person in between"):
            self._say(self.scene.people.act())

    def _drain(self) -> None:
        """Every bot in turn, patiently, until none changes anything."""
        self._say(self.scene.people.release())
        names = list(self.scene.bots)
        quiet = 0
        for turn in range(MOST_TO_QUIET):
            before = self.scene.state()
            self._wake(names[turn % len(names)], Terms(max_in_flight=None, patient=True), 2)
            self.world.clock.sleep(3600)
            self.scene.pass_time()
            self._watch()
            quiet = quiet + 1 if before == self.scene.state() else 0
            if quiet == len(names):
                return
        raise Broken(f"not quiet after {MOST_TO_QUIET} more runs")

    def _watch(self) -> None:
        base = self.scene.base()
        if self.bases[-1:] != [base]:
            self.bases.append(base)

    def _say(self, words: str) -> None:
        self.story.append(words[:300])
