"""The slots: what is measured next on those that are free, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.actions import Action
from bot.errors import RunnerFailed
from bot.run import plan
from bot.run.base import Ended
from bot.run.flights import Flights
from bot.run.troubles import Troubles
from bot.snapshot import View


@dataclass(frozen=True)
class Slots:
    """Has measured what was decided on, each order under the next number of `jobs`."""

    flights: Flights
    troubles: Troubles
    jobs: Iterator[int]

    def fill(self, actions: tuple[Action, ...], view: View, revising: frozenset[int]) -> None:
        """Begin on free slots what nobody measures yet; not the experiments in `revising`.

        Raises Conflict when somebody else was first.
        """
        flights = self.flights
        free = [slot for slot in flights.free() if not self.troubles.slot_rests(slot)]
        unfinished = [
            one.experiment.unfinished_attempt
            for one in view.standings
            if one.experiment.unfinished_attempt
        ]
        elsewhere = flights.measurer.elsewhere(unfinished)
        busy = revising | flights.busy
        busy |= {
            one.pull.number
            for one in view.standings
            if one.experiment.unfinished_attempt in elsewhere
        }
        chosen = plan.to_measure(actions, len(free), busy, auditing=flights.auditing)
        for action, slot in zip(chosen, free, strict=False):
            flights.begin(next(self.jobs), action, slot, view)

    def keep(self) -> None:
        """Hand in results at once, unless the forge is left alone now."""
        if self.troubles.forge_rests:
            return
        try:
            self.flights.keep()
        except Exception as error:
            self.troubles.of_forge(error)

    def ended(self, message: Ended) -> None:
        """Take a measurement off its slot; what it failed with is a trouble."""
        flight = self.flights.ended(message)
        if flight is None:
            return
        try:
            if message.error is not None:
                raise message.error
            if flight.baseline_unknown:
                self.flights.hands.executor.check_baseline_works(flight.order)
            self.troubles.slot_is_well(flight.slot)
        except RunnerFailed as error:
            self.troubles.of_runner(flight.slot, error, self.flights.measurer.slots)
        except Exception as error:
            self.troubles.of_forge(error)
