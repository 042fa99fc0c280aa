"""A bot in a simulation: the production scheduler, one process after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.simulation.books import Process
from bench.simulation.surroundings import (
    Silent,
    SimulatedMailbox,
    SimulatedProposers,
    SimulatedRunner,
    Thinker,
)
from bench.simulation.world import World
from bot.actions import Action
from bot.decide import Room
from bot.forge.github.client import GitHubClient
from bot.git import Identity
from bot.history import spending
from bot.history.cost import Cost
from bot.proposing.place import BOT, Place
from bot.run.base import Measurer
from bot.run.scheduler import Choose, Outcome, Scheduler, everything
from bot.run.terms import Terms
from bot.snapshot import View
from bot.workflows import terms as workflows
from bot.workflows.measurer import WorkflowMeasurer
from bot.workflows.runs import Runs


def _in_its_clone(place: Place) -> Cost:
    return spending.noted(place.repository)


@dataclass
class Bot:
    """One that measures on its own machine. `enter` gives a new process its view of the place.

    `noted` is what calls of models have cost by the notes that outlive a process.
    """

    name: str
    enter: Callable[[Process], Place]
    world: World
    thinker: Thinker
    noted: Callable[[Place], Cost] = _in_its_clone

    def run(self, terms: Terms, slots: int = 1) -> Outcome:
        """A process from its start to its end. Raises what ends it."""
        process = Process(self.name)
        place = self.enter(process)
        mailbox = SimulatedMailbox(self.world, process)
        names = tuple(f"gpu {number}" for number in range(slots))
        runner = SimulatedRunner(place.repository, self.world, mailbox, process, names)
        return carry_on(
            self,
            place=place,
            process=process,
            mailbox=mailbox,
            measurer=runner,
            terms=terms,
            choose=everything,
        )


@dataclass
class WorkflowBot:
    """One whose measurements are workflows: `step.yml`. `enter` gives a process its clone.

    That ends with the process: `noted` is what GitHub knows of the cost of calls.
    """

    name: str
    enter: Callable[[Process], tuple[Place, GitHubClient]]
    world: World
    thinker: Thinker
    noted: Callable[[Place], Cost]

    def run(self, terms: Terms, slots: int = 1) -> Outcome:
        """One step: everything that is possible now. Raises what ends it."""
        del terms, slots
        process = Process(self.name)
        place, client = self.enter(process)
        say, settings = self.world.say, place.settings
        measurer = WorkflowMeasurer(
            place.repository, place.forge, settings, Runs(client, "main"), say
        )
        mailbox = SimulatedMailbox(self.world, process)
        terms = workflows.terms(settings)
        return carry_on(
            self,
            place=place,
            process=process,
            mailbox=mailbox,
            measurer=measurer,
            terms=terms,
            choose=workflows.choose,
        )


def carry_on(
    bot: Bot | WorkflowBot,
    *,
    place: Place,
    process: Process,
    mailbox: SimulatedMailbox,
    measurer: Measurer,
    terms: Terms,
    choose: Choose,
) -> Outcome:
    """Run the scheduler in a process; its accounts are closed however it ends."""
    world = bot.world
    struck = world.faults.struck.total()

    def looked(view: View, room: Room) -> tuple[Action, ...]:
        world.books.look(process)
        return choose(view, room)

    try:
        place.forge.recover()
        who = Identity(BOT.name, BOT.id)
        spending.share(place.repository, place.forge.own_refs, who, world.clock.now())
        scheduler = Scheduler(
            place,
            measurer,
            SimulatedProposers(place, world, mailbox, process, bot.thinker),
            mailbox,
            Silent(lambda words: world.say(f"{bot.name}: {words}")),
            terms,
            looked,
            seed=lambda: world.chance.randrange(2**31),
        )
        return scheduler.run()
    finally:
        world.books.end(process)
        noted = bot.noted(place).input_tokens
        world.books.settle(process, noted, struck=world.faults.struck.total() > struck)
