"""Takes the snapshot that `decide` decides on, from the forge, the ledger and git.

Reads only. `View` also keeps, for whoever carries the decision out, what the decision itself
does not need: the pull requests, their merge trees and all runs with their sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bot.audits.ledger import AuditEntry
from bot.audits.state import AuditReader
from bot.decide import OpenExperiment, Overtaken, Snapshot
from bot.forge.base import Forge, PullRequest, State
from bot.git import Conflicts, GitError, Repository
from bot.history import fingerprint, reading, revisions, spending
from bot.history.cost import Cost
from bot.history.ledger import LedgerEntry
from bot.history.past import Past, in_class, latest_class, settled_by
from bot.history.reduce import SidedRun, broken_smoke, refusals, runs_of
from bot.history.references import References
from bot.history.trees import remake_trees
from bot.model import Direction, Outcome, Run, Side
from bot.people.commands import PREFIX
from bot.people.inbox import Inbox
from bot.people.programme import Programme
from bot.phases.standing import standing as phase_standing
from bot.policy import rules as policy
from bot.policy.inspection import check_change
from bot.proposers.portfolio import REVISING
from bot.proposers.tables import CapsTable
from bot.ruling import Rules
from bot.settings import Settings
from runner.digests import candidate_digest
from runner.settings import LARGEST_FILE

NEEDS_HUMAN = "needs-human"
"""The label of a revert that conflicts."""


@dataclass(frozen=True)
class Standing:
    """An open experiment with what carrying out a decision about it needs."""

    pull: PullRequest
    experiment: OpenExperiment
    merge_tree: str | None
    fingerprint: str
    runs: tuple[SidedRun, ...]  # all of them, whatever they were measured on
    former_base: str = ""  # the baseline's subject against which `overtaken` was measured
    refused: tuple[str, ...] = ()  # results that are none of this experiment's, in words
    answered: frozenset[str] = frozenset()  # requests to revise it, see bot.history.revisions


@dataclass(frozen=True)
class View:
    """A snapshot, and everything it was made from."""

    snapshot: Snapshot
    entries: tuple[LedgerEntry, ...]
    audits: tuple[AuditEntry, ...]
    standings: tuple[Standing, ...]
    files: dict[str, bytes]  # the allowed files on the base branch
    runner_class: str
    programme: Programme = field(default_factory=Programme)

    def standing(self, number: int) -> Standing:
        """The open experiment with this number."""
        return next(item for item in self.standings if item.pull.number == number)


def take(repository: Repository, forge: Forge, settings: Settings, runner_class: str) -> View:
    """Read everything that the next decision depends on.

    `runner_class` is the comparable class of this machine (see `comparable_class`).
    """
    strays = {stray.number: stray.branch_head for stray in forge.sync_heads()}
    base = forge.base()
    kept = reading.read(repository, settings.repository.base)
    entries, audits = kept.entries, kept.audits
    files = allowed_files(repository, base, settings)
    subject = measured_digest(repository, base, settings)
    inbox = Inbox(forge)
    reader = _Reader(repository, settings, base, subject, runner_class, entries, strays, inbox)
    pulls = forge.pulls(State.OPEN)
    remake_trees(repository, pulls)
    standings = tuple(reader.standing(pull) for pull in pulls)
    past = Past.of(entries, runner_class, {s.pull.number: s.runs for s in standings})
    auditing = AuditReader(forge, entries, audits, runner_class, reader.subject, reader.measurable)
    references = References(past, auditing)
    standings = tuple(_with_former_baseline(standing, past) for standing in standings)
    in_phases = [str(s.pull.record.get("phase")) for s in standings]
    phase = phase_standing(settings.programme, entries, kept.marks, in_phases)
    most = settings.caps.max_experiments
    reverting = [pair for s in standings if (pair := reverts_of(s.pull))]
    snapshot = Snapshot(
        base=base,
        subject=subject,
        direction=Direction(settings.metric.direction),
        rules=rules_of(settings),
        baseline=past.honest(subject),
        repeats=past.repeats(subject),
        pairs=past.pairs(),
        experiments_since_baseline=past.since(subject),
        tokens=size_of(files),
        audited=references.audited(subject),
        improved=references.improved(subject),
        audits=auditing.state(settings.audit, reverting),
        phase=phase,
        stopped=_stopped(repository, settings, entries, audits, standings),
        left=None if most is None else max(0, most - len(entries) - len(_counted(standings))),
        open=tuple(standing.experiment for standing in standings),
        requests=inbox.requests([*(s.pull for s in standings), *forge.addressed(PREFIX)]),
        reopened=inbox.reopened(forge.reopened()),
        paused_by=kept.programme.paused_by,
    )
    return View(snapshot, entries, audits, standings, files, runner_class, kept.programme)


def _with_former_baseline(standing: Standing, past: Past) -> Standing:
    former = standing.experiment.overtaken
    if former is None:
        return standing
    former = replace(former, baseline=past.honest(standing.former_base))
    return replace(standing, experiment=replace(standing.experiment, overtaken=former))


def look(repository: Repository, forge: Forge, settings: Settings) -> View:
    """A snapshot without a runner: in the runner class of the latest measured experiment."""
    entries = reading.read(repository, settings.repository.base).entries
    return take(repository, forge, settings, latest_class(entries))


def _stopped(
    repository: Repository,
    settings: Settings,
    entries: Sequence[LedgerEntry],
    audits: Sequence[AuditEntry],
    standings: Sequence[Standing],
) -> str:
    """Why a cap of bot.toml allows no further proposal; empty if all do."""
    if settings.caps == CapsTable():
        return ""
    try:
        spending.left_under(settings.caps, used(repository, entries, audits, standings))
    except spending.CapReached as reached:
        return str(reached)
    return ""


def used(
    repository: Repository,
    entries: Sequence[LedgerEntry],
    audits: Sequence[AuditEntry],
    standings: Sequence[Standing],
) -> spending.Totals:
    """What the repository's whole history has used up, audits and open experiments included."""
    costs = [Cost.read(standing.pull.record.get("cost")) for standing in _counted(standings)]
    seconds = sum(audit.duration_s for audit in audits)
    seconds += sum(run.duration_s for standing in standings for _, run in standing.runs)
    return spending.totals(repository, entries, costs, more_s=seconds)


