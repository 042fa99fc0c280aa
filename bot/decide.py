"""What to do next: a pure and total function of a snapshot. No I/O, no clock, no randomness.

There is no state file: a snapshot is taken anew from the forge and from git before every
decision, so that a crash, a person or a second bot can leave nothing behind that has no next
action. Callers: `bot.step` carries the actions out on a laptop; the tests feed it every state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model import Direction, Purpose, Reason, Run, Verdict
from bot.verdict import Accept, Evidence, MoreRuns, Reject, VerdictRule, judge


@dataclass(frozen=True)
class OpenExperiment:
    """An experiment without a verdict, as it stands against the base branch of now.

    `subject` is the digest of the allowed files in the merge tree of base and head; `runs`
    are its finished runs of exactly these files in the runner class of now.
    """

    number: int
    head: str
    subject: str = ""
    runs: tuple[Run, ...] = ()
    violations: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()  # paths that do not merge
    duplicate_of: int | None = None  # an earlier experiment with the same normalised files
    merged_by_hand: bool = False  # the base branch contains the head already
    branch_lost: bool = False  # deleted, or rewritten so that it lacks the head
    unfinished_attempt: str | None = None  # asked for, not all of its results are there


@dataclass(frozen=True)
class Snapshot:
    """Everything a decision depends on.

    `baseline`, `repeats`, `pairs` and `experiments_since_baseline` are what
    `bot.verdict.Evidence` says of them, over all experiments of the runner class.
    """

    base: str
    subject: str
    direction: Direction
    rule: VerdictRule
    baseline: tuple[Run, ...] = ()
    repeats: tuple[tuple[str, tuple[float, ...]], ...] = ()  # subject, values
    pairs: tuple[tuple[int, tuple[tuple[float, float], ...]], ...] = ()  # experiment, values
    experiments_since_baseline: int = 0
    open: tuple[OpenExperiment, ...] = ()


@dataclass(frozen=True)
class Propose:
    """Ask the proposer for a hypothesis and open it as an experiment."""


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
class Conclude:
    """Give an experiment its verdict: merge it, or close it with the reason."""

    number: int
    verdict: Verdict
    evidence: Evidence | None = field(default=None, compare=False)


Action = Propose | Measure | Resume | Conclude


def decide(snapshot: Snapshot) -> tuple[Action, ...]:
    """The actions that are possible now, in the order in which to carry them out.

    Every open experiment yields exactly one; a new one is proposed when none is open.
    """
    actions = tuple(_next(experiment, snapshot) for experiment in snapshot.open)
    return actions or (Propose(),)


def _next(experiment: OpenExperiment, snapshot: Snapshot) -> Action:
    verdict = _verdict_without_runs(experiment, snapshot)
    if verdict:
        return Conclude(experiment.number, verdict)
    if experiment.unfinished_attempt:
        return Resume(experiment.number, experiment.unfinished_attempt)
    evidence = Evidence(
        candidate=experiment.runs,
        baseline=snapshot.baseline,
        direction=snapshot.direction,
        repeats=tuple(v for subject, v in snapshot.repeats if subject != experiment.subject),
        pairs=tuple(v for number, v in snapshot.pairs if number != experiment.number),
        experiments_since_baseline=snapshot.experiments_since_baseline,
    )
    decision = judge(evidence, snapshot.rule)
    match decision:
        case MoreRuns():
            return Measure(
                experiment.number, decision.candidate, decision.baseline, decision.purpose
            )
        case Accept():
            verdict = Verdict(Reason.IMPROVEMENT, decision.explanation, decision.estimate)
        case Reject():
            verdict = Verdict(decision.reason, decision.explanation, decision.estimate)
    return Conclude(experiment.number, verdict, evidence)


def _verdict_without_runs(experiment: OpenExperiment, snapshot: Snapshot) -> Verdict | None:
    """A verdict that needs no measurement, because something about the change itself decides."""
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
