"""All runs of one runner class, by experiment, and what the statistics ask of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bot.history.ledger import LedgerEntry
from bot.history.ledger_message import row_of
from bot.history.reduce import SidedRun
from bot.history.scores import Scores, scores_of
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

    runner_class: str
    groups: Mapping[int, Scores]
    whole: Mapping[int, Callable[[], Sequence[SidedRun]]]  # all that is known of these runs
    confirmed: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        entries: Iterable[LedgerEntry],
        runner_class: str,
        open_runs: Mapping[int, Sequence[SidedRun]] | None = None,
    ) -> Past:
        """The runs of finished experiments, then of open ones, in `runner_class`."""
        groups: dict[int, Scores] = {}
        whole: dict[int, Callable[[], Sequence[SidedRun]]] = {}
        confirmed = set()
        for entry in entries:
            if runner_class in entry.evidence and runner_class in entry.scores:
                groups[entry.number] = entry.scores[runner_class]
                whole[entry.number] = entry.runs
            if entry.reason is Reason.IMPROVEMENT:
                confirmed.add(entry.number)
        for number, runs in (open_runs or {}).items():
            groups.pop(number, None)  # opened again: what it says itself counts
            found = scores_of([row_of(*pair) for pair in runs])
            if runner_class in found:
                groups[number] = found[runner_class]
                whole[number] = partial(tuple, runs)
        return cls(runner_class, groups, whole, frozenset(confirmed))

    def honest(self, subject: str) -> tuple[Run, ...]:
        """The runs of one code that no selection flatters."""
        return tuple(
            run
            for number, scores in self.groups.items()
            if scores.has(subject)
            for side, run in in_class(self.whole[number](), self.runner_class)
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
        by_code: dict[str, list[float]] = {}
        for scores in self.groups.values():
            for code, values in scores.values.items():
                if code in by_code:
                    by_code[code].extend(values)
                else:
                    by_code[code] = list(values)
        by_code.pop(subject, None)
        return tuple([(code, tuple(v)) for code, v in by_code.items() if len(v) > 1])

    def pairs(self) -> tuple[tuple[int, tuple[tuple[float, float], ...]], ...]:
        """By experiment, the values (candidate, baseline) of runs that shared a seed."""
        groups = self.groups.items()
        return tuple((number, scores.pairs) for number, scores in groups if scores.pairs)

    def since(self, subject: str) -> int:
        """How many experiments have been measured since this code last was."""
        for age, scores in enumerate(reversed(tuple(self.groups.values()))):
            if scores.has(subject):
                return age
        return 0

    def first_baseline(self) -> str:
        """The digest of the code that was the first baseline here; empty before any run."""
        for runs in self.whole.values():
            for side, run in in_class(runs(), self.runner_class):
                if side is Side.BASELINE:
                    return run.subject
        return ""


def settles(reason: Reason, *, compared: bool, here: bool, by_bot: bool = True) -> bool:
    """Whether an experiment has settled what its code is worth, so that no other may repeat it.

    `compared`: there is a difference to a baseline; `here`: it ran in the runner class of today.
    One that ended for another reason than its code (stale, a baseline that failed) has settled
    nothing: the idea may be tried again. What a person closed, only a person may try again, so
    that it depends on whether it would be repeated `by_bot`.
    """
    if reason is Reason.BY_HUMAN and by_bot:
        return True
    return here and (compared or reason in _FAILED_BY_ITSELF)


def settled_by(
    entries: Iterable[LedgerEntry], mark: str, runner_class: str, *, by_bot: bool
) -> int | None:
    """The earlier experiment that settled the same code (by its fingerprint) here, if any."""
    for entry in entries:
        if entry.fingerprint == mark and settles(
            entry.reason,
            compared=entry.difference is not None,
            here=runner_class in entry.evidence,
            by_bot=by_bot,
        ):
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
