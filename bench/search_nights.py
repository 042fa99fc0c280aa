"""One night of search on one objective: the bot's own, and Optuna's with as many runs."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.objectives import Objective
from bench.verdict_rules import Production
from bench.verdict_worlds import Code, Machine, World
from bot.model import Direction, Reason, Run
from bot.proposers.base import Context, NothingToPropose, PastExperiment
from bot.proposers.constants import Constant, find
from bot.proposers.search import SearchProposer
from bot.verdict import Accept, Reject, VerdictRule

EXPERIMENTS = 42
_ENTRY = "train.py"


@dataclass(frozen=True)
class Outcome:
    """What one way of searching reached on one objective; gains are logarithms."""

    gain: float
    beyond: float
    runs: int
    merges: int = 0
    repeats: int = 0  # proposed twice
    refused: int = 0  # repeats that the proposer dropped before they cost anything
    seconds: float = 0.0  # the slowest proposal


def _outcome(objective: Objective, found: Mapping[str, Any], runs: int, **more: Any) -> Outcome:
    best = objective.true(found)
    gain, beyond = (
        math.log(objective.true(origin) / best) for origin in (objective.start, objective.mended)
    )
    return Outcome(gain, beyond, runs, **more)


def _machine(seed: int, who: str) -> Machine:
    return Machine(World("night"), random.Random(f"{seed}/{who}"))


def by_proposer(
    source: bytes, objective: Objective, seed: int, experiments: int = EXPERIMENTS, behind: int = 0
) -> Outcome:
    """The bot's night. `behind`: how many of the latest verdicts a proposal does not know."""
    night = _Night(source, objective, _machine(seed, "bot"))
    proposer = SearchProposer()
    seen, repeats, slowest = {source}, 0, 0.0
    for number in range(1, experiments + 1):
        context = night.context(number, seed, behind)
        began = time.perf_counter()
        try:
            proposed = proposer.propose(context).files[_ENTRY]
        except NothingToPropose:
            break
        slowest = max(slowest, time.perf_counter() - began)
        repeats += proposed in seen
        seen.add(proposed)
        night.experiment(number, proposed)
    return _outcome(
        objective,
        find(night.source).values,
        night.machine.runs,
        merges=night.merges,
        repeats=repeats,
        refused=proposer.repeats_refused,
        seconds=slowest,
    )


class _Night:
    """The base branch and the history of a simulated night."""

    def __init__(self, source: bytes, objective: Objective, machine: Machine) -> None:
        self.source = source
        self.objective = objective
        self.machine = machine
        self.merges = 0
        self._judge = Production(VerdictRule())
        self._history: list[PastExperiment] = []

    def context(self, number: int, seed: int, behind: int) -> Context:
        known = len(self._history) - behind
        latest = (self._as_open(past) for past in self._history[max(0, known) :])
        history = (*self._history[: max(0, known)], *latest)
        return Context(
            number=number,
            seed=seed,
            files={_ENTRY: self.source},
            entry=_ENTRY,
            metric="loss",
            direction=Direction.LOWER,
            baseline=self._history[-1].baseline if self._history else None,
            history=history,
        )

    @staticmethod
    def _as_open(past: PastExperiment) -> PastExperiment:
        return PastExperiment(
            past.number, "", None, past.files, None, None, None, base_files=past.base_files
        )

    def experiment(self, number: int, proposed: bytes) -> None:
        codes = [Code(self.objective.true(find(text).values)) for text in (proposed, self.source)]
        decision, runs = self._judge.verdict(codes[0], codes[1], self.machine)
        self._history.append(self._past(number, proposed, decision, runs))
        if isinstance(decision, Accept):
            self.source = proposed
            self.merges += 1
            self._judge.new_base(inherit=True)

    def _past(
        self, number: int, proposed: bytes, decision: Accept | Reject, runs: Sequence[Run]
    ) -> PastExperiment:
        reason = Reason.IMPROVEMENT if isinstance(decision, Accept) else decision.reason
        values = [run.value for run in runs if run.value is not None]
        estimate = decision.estimate
        return PastExperiment(
            number,
            "",
            reason,
            {_ENTRY: proposed},
            statistics.fmean(values) if values else None,
            estimate.baseline_mean if estimate else None,
            estimate,
            base_files={_ENTRY: self.source},
        )


def by_optuna(
    constants: Sequence[Constant], objective: Objective, seed: int, runs: int, *, tpe: bool
) -> Outcome:
    """Optuna over all constants at once, today's values first; the best run counts."""
    import optuna

    from bot.proposers.sampling import distribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = optuna.samplers
    sampler = samplers.TPESampler(seed=seed) if tpe else samplers.RandomSampler(seed=seed)
    study = optuna.create_study(sampler=sampler)
    space = {constant.name: distribution(constant) for constant in constants}
    study.enqueue_trial(dict(objective.start))
    machine = _machine(seed, "tpe" if tpe else "random")
    for _ in range(runs):
        trial = study.ask(space)
        study.tell(trial, machine.run(Code(objective.true(trial.params))))
    seen = [tuple(sorted(trial.params.items())) for trial in study.trials]
    return _outcome(objective, study.best_params, runs, repeats=len(seen) - len(set(seen)))
