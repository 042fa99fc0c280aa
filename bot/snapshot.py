"""Takes the snapshot that `decide` decides on, from the forge, the ledger and git.

Reads only. `View` also keeps, for whoever carries the decision out, what the decision itself
does not need: the pull requests, their merge trees and all runs with their sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot import fingerprint, ledger, policy
from bot.decide import OpenExperiment, Snapshot
from bot.forge.base import Attempt, Forge, PullRequest, State
from bot.git import Conflicts, Repository
from bot.gitdiff import read_raw
from bot.ledger import LedgerEntry
from bot.model import Direction, Purpose, Run, Side
from bot.settings import Settings
from runner.digests import candidate_digest
from runner.result import Measurement, Status

SidedRun = tuple[Side, Run]


@dataclass(frozen=True)
class Standing:
    """An open experiment with what carrying out a decision about it needs."""

    pull: PullRequest
    experiment: OpenExperiment
    merge_tree: str | None
    fingerprint: str
    runs: tuple[SidedRun, ...]  # all of them, whatever they were measured on


@dataclass(frozen=True)
class View:
    """A snapshot, and everything it was made from."""

    snapshot: Snapshot
    entries: tuple[LedgerEntry, ...]
    standings: tuple[Standing, ...]
    files: dict[str, bytes]  # the allowed files on the base branch
    runner_class: str

    def standing(self, number: int) -> Standing:
        """The open experiment with this number."""
        return next(item for item in self.standings if item.pull.number == number)


def comparable_class(runner_class: str, harness: str) -> str:
    """The name under which runs may be compared: same runner class, same harness."""
    return f"{runner_class}-{harness[:12]}"


def class_of(measurement: Measurement) -> str:
    """The comparable class that a measurement was made in."""
    return comparable_class(measurement.runner_class.id, measurement.digests.harness)


def take(repository: Repository, forge: Forge, settings: Settings, runner_class: str) -> View:
    """Read everything that the next decision depends on.

    `runner_class` is the comparable class of this machine (see `comparable_class`).
    """
    base = forge.base()
    entries = ledger.read(repository.path, settings.repository.base)
    files = allowed_files(repository, base, settings)
    subject = candidate_digest(files)
    strays = frozenset(stray.number for stray in forge.sync_heads())
    reader = _Reader(repository, settings, base, files, runner_class, entries, strays)
    standings = tuple(reader.standing(pull) for pull in forge.pulls(State.OPEN))
    past = {e.number: e.runs() for e in entries if runner_class in e.evidence}
    past |= {standing.pull.number: standing.runs for standing in standings}
    groups = {number: _in_class(runs, runner_class) for number, runs in past.items()}
    snapshot = Snapshot(
        base=base,
        subject=subject,
        direction=Direction(settings.metric.direction),
        rule=settings.verdict,
        baseline=_baseline(groups.values(), subject),
        repeats=tuple(_repeats(groups.values(), subject)),
        pairs=tuple((number, pairs) for number, runs in groups.items() if (pairs := _pairs(runs))),
        experiments_since_baseline=_since_baseline(tuple(groups.values()), subject),
        open=tuple(standing.experiment for standing in standings),
    )
    return View(snapshot, entries, standings, files, runner_class)


def allowed_files(repository: Repository, tree: str, settings: Settings) -> dict[str, bytes]:
    """The files that an experiment may change, as they are in a commit or tree."""
    found = repository.read_files(tree, settings.candidate.paths)
    return {path: data for path, data in found.items() if data is not None}


def runs_of(attempts: Iterable[Attempt]) -> tuple[SidedRun, ...]:
    """Every finished run of some attempts, in the order in which they were asked for."""
    runs = []
    for attempt in attempts:
        for index, result in sorted(attempt.results.items()):
            planned = attempt.runs[index]
            measurement = Measurement.model_validate(result)
            run = run_of(measurement, planned.purpose, attempt.id)
            runs.append((planned.side, run))
    return tuple(runs)


def run_of(measurement: Measurement, purpose: Purpose, attempt: str) -> Run:
    """A measurement reduced to what verdicts need."""
    seconds = (measurement.smoke_s, measurement.train_s, measurement.predict_s, measurement.score_s)
    return Run(
        subject=measurement.digests.candidate,
        seed=measurement.seed,
        status=str(measurement.status),
        value=measurement.metric if measurement.status is Status.OK else None,
        purpose=purpose,
        runner_class=class_of(measurement),
        attempt=attempt,
        duration_s=sum(seconds),
        secondary=tuple(sorted(measurement.secondary.items())),
    )


@dataclass(frozen=True)
class _Reader:
    repository: Repository
    settings: Settings
    base: str
    base_files: dict[str, bytes]
    runner_class: str
    entries: tuple[LedgerEntry, ...]
    strays: frozenset[int]

    def standing(self, pull: PullRequest) -> Standing:
        runs = runs_of(pull.attempts)
        by_hand = self.repository.is_ancestor(pull.head, self.base)
        violations = () if by_hand else self._violations(pull)
        merged: str | Conflicts | None = None
        if not violations and not by_hand:
            merged = self.repository.merge_tree(self.base, pull.head)
        tree = merged if isinstance(merged, str) else None
        files = allowed_files(self.repository, tree or pull.head, self.settings)
        subject = candidate_digest(files)
        mark = fingerprint.exact(files)
        experiment = OpenExperiment(
            number=pull.number,
            head=pull.head,
            subject=subject,
            runs=self._counting(runs, subject),
            violations=tuple(str(violation) for violation in violations),
            conflicts=merged.paths if isinstance(merged, Conflicts) else (),
            duplicate_of=self._duplicate(mark),
            merged_by_hand=by_hand,
            branch_lost=pull.number in self.strays,
            unfinished_attempt=self._unfinished(pull, subject),
        )
        return Standing(pull, experiment, tree, mark, runs)

    def _violations(self, pull: PullRequest) -> tuple[policy.Violation, ...]:
        fork = self.repository.merge_base(self.base, pull.head)
        if fork is None:
            message = "the branch shares no history with the base branch: start it from there"
            return (policy.Violation("", policy.Rule.UNREADABLE_DIFF, message),)
        return check_change(self.repository, fork, pull.head, self.settings)

    def _counting(self, runs: Sequence[SidedRun], subject: str) -> tuple[Run, ...]:
        own = (run for side, run in _in_class(runs, self.runner_class) if side is Side.CANDIDATE)
        return tuple(run for run in own if run.subject == subject)

    def _duplicate(self, mark: str) -> int | None:
        for entry in self.entries:
            if entry.fingerprint == mark and self.runner_class in entry.evidence:
                return entry.number
        return None

    def _unfinished(self, pull: PullRequest, subject: str) -> str | None:
        """The latest attempt that lacks results, if it measures what would be measured today."""
        for attempt in reversed(pull.attempts):
            if attempt.complete:
                continue
            files = allowed_files(self.repository, attempt.merge_tree, self.settings)
            base_files = allowed_files(self.repository, attempt.base, self.settings)
            if candidate_digest(files) == subject and base_files == self.base_files:
                return attempt.id
        return None


def check_change(
    repository: Repository, fork: str, head: str, settings: Settings
) -> tuple[policy.Violation, ...]:
    """What the change from `fork` to `head` does that bot.toml does not allow."""
    rules = policy.Rules.of(settings.candidate)
    raw = read_raw(repository.raw_diff(fork, head))
    broken = policy.check_diff(repository.diff(fork, head), rules, raw)
    if broken:
        return broken
    before = allowed_files(repository, fork, settings)
    return policy.check_files(allowed_files(repository, head, settings), rules, before)


def _in_class(runs: Iterable[SidedRun], runner_class: str) -> list[SidedRun]:
    return [(side, run) for side, run in runs if run.runner_class == runner_class]


def _baseline(groups: Iterable[Sequence[SidedRun]], subject: str) -> tuple[Run, ...]:
    """The runs of the base branch's own files, without those that selected them."""
    return tuple(
        run
        for runs in groups
        for side, run in runs
        if run.subject == subject and (side is Side.BASELINE or run.purpose is Purpose.CONFIRM)
    )


