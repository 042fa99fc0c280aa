"""Actions that take no slot and no proposer: carried out at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.actions import Action, AskPerson, BeginPhase, Conclude
from bot.audits.execute import Auditor
from bot.audits.plan import ConcludeAudit, Revert
from bot.execute import Executor, multiplicity
from bot.forge.base import State
from bot.people.execute import Spokesman
from bot.people.plan import Answer, AskApproval, ExplainReopened, Review
from bot.proposing.place import Place
from bot.run.base import Concluded
from bot.snapshot import View


@dataclass(frozen=True)
class Hands:
    """Everything that carries decisions out. `now` gives seconds since 1970, `seed` fresh seeds."""

    place: Place
    now: Callable[[], int]
    seed: Callable[[], int]

    @property
    def executor(self) -> Executor:
        """For experiments."""
        place = self.place
        return Executor(place.repository, place.forge, place.settings, self.now, self.seed)

    @property
    def auditor(self) -> Auditor:
        """For audits."""
        place = self.place
        return Auditor(place.repository, place.forge, place.settings, self.now, self.seed)

    def carry_out(self, action: Action, view: View) -> Concluded | str:
        """Carry out an action of `bot.run.plan.at_once`: a verdict, or what to tell people.

        Raises what the forge raises.
        """
        match action:
            case Conclude():
                self.executor.conclude(action, view)
                tested = multiplicity(view, action.verdict, self.place.settings)
                state = State.MERGED if action.verdict.merged else State.CLOSED
                pull = view.standing(action.number).pull
                ended = replace(pull, state=state, verdict=action.verdict)
                return Concluded(ended, action.verdict, tested)
            case AskPerson():
                self.executor.ask_person(action, view)
                return f"#{action.number}: conflicts, and waits for a person"
            case BeginPhase():
                self.executor.begin_phase(action, view)
                return f"Phase {action.name} begins. {action.why}"
            case ConcludeAudit():
                told = self.auditor.conclude(action, view)
                outcome = "replicated" if told.replicated else "did not replicate"
                return f"Audit: #{told.number} {outcome}. {told.explanation}"
            case Revert():
                pull = self.auditor.revert(action, view)
                return f"#{pull.number} {pull.title}  (branch {pull.branch})"
            case Answer() | AskApproval() | Review() | ExplainReopened():
                place = self.place
                parts = (place.repository, place.forge, place.settings, self.now)
                return Spokesman(*parts).carry_out(action, view)
            case _:
                raise TypeError(f"{action} takes time")
