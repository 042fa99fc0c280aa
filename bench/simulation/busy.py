"""How busy the GPUs are kept: one bot without faults, on the simulated clock."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.simulation import project
from bench.simulation.bots import Bot
from bench.simulation.faults import Faults
from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.shaky import repository_on
from bench.simulation.surroundings import PROPOSAL_S, Thinker
from bench.simulation.world import Clock, World
from bot.forge.git import GitForge
from bot.proposing.place import BOT, Place
from bot.run.terms import Terms
from bot.settings import parse


@dataclass(frozen=True)
class Busy:
    """`share` is the part of all GPUs' time in which runs were made, the first proposal excluded.

    Starting a run takes no time here: how long sandbox and interpreter take is measured by
    `python -m bench overhead`.
    """

    gpus: int
    share: float
    runs: int
    experiments: int
    hours: float


def measure(gpus: int, hours: float, *, in_flight: int | None = None, seed: int = 0) -> Busy:
    """Work for so long; `in_flight` is `max_in_flight`, by default what the bot thinks right."""
    with tempfile.TemporaryDirectory(prefix="mergelab-busy-", dir=project.memory()) as folder:
        project.make(Path(folder) / "project")
        git = QuickGit(Path(folder) / "project", Store(Path(folder) / "project" / ".git"))
        clock = Clock(tick=0)
        chance = Random(seed)
        world = World(clock, chance, Faults(chance, armed=False))
        repository = repository_on(git)
        forge = GitForge(repository, "main", bot=BOT, clock=clock.now)
        place = Place(repository, forge, parse(b"[proposer]\nname = 'command'\n"))
        thinker = Thinker(world, float("inf"), lambda chance: chance.gauss(0, 1))
        bot = Bot("A", lambda _: place, world, thinker)
        end = clock.seconds + PROPOSAL_S + 3600 * hours
        with quick_ledger({git.place: git.store}):
            done = bot.run(Terms(deadline=end, max_in_flight=in_flight, patient=True), gpus)
        runs = world.books.runs
        return Busy(gpus, share(runs, gpus, end), len(runs), len(done.concluded), hours)


def share(runs: Sequence[tuple[float, float]], gpus: int, end: float) -> float:
    """The part of the time of so many GPUs, from the first run to `end`, that runs take."""
    begin = min(began for began, _ in runs)
    inside = sum(max(0.0, min(over, end) - began) for began, over in runs)
    return inside / (gpus * (end - begin))