def _counted(standings: Sequence[Standing]) -> list[Standing]:
    """Those that count under the caps: what nobody has approved must not stop the programme."""
    return [each for each in standings if each.runs or not each.experiment.footing.unapproved]


def rules_of(settings: Settings) -> Rules:
    """What bot.toml says about verdicts."""
    return Rules(settings.verdict, settings.simplification, settings.guard, settings.audit)


def size_of(files: Mapping[str, bytes]) -> int:
    """The size of some files: tokens of code, without comments."""
    return sum(fingerprint.code_tokens(content) for content in files.values())


def reverts_of(pull: PullRequest) -> tuple[int, int] | None:
    """The winner that a pull request takes back, and the audit session that refuted it."""
    number, session = pull.record.get("reverts"), pull.record.get("session")
    return (number, session) if isinstance(number, int) and isinstance(session, int) else None


def allowed_files(repository: Repository, tree: str, settings: Settings) -> dict[str, bytes]:
    """The files that an experiment may change, as they are in a commit or tree.

    One that is larger than bot.toml can allow counts as missing.
    """
    found = repository.read_files(tree, settings.candidate.paths, LARGEST_FILE)
    return {path: data for path, data in found.items() if data is not None}


def measured_digest(repository: Repository, tree: str, settings: Settings) -> str:
    """The identity of what is measured of a commit or tree: the runner's digest of it.

    That is the allowed files and those that the script needs beside them.
    """
    files = allowed_files(repository, tree, settings)
    if needed := repository.files_below(tree, settings.candidate.needs):
        found = repository.read_files(tree, needed)
        files |= {path: data for path, data in found.items() if data is not None}
    return candidate_digest(files)


