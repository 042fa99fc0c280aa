"""The scheduler: look, decide, start what is possible, wait for what ends first, look again.

One thread does all of it and is the only one that writes to the forge. Measurements and
proposals go on elsewhere (`bot.run.base`). What is in flight is known to this process only and
saves work; the truth is in the forge, so that it can be killed at any instant: the next one
takes a snapshot and goes on. `bot step` and `bot run` differ in their `Terms` alone.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot import interrupts
from bot.actions import Action, Stop
from bot.decide import Room, decide
from bot.errors import Stopped
from bot.forge.base import Conflict, WorktreeDirty
from bot.history.cost import Cost
from bot.history.spending import Totals
from bot.people.courtesy import Courtesy
from bot.people.plan import Answer, paused_text
from bot.proposing.place import Place
from bot.run import plan
from bot.run.acting import Hands
from bot.run.asking import Asking
from bot.run.base import (
    Answered,
    Concluded,
    Ended,
    Mailbox,
    Measured,
    Measurer,
    Message,
    Proposers,
    Seen,
    StopAsked,
)
from bot.run.drafts import Drafts
from bot.run.flights import Flights
from bot.run.report import caps_of, state_of
from bot.run.slots import Slots
from bot.run.state import Phase
from bot.run.teller import Teller
from bot.run.terms import STEP, Terms
from bot.run.troubles import Held, Troubles
from bot.snapshot import View, take, used

_MAX_CONFLICTS = 20
CAPPED = "the number of experiments that was asked for is reached"
TIME_UP = "the time that was asked for is over"
ASKED = "a clean stop was asked for"
NOTHING_LEFT = "there is nothing more to do"

Choose = Callable[[View, Room], tuple[Action, ...]]


@dataclass(frozen=True)
class Outcome:
    """What was achieved, and why it ended."""

    concluded: tuple[Concluded, ...]
    why: str


def everything(view: View, room: Room) -> tuple[Action, ...]:
    """What `decide` says: the usual choice."""
    return decide(view.snapshot, room)


@dataclass
class Scheduler:
    """Carries the programme on. Make one for each call of `run`.

    `seed` gives fresh seeds for training runs.
    """

    place: Place
    measurer: Measurer
    proposers: Proposers
    mailbox: Mailbox
    teller: Teller
    terms: Terms = STEP
    choose: Choose = everything
    seed: Callable[[], int] = lambda: secrets.randbelow(2**31)
    _concluded: list[Concluded] = field(default_factory=list)
    _why: str = ""  # set when nothing new is begun any more
    _view: View | None = None
    _used: Totals = field(default_factory=lambda: Totals(Cost(), 0, 0.0))
    _started: float = 0.0
    _courtesy: Courtesy = field(default_factory=Courtesy)

    def __post_init__(self) -> None:
        self._hands = Hands(self.place, self._now, self.seed)
        terms = self.terms
        self._troubles = Troubles(
            self.place, self.mailbox, self.teller, terms.patient, terms.must_propose
        )

    def run(self) -> Outcome:
        """Work until the terms are met, or until there is nothing to do and to wait for.

        Raises BotError, GitError, ForgeError: with a message that says what to do. Whatever
        it raises, nothing that it started goes on, and nothing is lost.
        """
        runner_class = self.measurer.runner_class()
        self.flights = Flights(
            self.measurer, self.mailbox, self.teller, self._hands, runner_class=runner_class
        )
        self.drafts = Drafts(self.proposers, self.mailbox)
        jobs = itertools.count(1)
        self._slots = Slots(self.flights, self._troubles, jobs)
        self._asking = Asking(
            self.place, self.drafts, self._troubles, self.teller, jobs=jobs, now=self._now
        )
        self._started = self.mailbox.now()
        try:
            while True:
                self._look()
                if self._over():
                    break
                self._wait()
        except (Exception, KeyboardInterrupt):
            self._abandon()
            raise
        self._abandon()
        self._beat(Phase.ENDED)
        if self._troubles.failure:
            raise self._troubles.failure
        return Outcome(tuple(self._concluded), self._why)

    # Looking

    def _look(self) -> None:
        """Do everything that is possible now, unless the forge is left alone now."""
        if not self._troubles.forge_rests:
            try:
                self._do_all()
                self._troubles.forge_is_well()
            except Exception as error:
                self._troubles.of_forge(error)
        self._beat()

    def _do_all(self) -> None:
        """Look as often as what was done makes more possible."""
        conflicts, again = 0, True
        while again:
            try:
                again = self._pass()
                conflicts = 0
            except Conflict:
                # Somebody else was first; nothing was changed. Look again.
                conflicts += 1
                if conflicts > _MAX_CONFLICTS:
                    raise
            self._beat()

    def _pass(self) -> bool:
        """Look once; whether to look again at once."""
        self.flights.keep()
        place = self.place
        view = take(place.repository, place.forge, place.settings, self.flights.runner_class)
        self._view = view
        self._used = used(place.repository, view.entries, view.audits, view.standings)
        for words in (words for each in view.standings for words in each.refused):
            self._troubles.say_once(words)
        self.flights.tidy(view)
        self._check_terms()
        actions = self._possible(view)
        first = None if self._enough() else plan.at_once(actions)
        if first:
            self._carry_out(first, view)
            self._check_terms()
            return not self._enough()
        if not self._why and not self._paused():
            self._asking.adopt(view)
        if self.drafts.arrived:
            self._asking.take_answer(view)
            return True
        self.flights.keep_to(actions)
        if not self._why:
            self._slots.fill(actions, view, self.drafts.revising)
            self._ask(actions, view)
        return self.drafts.arrived  # an answer that was there already

    def _possible(self, view: View) -> tuple[Action, ...]:
        """What there is to do now, but for what a person's edit is in the way of."""
        held = self._troubles.blocked()
        due = self._courtesy.due(view.snapshot.requests, self.mailbox.now())
        due = tuple(request for request in due if (Answer, request.number) not in held)
        view = replace(view, snapshot=replace(view.snapshot, requests=due))
        actions = self.choose(view, self._room())
        return tuple(action for action in actions if _held_as(action) not in held)

    def _room(self) -> Room:
        count = self.drafts.count
        if self._why or self._troubles.no_proposals:
            return Room(0, count)
        most = self.terms.max_in_flight
        if most is None:
            slots = len(self.measurer.slots)
            most = plan.in_flight(slots, self.drafts.durations_s, self.flights.durations_s)
        if self.terms.verdicts is not None:
            most = min(most, self.terms.verdicts - len(self._concluded))
        return Room(most, count)

    def _ask(self, actions: tuple[Action, ...], view: View) -> None:
        """Ask proposers for revisions and for new experiments."""
        if not self._paused():
            self._troubles.resumed()
        for stop in (action for action in actions if isinstance(action, Stop)):
            if self._paused():
                self._troubles.paused(Stopped(stop.why))
            else:
                self._troubles.close(Stopped(stop.why))
        self._asking.ask(actions, view)

    def _carry_out(self, action: Action, view: View) -> None:
        try:
            done = self._hands.carry_out(action, view)
        except WorktreeDirty as dirty:
            self._troubles.of_edit(_held_as(action), dirty)
            return
        if isinstance(action, Answer):
            self._courtesy.answered(action, self.mailbox.now())
        if isinstance(done, Concluded):
            self._concluded.append(done)
            self._troubles.verdict()
            self.teller.concluded(done)
        else:
            self.teller.say(done)

    # Waiting

    def _wait(self) -> None:
        """Until something ends, or it is time to look anyway."""
        until = self._next_look()
        while (message := self.mailbox.wait(until)) is not None:
            if self._handle(message):
                until = self.mailbox.now()  # look, but first take what else has come in
            self._beat()

    def _handle(self, message: Message) -> bool:
        """Take a message; whether it is worth a look."""
        match message:
            case Seen():
                self.flights.seen(message)
                return False
            case Measured():
                self.flights.measured(message)
                self._slots.keep()
                return False
            case Ended():
                self._slots.ended(message)
            case Answered():
                self.drafts.answered(message)
            case StopAsked():
                if self._why:
                    self.teller.say(f"It ends already: {self._why}. Ctrl-C again ends at once.")
                self._stop_cleanly(ASKED)
        return True

    def _next_look(self) -> float | None:
        now, every = self.mailbox.now(), self.terms.look_every_s
        times = [*self._troubles.timers(), *([self.terms.deadline] if self.terms.deadline else [])]
        if every is not None:
            times.append(now + every)
        return min((time for time in times if time > now), default=None)

    # Ending

    def _enough(self) -> bool:
        wanted = self.terms.verdicts
        return wanted is not None and len(self._concluded) >= wanted

    def _check_terms(self) -> None:
        if self._enough():
            self._stop_cleanly(CAPPED)
        elif self.terms.deadline is not None and self.mailbox.now() >= self.terms.deadline:
            self._stop_cleanly(TIME_UP)

    def _paused(self) -> bool:
        """Whether a person has paused the programme, and it is waited for them to start it."""
        by = self._view.snapshot.paused_by if self._view else None
        return self.terms.look_every_s is not None and by is not None

    def _waits_for(self) -> str:
        """What must pass before all goes on, in words: a trouble, or a person's pause."""
        by = self._view.snapshot.paused_by if self._view else None
        pause = paused_text(by) if by is not None and self._paused() else ""
        return pause or self._troubles.waits_for(self.measurer.slots)

    def _stop_cleanly(self, why: str) -> None:
        """Finish the runs and the proposals in flight, and begin nothing new."""
        if self._why:
            return
        self._why = why
        self.flights.finish()
        runs, ideas = len(self.flights.flights), self.drafts.thinking
        if runs or ideas:
            again = " Ctrl-C again ends at once." if why == ASKED else ""
            self.teller.say(
                f"Nothing new is begun: {why}. Finished first: runs in flight ({runs}) and "
                f"hypotheses being thought of ({ideas}).{again}"
            )
        self._beat()

    def _over(self) -> bool:
        if self._enough() and not self.terms.patient:
            return True
        if self.flights.flights or self.drafts.thinking or self.drafts.arrived:
            return False
        if self.flights.owing:
            return False  # the forge will take it
        if not self._why:
            if self._waits_for():
                return False
            self._why = self._troubles.closed or NOTHING_LEFT
        return True

    def _abandon(self) -> None:
        """End what is in flight; keep what is finished by then."""
        if not (self.flights.flights or self.drafts.thinking or self.flights.owing):
            return
        with interrupts.held():
            self.drafts.stop()
            self.flights.end_all()

    # How

    def _now(self) -> int:
        return int(self.mailbox.now())

    def _beat(self, phase: Phase | None = None) -> None:
        now, waits = self.mailbox.now(), self._waits_for()
        reasons = (self._why, waits or self._troubles.closed)
        state = state_of(
            self._view,
            self.flights,
            self.drafts,
            self._concluded,
            started=self._started,
            now=now,
            phase=phase or _phase(bool(self._why), bool(waits)),
            spent=self._used.cost,
            note="; ".join(dict.fromkeys(reason for reason in reasons if reason)),
            caps=caps_of(
                self.place.settings.caps,
                self._used,
                self.terms,
                concluded=len(self._concluded),
                started=self._started,
                now=now,
            ),
        )
        self.teller.beat(state)


def _phase(stopping: bool, waits: bool) -> Phase:
    if stopping:
        return Phase.STOPPING
    return Phase.WAITING if waits else Phase.WORKING


def _held_as(action: Action) -> Held:
    """What of it waits while an edit is in its way: an answer, say, not the verdict."""
    return type(action), getattr(action, "number", 0)
