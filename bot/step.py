"""One step on a laptop: act until one experiment has its verdict.

snapshot -> decide -> carry out one action -> snapshot again. The same `decide` serves every
place; here measuring means running the sandbox on this machine and waiting for it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.audits.execute import Auditor
from bot.audits.plan import AuditAction, BeginAudit, ConcludeAudit, ContinueAudit, Revert, due
from bot.checkout import check_checkout
from bot.decide import (
    Action,
    AskPerson,
    BeginPhase,
    Conclude,
    Measure,
    Propose,
    Resume,
    Revise,
    Stop,
    audit_action,
    decide,
)
from bot.errors import AlreadyRunning, BotError, Stopped
from bot.execute import Executor, multiplicity
from bot.forge.base import Conflict, PullRequest
from bot.git import Repository
from bot.history.multiplicity import Multiplicity
from bot.measuring import LocalMeasurer
from bot.model import Verdict
from bot.proposers.base import NothingToPropose, Proposer
from bot.proposing.propose import Place, open_proposal
from bot.proposing.revise import revise, reviser
from bot.snapshot import View, take
from bot.views.reporter import Reporter

_MAX_CONFLICTS = 20


@dataclass(frozen=True)
class Concluded:
    """What a step achieved: an experiment and its verdict."""

    pull: PullRequest
    verdict: Verdict
    multiplicity: Multiplicity | None = None


@dataclass(frozen=True)
class Stepper:
    """Everything that a step needs, made once by the command line."""

    place: Place
    measurer: LocalMeasurer
    proposer: Callable[[str], Proposer]  # by its name
    reporter: Reporter
    now: Callable[[], int] = lambda: int(time.time())

    def step(self) -> Concluded:
        """Go on from whatever state the last step left until one experiment has its verdict.

        Raises:
            BotError, GitError, ForgeError: with a message that says what to do.
        """
        done = self._go_on(lambda view: decide(view.snapshot)[0])
        if done is None:
            raise BotError("The step ended without a verdict. Run it again.")
        return done

    def audit(self, last: int | None = None) -> None:
        """Measure winners again until the ledger and, where one fell, a revert tell of it.

        A session that was interrupted is finished, and no other is begun then. `last` is how
        many of the latest winners; without it, what bot.toml says. Raises what `step` raises.
        """
        begun = False

        def choose(view: View) -> Action | None:
            nonlocal begun
            state = view.snapshot.audits
            begun = begun or bool(state.open)
            action = audit_action(view.snapshot)
            if action is None or isinstance(action, BeginAudit):
                numbers = due(state, last or state.rule.last)
                action = None if begun or not numbers else BeginAudit(numbers)
            return action

        self._go_on(choose)

    def _go_on(self, choose: Callable[[View], Action | None]) -> Concluded | None:
        """Carry out what `choose` says, until a verdict, or until it says nothing."""
        self.place.repository.identity()  # asks for a name now, not after minutes of training
        with only_one(self.place.repository):
            self.place.forge.recover()  # first: what a crash has left behind looks like edits
            note = check_checkout(self.place)
            if note:
                self.reporter.say(note)
            runner_class = self.measurer.runner_class()
            conflicts = 0
            told: set[str] = set()
            while True:
                view = take(
                    self.place.repository, self.place.forge, self.place.settings, runner_class
                )
                for refused in (words for each in view.standings for words in each.refused):
                    if refused not in told:
                        self.reporter.say(refused)
                        told.add(refused)
                action = choose(view)
                if action is None:
                    return None
                try:
                    done = self._carry_out(action, view)
                except Conflict:
                    # Somebody else was first; nothing was changed. Look again.
                    conflicts += 1
                    if conflicts > _MAX_CONFLICTS:
                        raise
                    continue
                if done:
                    return done

    def _carry_out(self, action: Action, view: View) -> Concluded | None:
        place = self.place
        executor = Executor(place.repository, place.forge, place.settings, self.measurer, self.now)
        match action:
            case Propose():
                self._propose(view)
            case BeginPhase():
                executor.begin_phase(action, view)
                self.reporter.say(f"Phase {action.name} begins. {action.why}")
            case Stop():
                raise Stopped(action.why)
            case Measure():
                runs = f"{action.candidate_runs} of the candidate"
                runs += f" and {action.baseline_runs} of the baseline"
                self.reporter.say(f"#{action.number}: measuring to {action.purpose}: {runs}")
                executor.measure(action, view)
            case Resume():
                self.reporter.say(f"#{action.number}: finishing what was interrupted")
                executor.resume(action, view)
            case Revise():
                self._revise(action, view)
            case Conclude():
                executor.conclude(action, view)
                pull = place.forge.pull(action.number)
                tested = multiplicity(view, action.verdict, place.settings)
                return Concluded(pull, action.verdict, tested)
            case AskPerson():
                self.reporter.say(f"#{action.number}: conflicts, and waits for a person")
                executor.ask_person(action, view)
            case BeginAudit() | ContinueAudit() | ConcludeAudit() | Revert():
                self._audit(action, view)
        return None

    def _audit(self, action: AuditAction, view: View) -> None:
        place, say = self.place, self.reporter.say
        auditor = Auditor(place.repository, place.forge, place.settings, self.measurer, self.now)
        match action:
            case BeginAudit():
                numbers = ", ".join(f"#{number}" for number in action.numbers)
                say(f"Audit: measuring {numbers} and what they replaced again, on fresh seeds")
                auditor.begin(action, view)
            case ContinueAudit():
                say(f"Audit {action.session}: finishing what was interrupted")
                auditor.resume(action, view)
            case ConcludeAudit():
                told = auditor.conclude(action, view)
                outcome = "replicated" if told.replicated else "did not replicate"
                say(f"Audit: #{told.number} {outcome}. {told.explanation}")
            case Revert():
                pull = auditor.revert(action, view)
                say(f"#{pull.number} {pull.title}  (branch {pull.branch})")

    def _propose(self, view: View) -> None:
        self.reporter.stage("thinking of a hypothesis")
        try:
            name = self.place.settings.proposer.name
            pull = open_proposal(self.place, view, self.proposer(name), self.now)
        except NothingToPropose as error:
            raise BotError(str(error)) from None
        self.reporter.say(f"#{pull.number} {pull.title}  (branch {pull.branch})")

    def _revise(self, action: Revise, view: View) -> None:
        self.reporter.stage(f"#{action.number}: asking for a revision")
        proposer = self.proposer(reviser(self.place, view, action))
        done = revise(self.place, view, proposer, action, now=self.now)
        self.reporter.say(f"#{action.number}: {'revised' if done else 'was not revised'}")


_LOCK = "mergelab.lock"
_LOOKS = 4


def at_work(repository: Repository) -> bool:
    """Whether a process is carrying out a step in this clone now."""
    try:
        descriptor = os.open(repository.common_folder() / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    for again in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if again < _LOOKS - 1:
                time.sleep(0.05)  # somebody may only be looking, see `at_work`
    raise AlreadyRunning(
        "Another `python -m bot` is carrying out a step in this clone. Wait for it, or "
        "stop it with Ctrl-C; nothing it has done so far is lost."
    )


@contextmanager
def only_one(repository: Repository) -> Iterator[None]:
    """Hold this clone's lock: saves two bots double work; the forge's transactions guard truth.

    Raises:
        AlreadyRunning: another process holds it.
    """
    folder = repository.common_folder()
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)
