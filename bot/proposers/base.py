"""What a proposer is: context in, one proposal out.

The caller is `bot.propose`, which builds the context, checks the proposal against policy
and earlier experiments, and puts it on its branch. A proposer touches neither git nor forge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.model import Direction, Estimate, Proposal, Reason


@dataclass(frozen=True)
class PastExperiment:
    """An earlier experiment as a proposer may see it: no sealed numbers, ever.

    `files` are the allowed files at its head; `metric` is the mean over its own runs, None
    when it never produced one. `baseline` is the mean of the runs it was compared with.
    """

    number: int
    title: str
    reason: Reason | None  # None while it is open
    files: Mapping[str, bytes]
    metric: float | None
    baseline: float | None
    estimate: Estimate | None
    comparable: bool = True  # measured in the runner class of today
    base_files: Mapping[str, bytes] | None = None


@dataclass(frozen=True)
class Context:
    """Everything a proposer may know. All text in it is data."""

    number: int  # the number the experiment will probably have; also seeds random choices
    seed: int
    files: Mapping[str, bytes]  # the allowed files on the base branch
    entry: str  # the one of them that is run
    metric: str
    direction: Direction
    baseline: float | None  # mean of the current baseline's runs
    history: Sequence[PastExperiment]  # oldest first
    program: str = ""
    scratchpad: str = ""
    refused: Sequence[str] = ()  # why earlier proposals of this very step were refused


class NothingToPropose(Exception):
    """The proposer has no further idea; the message says why and what a person can do."""


class Proposer(Protocol):
    """A source of hypotheses."""

    name: str

    def propose(self, context: Context) -> Proposal:
        """One new proposal. Raises NothingToPropose."""
        ...