def _repeats(
    groups: Iterable[Sequence[SidedRun]], subject: str
) -> Iterable[tuple[str, tuple[float, ...]]]:
    """Values of repeated runs of the same code, for every code but the present baseline's."""
    by_subject: dict[str, list[float]] = {}
    for runs in groups:
        for _, run in runs:
            if run.value is not None and run.subject != subject:
                by_subject.setdefault(run.subject, []).append(run.value)
    return ((code, tuple(values)) for code, values in by_subject.items() if len(values) > 1)


def _pairs(runs: Iterable[SidedRun]) -> tuple[tuple[float, float], ...]:
    """The values (candidate, baseline) of an experiment's runs that shared a seed."""
    by_seed: dict[tuple[str, int], dict[Side, float]] = {}
    for side, run in runs:
        if run.value is not None:
            by_seed.setdefault((run.attempt, run.seed), {})[side] = run.value
    both = (values for values in by_seed.values() if len(values) == len(Side))
    return tuple((values[Side.CANDIDATE], values[Side.BASELINE]) for values in both)


def _since_baseline(groups: Sequence[Sequence[SidedRun]], subject: str) -> int:
    """How many experiments have been measured since the base branch's own files last were."""
    for age, runs in enumerate(reversed(groups)):
        if any(run.subject == subject for _, run in runs):
            return age
    return 0
