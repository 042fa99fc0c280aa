"""Which phase holds and what is left of it: a pure reading of the history.

Callers: `bot.snapshot` (for `decide`), `bot.proposing` (what a proposer is granted), the views.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.history.ledger import LedgerEntry
from bot.model import Reason
from bot.phases.marks import PhaseMark
from bot.phases.tables import PhaseTable
from bot.proposers.base import PhaseGrant

_WINS = frozenset({Reason.IMPROVEMENT, Reason.SIMPLER})
_SAYS_NOTHING = frozenset({Reason.STALE, Reason.BY_HUMAN, Reason.DUPLICATE, Reason.UNMEASURED})
"""Ends that are none of the idea's: they use up no patience."""


@dataclass(frozen=True)
class PhaseStanding:
    """The present phase, counted since it last began.

    `experiments` counts finished ones and those that are open; `without_win` the finished ones
    since the last win. `begun` is the mark that began it, None for the first phase from the start.
    """

    phase: PhaseTable
    position: int  # from 1
    of: int
    next: str | None  # the phase after it
    experiments: int = 0
    without_win: int = 0
    begun: PhaseMark | None = None

    @property
    def budget_left(self) -> int | None:
        """How many experiments it may still begin; None without a budget."""
        limit = self.phase.max_experiments
        return None if limit is None else max(0, limit - self.experiments)

    @property
    def patience_left(self) -> int | None:
        """How many more experiments without a win it takes; None if it is endless."""
        limit = self.phase.patience
        return None if limit is None else max(0, limit - self.without_win)

    @property
    def over(self) -> str:
        """Why it is over, in words; empty while it goes on."""
        name = self.phase.name
        if self.patience_left == 0:
            return f"{self.without_win} experiments in a row of phase {name} without a win."
        if self.budget_left == 0:
            return f"Phase {name} has had its {self.experiments} experiments."
        return ""

    def __str__(self) -> str:
        """In words, for example `hyperparameters (1 of 3): 4 experiments, 3 more without a win`."""
        text = f"{self.phase.name} ({self.position} of {self.of}): {self.experiments} experiment"
        text += "s" * (self.experiments != 1)
        if self.budget_left is not None:
            text += f", {self.budget_left} left"
        if self.patience_left is not None:
            text += f"; {self.patience_left} more without a win end it"
        return text


def standing(
    programme: Sequence[PhaseTable],
    entries: Sequence[LedgerEntry],
    marks: Iterable[PhaseMark],
    open_phases: Iterable[str] = (),
) -> PhaseStanding:
    """The phase that was begun last and is still in the programme; the first one if none was.

    `entries` and `marks` are the ledger's, oldest first; `open_phases` names the phase of every
    open experiment. Never raises.
    """
    names = [phase.name for phase in programme]
    begun = next((mark for mark in reversed(tuple(marks)) if mark.name in names), None)
    index = names.index(begun.name) if begun else 0
    name = names[index]
    own = [entry for entry in entries[begun.after if begun else 0 :] if entry.phase == name]
    without_win = 0
    for entry in own:
        if entry.reason in _WINS:
            without_win = 0
        elif entry.reason not in _SAYS_NOTHING:
            without_win += 1
    return PhaseStanding(
        phase=programme[index],
        position=index + 1,
        of=len(names),
        next=names[index + 1] if index + 1 < len(names) else None,
        experiments=len(own) + sum(one == name for one in open_phases),
        without_win=without_win,
        begun=begun,
    )


_SECTION = re.compile(r"^##[ \t]+Phase:[ \t]*([a-z0-9-]+)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,2}[ \t]", re.MULTILINE)


def split_program(text: str) -> tuple[str, dict[str, str]]:
    """program.md without its sections `## Phase: NAME`, and those sections by name."""
    sections: dict[str, str] = {}
    rest, end = [], 0
    for heading in _SECTION.finditer(text):
        following = _HEADING.search(text, heading.end())
        stop = following.start() if following else len(text)
        sections[heading[1]] = text[heading.end() : stop].strip()
        rest.append(text[end : heading.start()])
        end = stop
    return "".join([*rest, text[end:]]), sections


def grant(phase: PhaseTable, program: str) -> PhaseGrant:
    """What a phase allows a proposer; `program` is the text of program.md."""
    section = split_program(program)[1].get(phase.name, "")
    return PhaseGrant(
        name=phase.name,
        scope="\n\n".join(filter(None, [phase.scope.strip(), section])),
        tools=phase.granted,
        web_domains=phase.web_domains,
        model=phase.model,
        effort=phase.effort,
        max_changed_lines=phase.max_changed_lines,
    )
