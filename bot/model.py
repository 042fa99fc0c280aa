"""The words of the design as types: experiments, runs, estimates and verdicts.

Everything here is plain and frozen, imports nothing heavy, and is shared by the pure core
(`decide`, `verdict`), the forges, the ledger and the views.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bot.history.cost import Cost


class Outcome(StrEnum):
    """The two ways in which an experiment ends."""

    MERGED = "merged"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why an experiment ended as it did: the typed part of a verdict."""

    # merged
    IMPROVEMENT = "improvement"
    SIMPLER = "simpler"
    UNMEASURED = "unmeasured"
    DID_NOT_REPLICATE = "did-not-replicate"
    # closed
    WORSE = "worse"
    NO_EVIDENCE = "no-evidence"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    INVALID_OUTPUT = "invalid-output"
    FORBIDDEN_CHANGE = "forbidden-change"
    STALE = "stale"
    DUPLICATE = "duplicate"
    BY_HUMAN = "by-human"

    __hash__ = str.__hash__  # asked for thousands of times; that of an Enum is slower

    @property
    def outcome(self) -> Outcome:
        """The outcome that goes with this reason."""
        return Outcome.MERGED if self in _MERGED else Outcome.CLOSED

    @property
    def tested(self) -> bool:
        """Whether the sequential test judged it, and so had its chance of a false merge."""
        return self in _TESTED


_MERGED = {Reason.IMPROVEMENT, Reason.SIMPLER, Reason.UNMEASURED, Reason.DID_NOT_REPLICATE}
_TESTED = {Reason.IMPROVEMENT, Reason.SIMPLER, Reason.WORSE, Reason.NO_EVIDENCE}


class Side(StrEnum):
    """Which of the two files in a comparison a run belongs to."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"


class Purpose(StrEnum):
    """Why a run was made. Confirmation runs alone make the claimed gain."""

    SCREEN = "screen"
    TEST = "test"
    CONFIRM = "confirm"
    SIMPLIFY = "simplify"
    AUDIT = "audit"


class Direction(StrEnum):
    """Which way the metric is better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Run:
    """One finished measurement, reduced to what a verdict needs.

    `value` is None unless `status` is "ok". `subject` is the digest of the measured files:
    runs of one subject in one runner class are repetitions of the same code.
    """

    subject: str
    seed: int
    status: str
    value: float | None
    purpose: Purpose
    runner_class: str
    attempt: str = ""
    duration_s: float = 0.0
    secondary: tuple[tuple[str, float], ...] = ()
    message: str = ""  # the runner's one line about a failure


@dataclass(frozen=True)
class Estimate:
    """Candidate minus baseline in the metric's own units, with a two-sided interval."""

    difference: float
    low: float
    high: float
    level: float  # of the interval, for example 0.95
    candidate_mean: float
    baseline_mean: float
    candidate_runs: int
    baseline_runs: int
    degrees_of_freedom: float


@dataclass(frozen=True)
class Verdict:
    """What became of an experiment, and why, in words for a person."""

    reason: Reason
    explanation: str
    estimate: Estimate | None = None

    @property
    def outcome(self) -> Outcome:
        """Merged or closed."""
        return self.reason.outcome

    @property
    def merged(self) -> bool:
        """Whether the candidate became the baseline."""
        return self.outcome is Outcome.MERGED


@dataclass(frozen=True)
class Hypothesis:
    """One idea with its rationale, as a proposer states it."""

    title: str  # one line, imperative
    rationale: str
    falsified_by: str = ""  # what result would refute it
    expected: str = ""  # the expected effect, in words


@dataclass(frozen=True)
class Source:
    """A page of the web that a proposal refers to. The title is text from outside."""

    url: str
    title: str = ""


@dataclass(frozen=True)
class Proposal:
    """What a proposer hands out: a hypothesis and the complete new text of the files it edits."""

    hypothesis: Hypothesis
    files: dict[str, bytes]
    proposer: str
    cost: Cost = field(default_factory=Cost)
    notes: str = ""  # the beliefs of the scratchpad as they should stand; empty: no change
    sources: tuple[Source, ...] = ()
    kept: tuple[str, str] | None = None  # ref and commit, see bot.proposing.kept
