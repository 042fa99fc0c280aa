"""What to do next: a pure and total function of a snapshot. No I/O, no clock, no randomness.

There is no state file: a snapshot is taken anew from the forge and from git before every
decision, so that a crash, a person or a second bot can leave nothing behind that has no next
action. The caller is `bot.run.scheduler`; the tests feed it every state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.actions import (
    Action,
    AskPerson,
    BeginPhase,
    Conclude,
    Idea,
    Measure,
    Propose,
    Resume,
    Revise,
    Stop,
)
from bot.audits import plan as audit
from bot.audits.plan import AuditAction, AuditState
from bot.model import Direction, Purpose, Reason, Run, Verdict
from bot.people import plan as people
from bot.people.plan import AskApproval, ExplainReopened, Footing, Request, Review
from bot.phases.standing import PhaseStanding
from bot.ruling import Case, Rules, rule_on
from bot.verdict import Evidence, MoreRuns


@dataclass(frozen=True)
class Overtaken:
    """What an experiment showed against the base branch before a winner moved that one.

    `subject` is the digest of what was measured then, `runs` its runs, `baseline` those of the
    baseline of then.
    """

    subject: str
    runs: tuple[Run, ...]
    baseline: tuple[Run, ...] = ()


@dataclass(frozen=True)
class OpenExperiment:
    """An experiment without a verdict, as it stands against the base branch of now.

    `subject` is the digest of the allowed files in the merge tree of base and head, `tokens`
    the size of their code; `runs` are its finished runs of exactly these files in the runner
    class of now.
    """

    number: int
    head: str
    subject: str = ""
    tokens: int = 0
    runs: tuple[Run, ...] = ()
    violations: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()  # paths that do not merge
    duplicate_of: int | None = None  # an earlier experiment with the same normalised files
    merged_by_hand: bool = False  # the base branch contains the head already
    branch_lost: bool = False  # deleted, or rewritten so that it lacks the head
    unfinished_attempt: str | None = None  # asked for, not all of its results are there
    min_effect: float | None = None  # of its phase, instead of the rules'
    broken: str = ""  # what its smoke run broke on, while its proposer may still repair it
    overtaken: Overtaken | None = None  # only while nothing was measured against today's base
    reverts: int | None = None  # the winner that it takes back
    asked_person: bool = False  # that it conflicts was said already
    footing: Footing = field(default_factory=Footing)  # what people have said of it


@dataclass(frozen=True)
class Snapshot:
    """Everything a decision depends on.

    `baseline`, `repeats`, `pairs` and `experiments_since_baseline` are what
    `bot.verdict.Evidence` says of them, over all experiments of the runner class. `tokens` is
    the size of the baseline's code; `audited` and `improved` are what `judge_simplification`
    says of them.
    """

    base: str
    subject: str
    direction: Direction
    rules: Rules
    baseline: tuple[Run, ...] = ()
    repeats: tuple[tuple[str, tuple[float, ...]], ...] = ()  # subject, values
    pairs: tuple[tuple[int, tuple[tuple[float, float], ...]], ...] = ()  # experiment, values
    experiments_since_baseline: int = 0
    tokens: int = 0
    audited: tuple[Run, ...] = ()
    improved: tuple[Run, ...] = ()
    audits: AuditState = field(default_factory=AuditState)
    phase: PhaseStanding | None = None  # which holds, and what is left of it
    stopped: str = ""  # why nothing more is proposed: a cap of bot.toml, in words
    left: int | None = None  # experiments that a cap still allows
    open: tuple[OpenExperiment, ...] = ()
    requests: tuple[Request, ...] = ()  # comments with commands that wait for an answer
    reopened: tuple[int, ...] = ()  # ended, but opened again by somebody who was told nothing yet
    paused_by: str | None = None  # who stopped the whole programme; None: it runs


@dataclass(frozen=True)
class Room:
    """How much may go on at once: `experiments`, of which `proposing` are being thought of.

    An experiment that waits for a person takes no room, an audit that is due takes that of one.
    """

    experiments: int = 1
    proposing: int = 0


ONE = Room()
"""One thing after another."""


def decide(snapshot: Snapshot, room: Room = ONE) -> tuple[Action, ...]:
    """The actions that are possible now, in the order in which to carry them out.

    People are answered first, and nothing else goes with the answers: they change what there
    is to do. Then every open experiment yields exactly one action, unless it waits for a
    person. When none does, or when there is room for more, an audit goes on if one is due; the
    room that is left then is for new experiments, one `Propose` each, or for the next phase to
    begin. Where a person has paused the programme nothing of that is done.
    """
    if snapshot.requests or snapshot.reopened:
        answers = tuple(_answer(request, snapshot) for request in snapshot.requests)
        return answers + tuple(ExplainReopened(number) for number in snapshot.reopened)
    found = (_next(experiment, snapshot) for experiment in snapshot.open)
    actions = tuple(action for action in found if action is not None)
    if snapshot.paused_by is not None:
        return actions or (Stop(people.paused_text(snapshot.paused_by)),)
    if not actions or room.experiments > 1:
        audit_next = audit_action(snapshot)
        actions += (audit_next,) if audit_next else ()
    left = room.experiments - room.proposing - len(actions)
    return actions + (_ideas(snapshot, left, room.proposing) if left > 0 else ())


def _ideas(snapshot: Snapshot, most: int, proposing: int) -> tuple[Idea, ...]:
    """What to do with room for so many new experiments; no cap or budget is passed by it."""
    idea = next_idea(snapshot)
    if not isinstance(idea, Propose):
        return (idea,)
    budget = snapshot.phase.budget_left if snapshot.phase else None
    limits = [limit - proposing for limit in (budget, snapshot.left) if limit is not None]
    return (idea,) * max(0, min([most, *limits]))


def next_idea(snapshot: Snapshot) -> Idea:
    """What to do where there is room for a new experiment."""
    if snapshot.stopped:
        return Stop(snapshot.stopped)
    phase = snapshot.phase
    if phase is None or not phase.over:
        return Propose()
    if phase.next is not None:
        return BeginPhase(phase.next, phase.over)
    return Stop(
        f"The programme is finished. {phase.over} It was the last phase. Begin one anew "
        f"(`python -m bot phase NAME`), or raise its limits or add a phase in bot.toml."
    )


def _answer(request: Request, snapshot: Snapshot) -> Action:
    about = next((each for each in snapshot.open if each.number == request.number), None)
    subject = people.Subject()
    if about:
        subject = people.Subject(about.head, about.footing, _obstacle(about, snapshot))
    return people.answer(request, subject, paused=snapshot.paused_by is not None)


def _obstacle(experiment: OpenExperiment, snapshot: Snapshot) -> str:
    """Why not even a person's order merges this; empty when it does."""
    if experiment.footing.unapproved:
        return "its head was not approved yet. `/bot approve` comes first."
    verdict = _verdict_without_runs(experiment, snapshot)
    return verdict.explanation if verdict and verdict.reason is not Reason.DUPLICATE else ""


