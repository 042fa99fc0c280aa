"""All runs of one runner class, by experiment, and what the statistics ask of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.history.ledger import LedgerEntry
from bot.history.reduce import SidedRun
from bot.model import Purpose, Reason, Run, Side

_FAILED_BY_ITSELF = {
    Reason.CRASHED,
    Reason.TIMED_OUT,
    Reason.OUT_OF_MEMORY,
    Reason.INVALID_OUTPUT,
}


@dataclass(frozen=True)
class Past:
    """The runs of experiments in one runner class, oldest first.

    `confirmed` are the experiments whose confirmation runs count as their code's own: those
    that were merged as an improvement. The estimate of every other merge was made from all of
    its runs, so that all of them are flattered: of a simplification and of a revert, which won
    by a single look at all runs, none counts, and the baseline that they become is run anew.
    The confirmation of a candidate that did *not* hold up is the reverse of flattered, and
    would make the next one look good, should the code be merged for another reason.
    """

    groups: Mapping[int, Sequence[SidedRun]]
    confirmed: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        entries: Iterable[LedgerEntry],
        runner_class: str,
        open_runs: Mapping[int, Sequence[SidedRun]] | None = None,
    ) -> Past:
        """The runs of finished experiments, then of open ones, in `runner_class`."""
        groups: dict[int, Sequence[SidedRun]] = {}
        confirmed = set()
        for entry in entries:
            if runner_class in entry.evidence:
                groups[entry.number] = in_class(entry.runs(), runner_class)
            if entry.reason is Reason.IMPROVEMENT:
                confirmed.add(entry.number)
        for number, runs in (open_runs or {}).items():
            groups[number] = in_class(runs, runner_class)
        return cls(groups, frozenset(confirmed))

    def honest(self, subject: str) -> tuple[Run, ...]:
        """The runs of one code that no selection flatters."""
        return tuple(
            run
            for number, runs in self.groups.items()
            for side, run in runs
            if run.subject == subject
            # A failure says nothing of the level; beside a confirmation it counts as tried.
            and (run.value is not None or run.purpose is Purpose.CONFIRM)
            and (
                side is Side.BASELINE
                or (run.purpose is Purpose.CONFIRM and number in self.confirmed)
            )
        )

    def repeats(self, subject: str = "") -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Values of repeated runs of the same code, for every code but `subject`."""
        by_subject: dict[str, list[float]] = {}
        for runs in self.groups.values():
            for _, run in runs:
                if run.value is not None and run.subject != subject:
                    by_subject.setdefault(run.subject, []).append(run.value)
        return tuple((code, tuple(v)) for code, v in by_subject.items() if len(v) > 1)

    def pairs(self) -> tuple[tuple[int, tuple[tuple[float, float], ...]], ...]:
        """By experiment, the values (candidate, baseline) of runs that shared a seed."""
        found = ((number, _pairs(runs)) for number, runs in self.groups.items())
        return tuple((number, pairs) for number, pairs in found if pairs)

    def since(self, subject: str) -> int:
        """How many experiments have been measured since this code last was."""
        measured = [runs for runs in self.groups.values() if runs]
        for age, runs in enumerate(reversed(measured)):
            if any(run.subject == subject for _, run in runs):
                return age
        return 0

    def first_baseline(self) -> str:
        """The digest of the code that was the first baseline here; empty before any run."""
        sided = (pair for runs in self.groups.values() for pair in runs)
        return next((run.subject for side, run in sided if side is Side.BASELINE), "")


def settled_by(entries: Iterable[LedgerEntry], mark: str, runner_class: str) -> int | None:
    """The earlier experiment that judged the same code (by its fingerprint) here, if any.

    One that ended for another reason than its code (stale, closed by a person, a baseline
    that failed) has settled nothing: the idea may be tried again.
    """
    for entry in entries:
        judged = entry.difference is not None or entry.reason in _FAILED_BY_ITSELF
        if judged and entry.fingerprint == mark and runner_class in entry.evidence:
            return entry.number
    return None


def latest_class(entries: Sequence[LedgerEntry]) -> str:
    """The comparable class of the latest measured experiment; empty before any."""
    for entry in reversed(entries):
        runs = entry.runs()
        if runs:
            return runs[-1][1].runner_class
    return ""


def in_class(runs: Iterable[SidedRun], runner_class: str) -> list[SidedRun]:
    """Those of some runs that were made in a runner class."""
    return [(side, run) for side, run in runs if run.runner_class == runner_class]


def _pairs(runs: Iterable[SidedRun]) -> tuple[tuple[float, float], ...]:
    by_seed: dict[tuple[str, int], dict[Side, float]] = {}
    for side, run in runs:
        if run.value is not None:
            by_seed.setdefault((run.attempt, run.seed), {})[side] = run.value
    both = (values for values in by_seed.values() if len(values) == len(Side))
    return tuple((values[Side.CANDIDATE], values[Side.BASELINE]) for values in both)