@dataclass(frozen=True)
class _Reader:
    repository: Repository
    settings: Settings
    base: str
    base_subject: str
    runner_class: str
    entries: tuple[LedgerEntry, ...]
    strays: Mapping[int, str | None]  # where the branch is now; None: deleted
    inbox: Inbox

    def standing(self, pull: PullRequest) -> Standing:
        runs = runs_of(pull.attempts, self._asked_for)
        contained = self.repository.is_ancestor(pull.head, self.base)
        violations = () if contained else self._violations(pull)
        merged: str | Conflicts | None = None
        if not violations and not contained:
            merged = self.repository.merge_tree(self.base, pull.head)
        tree = merged if isinstance(merged, str) else None
        if tree and tree != self.repository.tree(self.base):
            # With several merge bases a three-way merge can change what the branch did not.
            violations = check_change(self.repository, self.base, tree, self.settings)
        files = allowed_files(self.repository, tree or pull.head, self.settings)
        subject = self.subject(tree or pull.head)
        mark = fingerprint.exact(files)
        reverts = reverts_of(pull)
        known = self._merged_before(pull, subject)
        answered = self._answered(pull)
        # Rewritten, a branch can no longer be merged; deleted, it may just be done with.
        rewritten = self.strays.get(pull.number) is not None
        taken_over = not rewritten and self._taken_over(pull, subject)
        overtaken, former_base = self._overtaken(pull, subject, runs)
        experiment = OpenExperiment(
            number=pull.number,
            head=pull.head,
            subject=subject,
            tokens=size_of(files),
            runs=self._counting(runs, subject),
            violations=tuple(str(violation) for violation in violations),
            conflicts=merged.paths if isinstance(merged, Conflicts) else (),
            duplicate_of=known or (None if reverts else self._duplicate(mark)),
            merged_by_hand=known is None and (contained or taken_over),
            branch_lost=pull.number in self.strays,
            unfinished_attempt=self._unfinished(pull, subject),
            min_effect=self._min_effect(pull),
            broken=self._broken(pull, subject, answered),
            overtaken=overtaken,
            reverts=reverts[0] if reverts else None,
            asked_person=NEEDS_HUMAN in pull.labels,
            footing=self.inbox.footing(pull, answered, self._unrevisable(pull)),
        )
        refused = refusals(pull.attempts, self._asked_for)
        return Standing(
            pull,
            experiment,
            tree,
            mark,
            runs,
            former_base=former_base,
            refused=refused,
            answered=answered,
        )

    def _overtaken(
        self, pull: PullRequest, subject: str, runs: Sequence[SidedRun]
    ) -> tuple[Overtaken | None, str]:
        """What this very head showed against the baseline before, and that baseline's subject."""
        if self._counting(runs, subject):
            return None, ""
        for attempt in reversed(pull.attempts):
            if attempt.head != pull.head:
                break  # another head is another candidate
            then, base = self._asked_for(attempt.merge_tree), self._asked_for(attempt.base)
            own = self._counting(runs, then) if then and base and base != self.base_subject else ()
            if own:
                return Overtaken(then, own), base
        return None, ""

    def _answered(self, pull: PullRequest) -> frozenset[str]:
        fork = self.repository.merge_base(self.base, pull.head)
        return revisions.answered(self.repository, pull, fork)

    def _min_effect(self, pull: PullRequest) -> float | None:
        """That of the phase in which it was opened, if the programme still has it."""
        phase = self.settings.phase_named(pull.record.get("phase"))
        return phase.min_effect if phase and reverts_of(pull) is None else None

    def _broken(self, pull: PullRequest, subject: str, answered: frozenset[str]) -> str:
        """What the smoke run of these files broke on, if their proposer may still repair it."""
        proposer = pull.record.get("proposer")
        own = pull.author.is_bot and proposer in self.settings.shares
        may = own and proposer in REVISING
        if not may or revisions.is_answered(revisions.SMOKE, answered):
            return ""
        return broken_smoke(pull.attempts, subject, self.runner_class)

    def subject(self, tree: str) -> str:
        """The digest of the allowed files in a commit or tree."""
        if tree not in self._subjects:
            self._subjects[tree] = measured_digest(self.repository, tree, self.settings)
        return self._subjects[tree]

    def _asked_for(self, tree: str) -> str:
        """The same for the tree of a planned run, which git may have cleared away: then empty."""
        try:
            return self.subject(tree)
        except GitError:
            return ""

    @cached_property
    def _subjects(self) -> dict[str, str]:
        return {}

    def measurable(self, entry: LedgerEntry) -> bool:
        """Whether a winner and its parent have the file that is run today."""
        path = self.settings.candidate.entry
        wanted = [(entry.commit, path), (f"{entry.commit}^1", path)]
        return all(data is not None for data in self.repository.read_many(wanted).values())

    def _unrevisable(self, pull: PullRequest) -> str:
        """Why no proposer revises this experiment; empty where one does."""
        if {pull.record.get("proposer"), *self.settings.shares} & set(REVISING):
            return ""
        return (
            f"none of the proposers in bot.toml revises anything; {' and '.join(sorted(REVISING))} "
            "do. Commit to the branch yourself, and the new head is measured."
        )

    def _violations(self, pull: PullRequest) -> tuple[policy.Violation, ...]:
        fork = self.repository.merge_base(self.base, pull.head)
        if fork is None:
            message = "the branch shares no history with the base branch: start it from there"
            return (policy.Violation("", policy.Rule.UNREADABLE_DIFF, message),)
        return check_change(self.repository, fork, pull.head, self.settings)

    def _counting(self, runs: Sequence[SidedRun], subject: str) -> tuple[Run, ...]:
        own = (run for side, run in in_class(runs, self.runner_class) if side is Side.CANDIDATE)
        return tuple(run for run in own if run.subject == subject)

    def _duplicate(self, mark: str) -> int | None:
        return settled_by(self.entries, mark, self.runner_class, by_bot=False)

    def _merged_before(self, pull: PullRequest, subject: str) -> int | None:
        """The winner that brought exactly these files, or this very head, to the base branch."""
        for entry in reversed(self.entries):
            if entry.outcome is not Outcome.MERGED or entry.number == pull.number:
                continue
            if entry.head == pull.head:
                return entry.number
            if subject == self.base_subject and subject in entry.evidence:
                return entry.number
        return None

    def _taken_over(self, pull: PullRequest, subject: str) -> bool:
        """Whether a person brought the change to the base branch by squash or cherry-pick."""
        if subject != self.base_subject:
            return False
        fork = self.repository.merge_base(self.base, pull.head)
        if fork is None:
            return False
        return self.subject(fork) != subject

    def _unfinished(self, pull: PullRequest, subject: str) -> str | None:
        """The latest attempt that lacks results, if it measures what would be measured today."""
        for attempt in reversed(pull.attempts):
            if attempt.complete:
                continue
            classes = {run.runner_class for _, run in runs_of([attempt])}
            if classes - {self.runner_class}:
                continue  # a batch is made on one machine, or not at all
            same = self.subject(attempt.merge_tree) == subject
            if same and self.subject(attempt.base) == self.base_subject:
                return attempt.id
        return None