def audit_action(snapshot: Snapshot) -> AuditAction | None:
    """What an audit needs next, if one was begun or is due."""
    return audit.next_action(
        snapshot.audits,
        snapshot.rules.verdict,
        snapshot.direction,
        repeats=tuple(values for _, values in snapshot.repeats),
        pairs=tuple(values for _, values in snapshot.pairs),
    )


def _next(experiment: OpenExperiment, snapshot: Snapshot) -> Action | None:
    """What people want comes first; None where the experiment waits for them."""
    verdict = _verdict_by_people(experiment, snapshot)
    if verdict:
        return Conclude(experiment.number, verdict)
    footing = experiment.footing
    if footing.unreviewed:
        return Review(experiment.number)
    if snapshot.paused_by is not None:
        return None
    if footing.orders.revisions:
        asked = footing.orders.revisions[0]
        return Revise(experiment.number, asked.guidance, asked.request)
    return None if footing.orders.held else _go_on(experiment, snapshot)


def _go_on(experiment: OpenExperiment, snapshot: Snapshot) -> Action | None:
    """What can be settled without a run, then what was begun, then the rule."""
    if experiment.footing.unapproved:  # no stranger makes the bot write to the base branch
        return None if experiment.footing.asked else AskApproval(experiment.number)
    if _conflicts_for_a_person(experiment):
        return None if experiment.asked_person else AskPerson(experiment.number)
    verdict = _verdict_without_runs(experiment, snapshot)
    if verdict:
        return Conclude(experiment.number, verdict)
    if experiment.unfinished_attempt:
        return Resume(experiment.number, experiment.unfinished_attempt)
    if experiment.broken:
        return Revise(experiment.number)
    overtaken = _verdict_when_overtaken(experiment, snapshot)
    if overtaken and not experiment.footing.orders.rerun:
        return Conclude(experiment.number, overtaken)
    return _by_the_rule(experiment, snapshot)


