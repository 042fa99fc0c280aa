"""What the statistics over thousands of experiments need of each one's runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bot.model import Side

_RUNNER_CLASS = 6  # its place in a row


class Scores(NamedTuple):
    """The finished runs of one experiment in one runner class, reduced.

    `values` are those of runs that produced one, by the digest of the code; `failed` are the
    digests of the code of the other runs. `pairs` are the values (candidate, baseline) of runs
    of one attempt that shared a seed.
    """

    values: Mapping[str, Sequence[float]]
    failed: Sequence[str]
    pairs: tuple[tuple[float, float], ...]

    def has(self, subject: str) -> bool:
        """Whether the code with this digest was run."""
        return subject in self.values or subject in self.failed


def scores_of(rows: Sequence[Sequence[Any]]) -> dict[str, Scores]:
    """The scores by runner class; a row is what the ledger keeps of a run.

    Raises TypeError, ValueError or KeyError for what is no such row.
    """
    return {name: _in_class(rows, name) for name in {row[_RUNNER_CLASS] for row in rows}}


def _in_class(rows: Sequence[Sequence[Any]], runner_class: str) -> Scores:
    values: dict[str, list[float]] = {}
    failed: list[str] = []
    candidate: dict[tuple[str, int], float] = {}
    baseline: dict[tuple[str, int], float] = {}
    by_seed = {str(Side.CANDIDATE): candidate, str(Side.BASELINE): baseline}
    for side, subject, seed, _, value, _, name, attempt, _, _ in rows:
        own_side = by_seed[side]
        if name != runner_class:
            continue
        if value is None:
            failed.append(subject)
            continue
        number = float(value)
        own_side[attempt, seed] = number
        if subject in values:
            values[subject].append(number)
        else:
            values[subject] = [number]
    pairs = [(value, baseline[key]) for key, value in candidate.items() if key in baseline]
    return Scores(values, failed, tuple(pairs))
