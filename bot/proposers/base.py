"""What a proposer is: context in, one proposal out.

The caller is `bot.proposing.propose`, which builds the context, checks the proposal against policy
and earlier experiments, and puts it on its branch. A proposer touches neither git nor forge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.history.cost import Cost
from bot.history.past import settles
from bot.model import Direction, Estimate, Hypothesis, Proposal, Reason
from bot.policy.rules import Rules
from bot.proposers.account import Account, Left

LOCAL_TOOLS = frozenset({"view", "edit", "write", "history", "check", "submit"})
WEB_TOOLS = frozenset({"web_search", "web_fetch"})


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
    proposer: str = ""
    mark: str | None = None  # of the code that was judged, None: that of `files`; empty: of none

    @property
    def settled(self) -> bool:
        """Whether nobody may repeat it: the same rule by which a pull request is a duplicate."""
        if self.reason is None or self.mark == "":
            return self.reason is None
        compared = self.estimate is not None or None not in (self.metric, self.baseline)
        return settles(self.reason, compared=compared, here=self.comparable)


@dataclass(frozen=True)
class PhaseGrant:
    """What the present phase of the programme allows a proposer. People write it: trusted.

    `tools` are names from LOCAL_TOOLS and WEB_TOOLS; the latter take effect only together
    with `web_domains`. `model` and `effort` go before those of bot.toml. `max_changed_lines`
    counts added plus removed lines.
    """

    name: str = "default"
    scope: str = ""
    tools: frozenset[str] = LOCAL_TOOLS
    web_domains: tuple[str, ...] = ()
    model: str | None = None
    effort: str | None = None
    max_changed_lines: int | None = None


@dataclass(frozen=True)
class Remark:
    """What a person with write permission wrote on an experiment's pull request."""

    number: int
    author: str
    text: str


@dataclass(frozen=True)
class Revision:
    """An experiment to be revised: it broke in its smoke run, or a person asks for a change.

    `error` is the runner's typed word of it (type, line, stage), never the candidate's text;
    `guidance` is what a person with write permission wrote. One of the two is empty.
    """

    number: int
    hypothesis: Hypothesis
    files: Mapping[str, bytes]
    error: str = ""
    guidance: str = ""


class Conversation(Protocol):
    """Where a conversation is kept from answer to answer (`bot.proposing.journal.Journal`).

    A new one has no `proposer` and no `parts`. One that a killed process has left holds what that
    had kept last, by name, and has cost `cost`, all of it written down.
    """

    proposer: str
    parts: Mapping[str, bytes]
    cost: Cost

    def keep(self, proposer: str, parts: Mapping[str, bytes]) -> None:
        """How it stands now, as JSON data; written down with the cost that is settled next."""
        ...


_UNLIMITED = Left()


def _no_curve(number: int) -> tuple[tuple[float, float], ...]:
    del number
    return ()


@dataclass(frozen=True)
class Context:
    """Everything a proposer may know. All text in it is data, but for program and phase.

    There is no field for a sealed number, and none may be added.
    """

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
    imported: str = ""  # a history from elsewhere (bot.history.imported): no evidence
    most_beliefs: int = 4_000  # characters of the beliefs that the proposer maintains
    ahead: int = 0  # how many others are being thought of just now
    refused: Sequence[str] = ()  # why earlier proposals of this very step were refused
    rules: Rules | None = None  # what a change may be; None: only the files there are
    phase: PhaseGrant = PhaseGrant()
    remarks: Sequence[Remark] = ()  # oldest first
    revision: Revision | None = None
    base: str = ""  # the commit on the base branch that `files` are of
    left: Left = _UNLIMITED  # when it was asked; `account` knows what is left by now
    account: Account | None = None
    conversation: Conversation | None = None  # None: it is kept nowhere
    curve: Callable[[int], Sequence[tuple[float, float]]] = _no_curve
    """Pairs of (seconds, loss) that a finished experiment's candidate printed, if it did."""
    beside: str = ""
    """Stands for what the files need beside them, as it is today (`bot.history.fingerprint`)."""

    @property
    def allowed(self) -> Rules:
        """What a change may be, with the phase's own limit of size."""
        rules = self.rules or Rules(tuple(self.files), self.entry, max_bytes=200_000)
        limits = [rules.max_changed_lines, self.phase.max_changed_lines]
        lines = min((limit for limit in limits if limit is not None), default=None)
        return Rules(rules.paths, rules.entry, rules.max_bytes, lines)


class NothingToPropose(Exception):
    """The proposer has no further idea; the message says why and what a person can do."""


class ProposalFailed(Exception):
    """This attempt came to nothing. The message is the reason, safe to show and to log.

    `cost` was spent all the same. `again` tells whether another attempt makes sense now;
    `capped` that a cap of bot.toml was reached; `passing` that the network or a server is in
    trouble, so that later it may work; `mendable` that a person has to put something right first.
    """

    def __init__(
        self,
        reason: str,
        cost: Cost,
        *,
        again: bool = True,
        capped: bool = False,
        passing: bool = False,
        mendable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.cost = cost
        self.again = again and not capped
        self.capped = capped
        self.passing = passing
        self.mendable = mendable

    @property
    def later(self) -> bool:
        """Whether what was begun is worth going on with later."""
        return self.passing or self.capped or self.mendable


class Proposer(Protocol):
    """A source of hypotheses."""

    name: str

    def propose(self, context: Context) -> Proposal:
        """One new proposal, or a revision where `context.revision` asks for one.

        Raises:
            NothingToPropose: it has run out of ideas.
            ProposalFailed: this attempt came to nothing.
        """
        ...


class Spends(Protocol):
    """A proposer that costs something: `spent` counts since `propose` was last called.

    It is read when a call is interrupted and nothing else can tell what it had cost.
    """

    spent: Cost
