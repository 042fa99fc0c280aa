"""How one open experiment stands against the base branch of now. Reads git only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bot.candidate import allowed_files, measured_digest, needs_digest, size_of
from bot.decide import OpenExperiment, Overtaken
from bot.forge.base import PullRequest
from bot.git import Conflicts, GitError, Repository
from bot.history import fingerprint, revisions
from bot.history.ledger import LedgerEntry
from bot.history.past import Past, in_class, settled_by
from bot.history.reduce import SidedRun, broken_smoke, refusals, runs_of
from bot.model import Outcome, Run, Side
from bot.people.inbox import Inbox
from bot.policy.inspection import check_change
from bot.policy.violation import Rule, Violation
from bot.proposers.portfolio import REVISING
from bot.settings import Settings

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


def reverts_of(pull: PullRequest) -> tuple[int, int] | None:
    """The winner that a pull request takes back, and the audit session that refuted it."""
    number, session = pull.record.get("reverts"), pull.record.get("session")
    return (number, session) if isinstance(number, int) and isinstance(session, int) else None


def with_former_baseline(standing: Standing, past: Past) -> Standing:
    """The same, with the runs of the baseline against which it was measured before."""
    former = standing.experiment.overtaken
    if former is None:
        return standing
    former = replace(former, baseline=past.honest(standing.former_base))
    return replace(standing, experiment=replace(standing.experiment, overtaken=former))


@dataclass(frozen=True)
class StandingReader:
    """Reads one open experiment after another against one base branch.

    `strays` are the branches that no longer contain their heads: where each is now.
    """

    repository: Repository
    settings: Settings
    base: str
    base_subject: str
    runner_class: str
    entries: tuple[LedgerEntry, ...]
    strays: Mapping[int, str | None]  # where the branch is now; None: deleted
    inbox: Inbox

    def standing(self, pull: PullRequest) -> Standing:
        """How the experiment of this pull request stands."""
        runs = runs_of(pull.attempts, self._asked_for)
        contained = self._fork(pull.head) == pull.head
        violations = () if contained else self._violations(pull)
        merged: str | Conflicts | None = None
        if not violations and not contained:
            merged = self._merged(pull.head)
        tree = merged if isinstance(merged, str) else None
        moved = self._fork(pull.head) != self.base
        if tree and moved and tree != self.repository.tree(self.base):
            # With several merge bases a three-way merge can change what the branch did not.
            violations = check_change(self.repository, self.base, tree, self.settings)
        files = allowed_files(self.repository, tree or pull.head, self.settings)
        subject = self.subject(tree or pull.head, files)
        mark = fingerprint.exact(files, self.beside(tree or pull.head))
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
            if own and self.beside(attempt.base) == self.beside(self.base):
                return Overtaken(then, own), base
        return None, ""

    def _answered(self, pull: PullRequest) -> frozenset[str]:
        fork = self._fork(pull.head)
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

    def subject(self, tree: str, allowed: Mapping[str, bytes] | None = None) -> str:
        """The digest of the allowed files in a commit or tree; `allowed` are its own, if known."""
        if tree not in self._subjects:
            self._subjects[tree] = measured_digest(self.repository, tree, self.settings, allowed)
        return self._subjects[tree]

    def _asked_for(self, tree: str) -> str:
        """The same for the tree of a planned run, which git may have cleared away: then empty."""
        try:
            return self.subject(tree)
        except GitError:
            return ""

    def beside(self, tree: str) -> str:
        """`needs_digest` of a commit or tree."""
        if tree not in self._needs:
            self._needs[tree] = needs_digest(self.repository, tree, self.settings)
        return self._needs[tree]

    @cached_property
    def _needs(self) -> dict[str, str]:
        return {}

    @cached_property
    def _subjects(self) -> dict[str, str]:
        return {}

    def _fork(self, head: str) -> str | None:
        """Where a branch left the base branch; the head itself where that contains it."""
        if head not in self._forks:
            self._forks[head] = self.repository.merge_base(self.base, head)
        return self._forks[head]

    def _merged(self, head: str) -> str | Conflicts:
        """The merge tree; that of the head itself where nothing has landed since it left."""
        if self._fork(head) == self.base:
            return self.repository.tree(head)
        return self.repository.merge_tree(self.base, head)

    @cached_property
    def _forks(self) -> dict[str, str | None]:
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

    def _violations(self, pull: PullRequest) -> tuple[Violation, ...]:
        fork = self._fork(pull.head)
        if fork is None:
            message = "the branch shares no history with the base branch: start it from there"
            return (Violation("", Rule.UNREADABLE_DIFF, message),)
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
        fork = self._fork(pull.head)
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
