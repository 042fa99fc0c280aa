"""Which of the possible actions are carried out now, on how many slots, in which order. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from statistics import quantiles

from bot.actions import Action, AskPerson, BeginPhase, Conclude, Measure, Propose, Resume, Revise
from bot.audits.plan import BeginAudit, ConcludeAudit, ContinueAudit, Revert
from bot.model import Purpose
from bot.people.plan import PeopleAction

Longer = Measure | Resume | BeginAudit | ContinueAudit
"""Actions that need a slot."""

_AUDIT_RANK = 2
_RANKS = {Purpose.CONFIRM: 0, Purpose.TEST: 1, Purpose.SIMPLIFY: 1, Purpose.SCREEN: 3}
_UNKNOWN_RATIO = 1.0
_ENOUGH_OBSERVATIONS = 3
_RESERVE = 1.5
_AT_ONCE = 0.01  # proposals that take no more than this share of a run are not made ahead
_MOST_IN_THE_MAKING = 8  # for each slot, however slow the proposer is


def at_once(actions: Iterable[Action]) -> Action | None:
    """The first action that needs no slot and changes what the others are decided on."""
    kinds = Conclude | AskPerson | BeginPhase | ConcludeAudit | Revert | PeopleAction
    return next((action for action in actions if isinstance(action, kinds)), None)


def to_measure(
    actions: Iterable[Action], free: int, busy: Collection[int], *, auditing: bool = False
) -> tuple[Longer, ...]:
    """What to start on `free` slots, in this order.

    `busy` are the experiments that are being measured already, `auditing` tells the same of an
    audit. What was begun goes first, and the nearer to its end the earlier: so that as few
    experiments as possible are overtaken by a winner. Among equals the oldest goes first.
    """
    waiting = [action for action in actions if _waits(action, busy, auditing=auditing)]
    ranked = sorted(enumerate(waiting), key=lambda pair: (_rank(pair[1]), pair[0]))
    return tuple(action for _, action in ranked[: max(0, free)] if isinstance(action, Longer))


def to_revise(actions: Iterable[Action], busy: Collection[int]) -> tuple[Revise, ...]:
    """The revisions to ask for now; of the experiments in `busy` they are asked for already."""
    return tuple(one for one in actions if isinstance(one, Revise) and one.number not in busy)


def to_propose(actions: Iterable[Action]) -> int:
    """How many hypotheses to ask for now."""
    return sum(isinstance(action, Propose) for action in actions)


def in_flight(slots: int, proposals_s: Sequence[float], runs_s: Sequence[float]) -> int:
    """How many experiments to have open or in the making, so that no slot waits for a proposer.

    One on each slot, as many in the making as are used up while one is thought of (if every
    experiment took one run only; at most eight for each slot), and a reserve that grows like the
    spread of how many slots fall free together: with the root of their number. `proposals_s` and
    `runs_s` are how long the latest ones took, in seconds. More than that would be thought of
    without knowing what the others have shown. A proposer that answers at once is asked when a
    slot falls free, so that it knows everything.
    """
    known = min(len(proposals_s), len(runs_s)) >= _ENOUGH_OBSERVATIONS
    ratio = _slow(proposals_s) / max(_middle(runs_s), 1e-9) if known else _UNKNOWN_RATIO
    if ratio <= _AT_ONCE:
        return slots
    reserve = math.floor(_RESERVE * math.sqrt(slots))
    return slots + min(_MOST_IN_THE_MAKING * slots, math.ceil(slots * ratio)) + reserve


def _waits(action: Action, busy: Collection[int], *, auditing: bool) -> bool:
    if isinstance(action, Measure | Resume):
        return action.number not in busy
    return isinstance(action, BeginAudit | ContinueAudit) and not auditing


def _rank(action: Action) -> int:
    if isinstance(action, Measure):
        return _RANKS[action.purpose]
    if isinstance(action, Resume):
        return 0
    return _AUDIT_RANK


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _slow(values: Sequence[float]) -> float:
    """What nine of ten do not exceed."""
    return quantiles(values, n=10, method="inclusive")[-1]
