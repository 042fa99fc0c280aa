"""Ways to judge a candidate, each fed by a machine that counts its runs.

`Production` calls `bot.verdict.judge` as the bot does. The others are what it is compared
with. A rule keeps what it knows of the present baseline until it is told of a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from bench.verdict_worlds import Code, Machine
from bot.model import Purpose, Run
from bot.verdict import Accept, Evidence, MoreRuns, Reject, VerdictRule, judge


class Judging(Protocol):
    """A way to judge, with its knowledge of the present baseline."""

    def new_base(self, *, inherit: bool) -> None:
        """The baseline is replaced: by the last winner (`inherit`) or by unknown code."""
        ...

    def experiment(self, candidate: Code, base: Code, machine: Machine) -> float | None:
        """Judge a candidate: the claimed gain in metric units if it is merged, else None."""
        ...


@dataclass
class Production:
    """The code that runs in production."""

    rule: VerdictRule
    repeats: list[tuple[float, ...]] = field(default_factory=list)
    learns: bool = True  # whether repeated runs of closed candidates add to the known noise
    _baseline: list[Run] = field(default_factory=list)
    _confirmed: list[Run] = field(default_factory=list)
    _since: int = 0
    _seed: int = 0

    def new_base(self, *, inherit: bool) -> None:
        """Start with the winner's confirmation runs, or with none."""
        self._keep(self._baseline)
        self._baseline = list(self._confirmed) if inherit else []
        self._since = 0

    def _keep(self, runs: list[Run]) -> None:
        values = tuple(run.value for run in runs if run.value is not None)
        if self.learns and len(values) > 1:
            self.repeats.append(values)

    def experiment(self, candidate: Code, base: Code, machine: Machine) -> float | None:
        """Judge a candidate: the claimed gain if it is merged."""
        decision, _ = self.verdict(candidate, base, machine)
        return -decision.estimate.difference if isinstance(decision, Accept) else None

    def verdict(
        self, candidate: Code, base: Code, machine: Machine
    ) -> tuple[Accept | Reject, tuple[Run, ...]]:
        """Ask `judge` until it decides, making the runs that it asks for; gives the candidate's."""
        runs: list[Run] = []
        since = self._since
        self._since += 1
        for _ in range(1000):
            evidence = Evidence(
                candidate=tuple(runs),
                baseline=tuple(self._baseline),
                repeats=tuple(self.repeats),
                experiments_since_baseline=since,
            )
            decision = judge(evidence, self.rule)
            if isinstance(decision, Accept):
                self._confirmed = [run for run in runs if run.purpose is Purpose.CONFIRM]
                return decision, tuple(runs)
            if isinstance(decision, Reject):
                self._keep(runs)
                return decision, tuple(runs)
            if decision.baseline:
                since = self._since = 0
            self._measure(decision, ((self._baseline, base), (runs, candidate)), machine)
        raise AssertionError("the judge does not come to an end")

    def _measure(
        self, asked: MoreRuns, sides: tuple[tuple[list[Run], Code], ...], machine: Machine
    ) -> None:
        """Make the runs of one attempt, interleaved, on fresh seeds that the sides share."""
        attempt = str(self._seed)
        for index in range(max(asked.baseline, asked.candidate)):
            self._seed += 1
            turn = list(zip(sides, (asked.baseline, asked.candidate), strict=True))
            for (known, code), wanted in turn if index % 2 == 0 else reversed(turn):
                if index < wanted:
                    value = machine.run(code)
                    run = Run("", self._seed, "ok", value, asked.purpose, "bench", attempt)
                    known.append(run)


@dataclass
class FixedSeeds:
    """So many runs of each side; merged if the mean is better by more than `margin`.

    With one seed and no margin this is greedy keeping of the best run, the common practice:
    the winner's one run is what the next candidate has to beat. The margin is in standard
    deviations of one run, which are known here.
    """

    seeds: int
    margin: float = 0.0
    _baseline: list[float] = field(default_factory=list)
    _last: list[float] = field(default_factory=list)

    def new_base(self, *, inherit: bool) -> None:
        """Start with the runs that won, or with none."""
        self._baseline = list(self._last) if inherit else []

    def experiment(self, candidate: Code, base: Code, machine: Machine) -> float | None:
        """Run the candidate as often as the baseline was, and compare means."""
        while len(self._baseline) < self.seeds:
            self._baseline.append(machine.run(base))
        self._last = [machine.run(candidate) for _ in range(self.seeds)]
        gain = (sum(self._baseline) - sum(self._last)) / self.seeds
        return gain if gain > self.margin * base.deviation else None