def _by_the_rule(experiment: OpenExperiment, snapshot: Snapshot) -> Action:
    evidence = Evidence(
        candidate=experiment.runs,
        baseline=snapshot.baseline,
        direction=snapshot.direction,
        repeats=tuple(v for subject, v in snapshot.repeats if subject != experiment.subject),
        pairs=tuple(v for number, v in snapshot.pairs if number != experiment.number),
        experiments_since_baseline=snapshot.experiments_since_baseline,
    )
    case = Case(
        evidence=evidence,
        tokens_before=snapshot.tokens,
        tokens_after=experiment.tokens,
        audited=snapshot.audited,
        improved=snapshot.improved,
        revert=experiment.reverts is not None,
    )
    ruling = rule_on(case, snapshot.rules.with_min_effect(experiment.min_effect))
    if isinstance(ruling, MoreRuns):
        return Measure(experiment.number, ruling.candidate, ruling.baseline, ruling.purpose)
    if experiment.footing.orders.rerun:
        return Measure(experiment.number, 1, 1, Purpose.TEST)
    return Conclude(experiment.number, ruling.verdict, ruling.guards)


def _verdict_when_overtaken(experiment: OpenExperiment, snapshot: Snapshot) -> Verdict | None:
    """Close what was shown to be no gain against the former baseline; never merge by that.

    Whatever was still undecided then, or promising, is measured against the baseline of now.
    """
    former = experiment.overtaken
    if former is None or experiment.reverts is not None:
        return None
    evidence = Evidence(
        candidate=former.runs,
        baseline=former.baseline,
        direction=snapshot.direction,
        repeats=tuple(v for subject, v in snapshot.repeats if subject != former.subject),
        pairs=tuple(v for number, v in snapshot.pairs if number != experiment.number),
    )
    ruling = rule_on(Case(evidence), snapshot.rules.with_min_effect(experiment.min_effect))
    if isinstance(ruling, MoreRuns) or ruling.verdict.merged:
        return None
    if any(guard.broken for guard in ruling.guards):
        return None
    verdict = ruling.verdict
    if verdict.reason is Reason.NO_EVIDENCE and experiment.tokens < snapshot.tokens:
        return None  # it may still win as a simplification
    text = (
        f"{verdict.explanation}\n"
        "This was measured against the base branch as it was before a winner landed on it. "
        "Such runs can close an experiment and never merge one."
    )
    return Verdict(verdict.reason, text, verdict.estimate)


def _conflicts_for_a_person(experiment: OpenExperiment) -> bool:
    """A revert that does not apply."""
    conflicts = bool(experiment.conflicts) and not experiment.violations
    return experiment.reverts is not None and conflicts


def _verdict_by_people(experiment: OpenExperiment, snapshot: Snapshot) -> Verdict | None:
    """A verdict that a person has given, with git or by command: it outranks every other."""
    if experiment.merged_by_hand:
        text = (
            "A person merged this by hand: no verdict was reached. The base branch is measured "
            "anew before the next comparison."
        )
        return Verdict(Reason.UNMEASURED, text)
    if experiment.branch_lost:
        text = (
            "Its branch was deleted or rewritten by a person. What is on it now can become an "
            "experiment of its own: `python -m bot open BRANCH`."
        )
        return Verdict(Reason.BY_HUMAN, text)
    obstacle = _obstacle(experiment, snapshot)
    return people.verdict_by_order(experiment.footing, experiment.head, obstacle)


def _verdict_without_runs(experiment: OpenExperiment, snapshot: Snapshot) -> Verdict | None:
    """A verdict that needs no measurement, because something about the change itself decides."""
    if experiment.violations:
        return Verdict(Reason.FORBIDDEN_CHANGE, "\n".join(experiment.violations[:3]))
    if experiment.conflicts:
        paths = ", ".join(experiment.conflicts[:5])
        text = f"The base branch has moved on and the change no longer applies: {paths}."
        return Verdict(Reason.STALE, text)
    if experiment.subject == snapshot.subject:
        text = "Merged into the base branch of now, it changes nothing that is measured."
        return Verdict(Reason.STALE, text)
    if experiment.duplicate_of is not None:
        text = f"Experiment #{experiment.duplicate_of} tried the same code already."
        return Verdict(Reason.DUPLICATE, text)
    return None
