"""What the scheduler is surrounded by: time, waiting, whoever measures, whoever proposes.

The scheduler (`bot.run.scheduler`) is one thread that decides, writes to the forge and waits.
Everything that takes long is a *job*: it is started here, goes on elsewhere (a thread and a
process, another machine, a simulation), and comes back as messages. Implementations:
`bot.run.local` and `bot.measuring` for this machine, `bench.simulation` with a simulated clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.forge.base import PlannedRun, PullRequest
from bot.history.multiplicity import Multiplicity
from bot.model import Proposal, Verdict
from bot.proposers.base import Context
from runner.events import Event


@dataclass(frozen=True)
class Concluded:
    """What a step achieved: an experiment and its verdict."""

    pull: PullRequest
    verdict: Verdict
    multiplicity: Multiplicity | None = None


@dataclass(frozen=True)
class Order:
    """Runs to be made on one slot in the given order: of an attempt, or of an audit.

    `runs` are those that have no result yet, with their index in the attempt, which has `total`
    of them. `number` is the experiment, and `head` what was merged into the base branch for it;
    None and empty for an audit.
    """

    attempt: str
    number: int | None
    runs: tuple[tuple[int, PlannedRun], ...]
    total: int
    head: str = ""
    sealed: bool = False  # also score each on the sealed split: for audits alone


@dataclass(frozen=True)
class Measured:
    """A run is finished: its index in the attempt and the measurement as JSON data."""

    job: int
    index: int
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """Something happened in a measurement that people may like to see."""

    job: int
    event: Event


@dataclass(frozen=True)
class Ended:
    """A measurement is over, whether or not all of its runs were made; nothing follows.

    `error` is what the runner (never a candidate) failed with.
    """

    job: int
    error: Exception | None = None


@dataclass(frozen=True)
class Answered:
    """A proposer has answered, with a proposal or with what it raised."""

    job: int
    proposal: Proposal | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class StopAsked:
    """A person asked for a clean stop: finish what is in flight, begin nothing new."""


Message = Measured | Seen | Ended | Answered | StopAsked
Post = Callable[[Message], None]
"""Hands a message over; may be called from any thread."""


class Mailbox(Protocol):
    """Time, and waiting for whatever happens first."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def post(self, message: Message) -> None:
        """Leave a message, from any thread or from a signal's handler."""
        ...

    def wait(self, until: float | None) -> Message | None:
        """The next message, in the order of their arrival; None when it is `until` first.

        `until` in the past only looks; None waits for ever.
        """
        ...


class Job(Protocol):
    """Something in flight. Both calls return at once and may come at any time, also twice."""

    def finish(self) -> None:
        """Begin no further run after the one in flight."""
        ...

    def stop(self) -> None:
        """End now; the run (or the model's answer) in flight is lost.

        A measurement still posts `Ended`, soon.
        """
        ...


class Measurer(Protocol):
    """Makes runs, one order at a time on each slot."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Where runs can be made, in order of preference: a GPU each, or the cores together.

        Known once `runner_class` was called.
        """
        ...

    def runner_class(self) -> str:
        """The comparable class of the results; gets ready what measuring needs.

        Raises RunnerFailed.
        """
        ...

    def elsewhere(self, attempts: Collection[str]) -> frozenset[str]:
        """Those of these unfinished attempts that are being measured, but by no job of ours.

        A workflow that was dispatched is one; what was measured on this machine by a process
        that is gone is none.
        """
        ...

    def start(self, job: int, order: Order, slot: str, post: Post) -> Job:
        """Begin. Posts `Measured` as soon as a run is finished, `Seen`, and `Ended` at last.

        Whoever hands the order on to others posts `Ended` at once, and counts the attempt
        among those `elsewhere`.
        """
        ...


class Proposers(Protocol):
    """Asks for hypotheses, several at once if need be."""

    def start(self, job: int, name: str, told: Context, post: Post) -> Job:
        """Ask the proposer called `name` for one proposal, or for a revision.

        Posts `Answered`; what it cost has been written down by then.
        """
        ...
