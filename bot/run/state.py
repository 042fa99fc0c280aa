"""How a scheduler stands, as people and outside monitors see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """What the scheduler as a whole is doing."""

    WORKING = "working"
    WAITING = "waiting"  # for a network, a server or a person, to try again
    STOPPING = "stopping"  # finishes what is in flight and begins nothing new
    ENDED = "ended"


@dataclass(frozen=True)
class SlotState:
    """One slot: a GPU, or the cores together. `attempt` is empty where nothing is measured."""

    name: str
    attempt: str = ""
    experiment: int | None = None  # None also for an audit
    done: int = 0  # runs of the attempt that have their result
    total: int = 0
    since: float = 0.0  # when the order began, seconds since 1970


@dataclass(frozen=True)
class Cap:
    """A limit: its name in bot.toml or on the command line, what is used up, and the limit."""

    name: str
    used: float
    limit: float


@dataclass(frozen=True)
class State:
    """Everything at one moment. Times are seconds since 1970.

    `queue` are experiments that wait for a slot; `best` is the mean of the baseline's runs;
    `busy` the share of all slots' time, since the start, in which runs were made.
    """

    started: float
    now: float
    phase: Phase
    slots: tuple[SlotState, ...] = ()
    thinking: int = 0
    queue: tuple[int, ...] = ()
    concluded: int = 0
    merged: int = 0
    best: float | None = None
    usd: float = 0.0
    tokens: int = 0
    busy: float | None = None
    caps: tuple[Cap, ...] = field(default_factory=tuple)
    note: str = ""  # why it waits, stops or has ended
