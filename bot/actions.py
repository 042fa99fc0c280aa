"""What there is to do: the actions that `bot.decide` chooses from, and others carry out.

Each says what is to be done and to what, never how.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.audits.plan import AuditAction
from bot.model import Purpose, Verdict
from bot.people.plan import PeopleAction
from bot.verdict import GuardResult


@dataclass(frozen=True)
class Propose:
    """Ask the proposer for a hypothesis and open it as an experiment."""


@dataclass(frozen=True)
class BeginPhase:
    """The present phase is over: write down that the next one begins."""

    name: str
    why: str


@dataclass(frozen=True)
class Stop:
    """Nothing more is proposed under bot.toml: a clean end, `why` tells what to do."""

    why: str


@dataclass(frozen=True)
class Measure:
    """Start an attempt: so many more runs of each side, interleaved, on fresh seeds."""

    number: int
    candidate_runs: int
    baseline_runs: int
    purpose: Purpose


@dataclass(frozen=True)
class Resume:
    """Finish an attempt that was interrupted: only its missing runs are made."""

    number: int
    attempt: str


@dataclass(frozen=True)
class Revise:
    """Ask a proposer for a new commit on the experiment's branch.

    With `guidance` it follows a person's words; without, it repairs what broke in the smoke run.
    `request` is the id of the comment that asked, empty for a repair: each is answered once.
    """

    number: int
    guidance: str | None = None
    request: str = ""


@dataclass(frozen=True)
class Conclude:
    """Give an experiment its verdict: merge it, or close it with the reason."""

    number: int
    verdict: Verdict
    guards: tuple[GuardResult, ...] = ()


@dataclass(frozen=True)
class AskPerson:
    """A revert conflicts with what came later: say so, and leave it to a person."""

    number: int


Idea = Propose | BeginPhase | Stop
Action = Idea | Measure | Resume | Revise | Conclude | AskPerson | AuditAction | PeopleAction
