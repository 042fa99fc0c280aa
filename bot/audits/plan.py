"""When to audit which winners, and what becomes of them: the pure part of audits.

An audit measures the latest winners and their parents again, on fresh seeds, all of their code
interleaved on one machine; every run is also scored on the sealed split. A *session* is one
such round. Whether a winner replicates is decided on the validation split alone: what the
sealed split says is for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.model import Direction, Run
from bot.verdict import Evidence, MoreRuns, Replication, VerdictRule, replication

MAXIMUM_RUNS = 1_000
"""Of one session; what the runner takes in one batch."""


class AuditRule(BaseModel):
    """When winners are measured again, and when one of them did not replicate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Annotated[int, Field(ge=0, le=10_000)] = 5
    """A step begins an audit after so many merges since the last one; 0: only
    `python -m bot audit` does."""
    last: Annotated[int, Field(ge=1, le=500)] | None = None
    """How many of the latest winners an audit measures again; without it, those that were
    never audited."""
    runs: Annotated[int, Field(ge=2, le=100)] = 5
    """Fresh runs of each winner and of its parent."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """The loss against its parent that a winner may have, relative to the parent's mean; also
    the loss that its revert may have."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Level of the one-sided bounds that are compared with `margin`."""


@dataclass(frozen=True)
class OpenAudit:
    """A winner in a session of the runner class of now, without its ledger commit.

    `winner` and `parent` are its runs so far, `runs` how many of each the session planned, and
    `results` the indices of all the session's runs that have a result.
    """

    session: int
    number: int  # of the winner's experiment
    runs: int
    complete: bool  # every run of the whole session has its result
    winner: tuple[Run, ...] = ()
    parent: tuple[Run, ...] = ()
    results: frozenset[int] = frozenset()


@dataclass(frozen=True)
class AuditState:
    """What the forge and the ledger say of audits.

    `winners` are the merged experiments that could be audited here, oldest first, and
    `audited` those of them that were; `refuted` are (winner, session) whose audit said that it
    did not replicate and that nobody has proposed to take back yet.
    """

    rule: AuditRule = field(default_factory=AuditRule)
    winners: tuple[int, ...] = ()
    audited: frozenset[int] = frozenset()
    sessions: int = 0  # the highest number that a session ever had
    merges_since: int = 0  # winners merged since the latest audit
    open: tuple[OpenAudit, ...] = ()
    refuted: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class BeginAudit:
    """Start a session over the winners of these experiments."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class ContinueAudit:
    """Make the missing runs of a session."""

    session: int


@dataclass(frozen=True)
class ConcludeAudit:
    """Write down in the ledger what a session says of one winner."""

    session: int
    number: int
    result: Replication


@dataclass(frozen=True)
class Revert:
    """Propose to take a winner back that did not replicate."""

    number: int
    session: int


AuditAction = BeginAudit | ContinueAudit | ConcludeAudit | Revert


def next_action(
    state: AuditState,
    rule: VerdictRule,
    direction: Direction,
    repeats: Sequence[tuple[float, ...]] = (),
    pairs: Sequence[tuple[tuple[float, float], ...]] = (),
) -> AuditAction | None:
    """What an audit needs next: finish what was begun, then take back, then begin.

    None when no audit is due. `repeats` and `pairs` are what `Evidence` says of them.
    """
    for audit in state.open:
        if not audit.complete:
            return ContinueAudit(audit.session)
        evidence = Evidence(audit.winner, audit.parent, direction, tuple(repeats), tuple(pairs))
        result = verdict(evidence, rule, state.rule, audit.runs)
        if result is None:
            continue  # a session without a run of this winner says nothing of it
        return ConcludeAudit(audit.session, audit.number, result)
    if state.refuted:
        return Revert(*state.refuted[0])
    if state.rule.every and state.merges_since >= state.rule.every:
        numbers = due(state, state.rule.last)
        return BeginAudit(numbers) if numbers else None
    return None


def due(state: AuditState, last: int | None) -> tuple[int, ...]:
    """The winners that a session begun now would measure, oldest first.

    The latest `last` ones, or without it those that were never audited; in either case no
    more than fit into one batch.
    """
    fresh = [number for number in state.winners if number not in state.audited]
    wanted = list(state.winners[-last:]) if last else fresh
    most = max(1, MAXIMUM_RUNS // (2 * state.rule.runs))
    return tuple(wanted[-most:])


def verdict(
    evidence: Evidence, rule: VerdictRule, audit: AuditRule, runs: int
) -> Replication | None:
    """What a complete session says of one winner; None when it has no runs of it.

    On the sealed split, `evidence` carries the sealed scores instead of the values.
    """
    result = replication(evidence, rule, runs=runs, margin=audit.margin, alpha=audit.alpha)
    return None if isinstance(result, MoreRuns) else result
