"""What was paid for, exactly: every run and every call of a model, whatever the bots wrote down.

A piece of work is begun, finished, handed in to the forge and kept there. It may be begun again
only if what came of it was lost with a process: in flight at its end, or finished in that instant
or while the forge did not take it. One that was finished when its process waited for something
else may not: it was neglected, which is a defect of the bot, as it is to begin one whose result
was known. Two bots that begin the same at the
same time are none (a lock saves that where they share a clone): it is counted as `raced`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

MARKED = 64
"""So many calls can be told from each other."""
_BITS = 2

Name = tuple[object, ...]
"""A run by attempt and index, a revision by experiment and what was asked, a new idea by number."""


def tokens(call: int) -> int:
    """What a call of a model takes: in a sum of calls it tells this one from all others."""
    return 1 << _BITS * call if call < MARKED else 0


def times(call: int, total: int) -> int:
    """How often a sum of tokens has this call; right up to three times."""
    return (total >> _BITS * call) % (1 << _BITS)


class PaidTwice(AssertionError):
    """Something was paid for again although its result was, or should have been, known."""


class Unnoted(AssertionError):
    """What a call of a model has cost was not written down, and nothing was in the way."""


class Stage(StrEnum):
    """How far a piece of work has come."""

    IN_FLIGHT = "in flight"
    FINISHED = "finished"
    NEGLECTED = "finished, and not handed in"
    HANDED_IN = "handed in"
    KEPT = "kept"
    LOST = "lost"


@dataclass
class Work:
    """One piece of work, the last time it was begun."""

    by: Process
    stage: Stage = Stage.IN_FLIGHT
    kept_at: int = 0  # a moment of the books


@dataclass(eq=False)
class Process:
    """One process of a bot, or one run of a workflow, from its start to its end."""

    name: str
    looked_at: int = 0  # when it last took a snapshot, a moment of the books
    troubled: bool = False  # the forge or git has failed, and was not well since
    ended: bool = False
    misled: bool = False  # GitHub has answered it with an older list
    listed: bool = False  # a workflow that GitHub shows: whoever looks there knows of it
    calls: list[int] = field(default_factory=list)  # of a model, by number


@dataclass
class Books:
    """The accounts of a history."""

    works: dict[Name, Work] = field(default_factory=dict)
    made: set[tuple[str, int]] = field(default_factory=set)  # runs by digest of files and seed
    begun: Counter[Name] = field(default_factory=Counter)
    lost: Counter[Name] = field(default_factory=Counter)
    raced: Counter[Name] = field(default_factory=Counter)
    calls: int = 0  # of a model, each paid for
    unnoted: set[int] = field(default_factory=set)  # of these, known to nobody: their process broke
    runs: list[tuple[float, float]] = field(default_factory=list)  # beginning and end of each
    _moments: count[int] = field(default_factory=lambda: count(1))

    def look(self, by: Process) -> None:
        """A process has taken a snapshot: it knows all that is kept."""
        by.looked_at = next(self._moments)

    def begin(self, name: Name, by: Process) -> None:
        """Somebody pays for it. Raises PaidTwice."""
        known = self.works.get(name)
        if known and known.stage is not Stage.LOST:
            late = known.stage is Stage.KEPT and known.kept_at > by.looked_at
            another = known.stage is not Stage.KEPT and known.by is not by and not known.by.ended
            another &= not (known.by.listed and by.listed)
            if not (late or another):
                raise PaidTwice(f"{name} was paid for again by {by.name}: it was {known.stage}")
            self.raced[name] += 1
        self.begun[name] += 1
        self.works[name] = Work(by)

    def finish(self, name: Name, by: Process) -> None:
        """Its result is there."""
        self._move(name, by, Stage.FINISHED)

    def hand_in(self, name: Name, by: Process) -> None:
        """It is being written down."""
        self._move(name, by, Stage.HANDED_IN)

    def keep(self, name: Name) -> None:
        """It is written down, whoever did that."""
        work = self.works.get(name)
        if work and work.stage is not Stage.KEPT:
            work.stage, work.kept_at = Stage.KEPT, next(self._moments)

    def lose(self, name: Name, by: Process) -> None:
        """It was given up in flight, or GitHub lost it."""
        work = self.works.get(name)
        if work and work.by is by and work.stage is not Stage.KEPT:
            self._lost(name, work)

    def wait(self, by: Process) -> None:
        """A process has nothing to do: what is finished has been handed in, if that can be."""
        for work in self.works.values():
            if work.by is by and work.stage is Stage.FINISHED and not by.troubled:
                work.stage = Stage.NEGLECTED

    def end(self, process: Process) -> None:
        """A process is gone, killed or not, and all that it was about to hand in."""
        process.ended = True
        for name, work in self.works.items():
            if work.by is process and work.stage not in {Stage.KEPT, Stage.NEGLECTED}:
                self._lost(name, work)

    def settle(self, process: Process, noted: int, *, struck: bool) -> None:
        """A process is gone; `noted` are the tokens of all calls where its notes outlive it.

        Only where a fault `struck` may what a call of its has cost be known to nobody.
        Raises Unnoted.
        """
        marked = (call for call in process.calls if call < MARKED)
        missing = {call for call in marked if not times(call, noted)}
        if missing and not struck:
            raise Unnoted(f"nobody knows what calls {missing} of {process.name} have cost")
        self.unnoted |= missing

    def _lost(self, name: Name, work: Work) -> None:
        work.stage = Stage.LOST
        self.lost[name] += 1

    def _move(self, name: Name, by: Process, stage: Stage) -> None:
        work = self.works.get(name)
        if work and work.by is by and work.stage is not Stage.KEPT:
            work.stage = stage
