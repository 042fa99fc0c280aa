"""What went wrong lately: whether it is waited for, until when, or ends the work."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.errors import BotError, RunnerFailed, Stopped
from bot.history.spending import CapReached
from bot.notify.send import tell_of
from bot.proposers.base import NothingToPropose
from bot.proposing.place import Place
from bot.proposing.propose import NoProposal
from bot.run.base import Mailbox
from bot.run.patience import LONGEST_S, Patience, passes
from bot.run.teller import Teller

_MOST_EMPTY = 5  # proposals in a row that came to nothing, before no more are asked for
_EDIT_S = 30.0  # between two looks whether an edit is still in the way of a merge

Held = tuple[type[Any], int]
"""What is put off because of a person's edit: a kind of action, and its experiment or 0."""


@dataclass(frozen=True)
class _PutOff:
    until: float = 0.0
    why: str = ""


@dataclass
class Troubles:
    """Raises what ends the work; keeps, until when to leave alone, what may pass.

    Without `patient` everything ends it, but for what leaves nothing to propose where that is
    no error (not `must_propose`).
    """

    place: Place
    mailbox: Mailbox
    teller: Teller
    patient: bool
    must_propose: bool = True
    closed: str = ""  # why nothing is proposed any more
    failure: Exception | None = None  # to be raised once what is open is finished
    _forge: Patience = field(default_factory=Patience)
    _proposers: Patience = field(default_factory=Patience)
    _runners: dict[str, Patience] = field(default_factory=dict)  # by slot
    _forge_off: _PutOff = _PutOff()
    _proposers_off: _PutOff = _PutOff()
    _slots_off: dict[str, _PutOff] = field(default_factory=dict)
    _edits_off: dict[Held, _PutOff] = field(default_factory=dict)
    _empty: int = 0
    _until_verdict: bool = False  # closed for want of ideas, which a verdict may bring
    _paused: bool = False
    _told: set[str] = field(default_factory=set)

    def timers(self) -> list[float]:
        """When each thing that was put off is tried again; some may be past."""
        return [one.until for one in (*self._put_off(), *self._slots_off.values())]

    def waits_for(self, slots: Collection[str]) -> str:
        """What must pass before all can go on, in words; empty when nothing must.

        A slot that rests is no reason to wait while another one of `slots` works.
        """
        now = self.mailbox.now()
        reasons = [one.why for one in self._put_off() if one.until > now]
        if slots and all(map(self.slot_rests, slots)):
            reasons += [self._slots_off[slot].why for slot in slots]
        return next(iter(reasons), "")

    def _put_off(self) -> Iterator[_PutOff]:
        yield self._forge_off
        yield self._proposers_off
        yield from self._edits_off.values()

    @property
    def forge_rests(self) -> bool:
        """Whether the forge is left alone now."""
        return self.mailbox.now() < self._forge_off.until

    @property
    def no_proposals(self) -> bool:
        """Whether nothing new is proposed now, or ever again."""
        return bool(self.closed) or self.mailbox.now() < self._proposers_off.until

    def slot_rests(self, slot: str) -> bool:
        """Whether a slot is left alone now."""
        return self._slots_off.get(slot, _PutOff()).until > self.mailbox.now()

    def blocked(self) -> frozenset[Held]:
        """What waits until an edit of a person's is out of its way."""
        now = self.mailbox.now()
        return frozenset(held for held, off in self._edits_off.items() if off.until > now)

    def of_forge(self, error: Exception) -> None:
        """The forge, or git, did not do something."""
        if not self.patient or not passes(error):
            raise error
        delay = self._forge.delay_s(error)
        self._forge_off = self._until(delay, error)
        self.teller.say(f"{error} Trying again in {delay:.0f} s.")

    def of_runner(self, slot: str, error: RunnerFailed, slots: Collection[str]) -> None:
        """A runner failed on one of `slots`.

        Once it has failed again and again, its slot is left alone for long, and tried again; where
        all slots came to that, it is raised.
        """
        if not self.patient:
            raise error
        patience = self._runners.setdefault(slot, Patience())
        delay = patience.delay_s(error)
        if not patience.at_an_end:
            self.teller.say(f"{slot}: {error} Trying again in {delay:.0f} s.")
        elif all(one in self._runners and self._runners[one].at_an_end for one in slots):
            raise error
        else:
            delay = LONGEST_S
            self.say_once(
                f"{slot}: {error} So it ended again and again: it is tried every "
                f"{delay / 60:.0f} minutes, and the other slots go on."
            )
        self._slots_off[slot] = self._until(delay, error)

    def of_edit(self, held: Held, error: Exception) -> None:
        """A person's edit is in the way of something: a verdict, a new phase."""
        if not self.patient:
            raise error
        self.say_once(str(error))
        self._edits_off[held] = self._until(_EDIT_S, error)

    def of_proposer(self, none: NoProposal) -> None:
        """A proposer had nothing to offer this time."""
        self._empty += not none.passing
        if not self.patient or self._empty >= _MOST_EMPTY:
            self.close(none)
            return
        delay = self._proposers.next_delay_s()
        self._proposers_off = self._until(delay, none)
        self.teller.say(f"{none} Asking again in {delay:.0f} s.")

    def close(self, error: Exception) -> None:
        """Propose nothing more; what is open is still finished.

        For want of ideas that holds until the next verdict: what it shows may lead to others.
        """
        if not self.patient and self.must_propose:
            raise BotError(str(error)) if isinstance(error, NothingToPropose) else error
        says_so = isinstance(error, CapReached)
        words = str(error) if says_so else f"Nothing more is proposed: {error}"
        if not isinstance(error, NothingToPropose | CapReached | Stopped):
            self.failure = error  # raised in the end, and told of then
        elif not self.closed and words not in self._told:
            tell_of(error, self.place.settings, self.place.repository.path)
        lasting = bool(self.closed) and not self._until_verdict
        self._until_verdict = isinstance(error, NothingToPropose) and not lasting
        self.closed = str(error)
        self.say_once(words)

    def verdict(self) -> None:
        """An experiment has ended: who had no ideas is asked again."""
        if self._until_verdict:
            self.closed, self._until_verdict = "", False

    def paused(self, stopped: Stopped) -> None:
        """A person has paused the programme, and it is waited for them: told of once."""
        if not self._paused:
            tell_of(stopped, self.place.settings, self.place.repository.path)
            self.teller.say(str(stopped))
        self._paused = True

    def resumed(self) -> None:
        """Nothing is paused: another pause is worth another word."""
        self._paused = False

    def forge_is_well(self) -> None:
        """A look has succeeded."""
        self._forge.succeeded()

    def proposers_are_well(self) -> None:
        """A proposal was opened."""
        self._empty = 0
        self._proposers.succeeded()

    def slot_is_well(self, slot: str) -> None:
        """A runner has done its work."""
        self._runners.pop(slot, None)

    def _until(self, delay_s: float, error: Exception) -> _PutOff:
        return _PutOff(self.mailbox.now() + delay_s, str(error))

    def say_once(self, words: str) -> None:
        """Tell people what comes back at every look."""
        if words not in self._told:
            self._told.add(words)
            self.teller.say(words)
