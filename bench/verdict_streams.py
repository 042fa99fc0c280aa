"""Streams of experiments under a rule: what was merged, claimed, gained, and paid in runs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.verdict_rules import Judging
from bench.verdict_worlds import (
    DEVIATION,
    LEVEL,
    Code,
    Machine,
    World,
    known_repeats,
    next_candidate,
)

MakeRule = Callable[[tuple[float, ...]], Judging]


@dataclass
class Tally:
    """Sums over experiments. Gains are in standard deviations of one run."""

    experiments: int = 0
    runs: int = 0
    merged: int = 0
    false_merges: int = 0
    claimed: float = 0.0
    gained: float = 0.0

    @property
    def merge_rate(self) -> float:
        """Share of experiments that were merged."""
        return self.merged / self.experiments

    @property
    def runs_per_experiment(self) -> float:
        """Runs paid for, of candidates and baselines, over experiments."""
        return self.runs / self.experiments

    @property
    def false_share_of_winners(self) -> float:
        """Share of the merged candidates that are not better."""
        return self.false_merges / max(1, self.merged)

    @property
    def claimed_over_true_gain(self) -> float:
        """Sum of claimed gains over the sum of true ones; infinite where none was true."""
        return self.claimed / self.gained if self.gained else math.inf

    @property
    def gain_per_100_runs(self) -> float:
        """True gain of the merged, in standard deviations of a run."""
        return 100 * self.gained / self.runs

    def add(self, claimed: float | None, effect: float, runs: int) -> None:
        """Count one experiment."""
        self.experiments += 1
        self.runs += runs
        if claimed is not None:
            self.merged += 1
            self.false_merges += effect <= 0
            self.claimed += claimed
            self.gained += effect


def fixed_bases(
    world: World,
    make: MakeRule,
    experiments: int,
    base_length: int,
    *,
    seed: int,
    effect: float = 0.0,
) -> Tally:
    """Candidates of one true effect against bases that last `base_length` experiments.

    A base is unknown code when it begins, and stays however its candidates are judged: every
    run of it is paid for, and every experiment meets the same true effect.
    """
    tally = Tally()
    generator = random.Random(seed)
    for start in range(0, experiments, base_length):
        machine = Machine(world, generator)
        rule = make(known_repeats(world, generator))
        base = Code(LEVEL)
        for _ in range(min(base_length, experiments - start)):
            before = machine.runs
            candidate, _ = next_candidate(world, base, generator)
            candidate = Code(LEVEL * (1 - effect * DEVIATION), candidate.spread)
            claimed = rule.experiment(candidate, base, machine)
            unit = DEVIATION * base.mean
            tally.add(None if claimed is None else claimed / unit, effect, machine.runs - before)
    return tally


def mixed(world: World, make: MakeRule, streams: int, length: int, *, seed: int) -> Tally:
    """Streams in which winners become the base, starting from a base that is unknown."""
    tally = Tally()
    generator = random.Random(seed)
    for _ in range(streams):
        machine = Machine(world, generator)
        rule = make(known_repeats(world, generator))
        base = Code(LEVEL)
        for _ in range(length):
            before = machine.runs
            candidate, effect = next_candidate(world, base, generator)
            claimed = rule.experiment(candidate, base, machine)
            unit = DEVIATION * base.mean
            tally.add(None if claimed is None else claimed / unit, effect, machine.runs - before)
            if claimed is not None:
                base = candidate
                rule.new_base(inherit=True)
    return tally
