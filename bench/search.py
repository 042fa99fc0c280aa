"""Does the loop lose what Optuna finds? The search proposer on cheap stand-in objectives.

The stand-in has the constants of the shipped `train.py` (ten made-up ones if that file is
missing). Its loss is exp of a sum over constants: a weighted, partly one-sided square of the
distance to a hidden optimum, plus interactions of pairs. Few weights matter (log-normal), some
constants are set well and some badly, and every evaluation is noisy. The bot's way, one small
change at a time merged when it is better by a threshold, is compared with Optuna's TPE and with
random search, which may change everything at once and whose best evaluation counts.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bot.model import Direction, Reason
from bot.proposers.base import Context, PastExperiment
from bot.proposers.constants import Constant, find
from bot.proposers.ranges import Choices, Value
from bot.proposers.search import SearchProposer

EVALUATIONS = 42
NOISE = 0.015  # standard deviation of one evaluation, as a share of its value
THRESHOLD = 0.01  # a candidate this much better is merged
SCRIPT = Path(__file__).parents[1] / "train.py"

SYNTHETIC = b"""\
# --- constants (tunable) ---
LEARNING_RATE = 1e-3  # 1e-4 .. 1e-2, log
BATCH_SIZE = 64  # 16 .. 256, log
WEIGHT_DECAY = 0.01  # 0.0 .. 0.5
WARMUP = 0.05  # 0.0 .. 0.3
WIDTH = 96  # 32 .. 256, log
DEPTH = 2  # 1 .. 6
DROPOUT = 0.1  # 0.0 .. 0.5
MOMENTUM = 0.9  # 0.5 .. 0.999
POOLING = "mean"  # one of: "mean", "max", "both"
CLIP = 1.0  # 0.1 .. 10.0, log
# --- end of constants ---
"""


class StandIn:
    """One random objective over the constants; lower is better, never below 10."""

    def __init__(self, constants: tuple[Constant, ...], seed: int, *, badly_set: float) -> None:
        self.constants = constants
        chance = np.random.default_rng([seed, 1])
        self._noise = np.random.default_rng([seed, 2])
        weights = np.exp(chance.normal(0, 1.3, len(constants)))
        self._weights = weights * 6 / weights.sum()
        self._one_sided = chance.random(len(constants)) < 1 / 3
        self._optimum = [self._hidden(constant, chance, badly_set) for constant in constants]
        pairs = chance.integers(0, len(constants), (len(constants) // 2, 2))
        self._pairs = [
            (int(a), int(b), float(strength))
            for (a, b), strength in zip(pairs, chance.normal(0, 0.4, len(pairs)), strict=True)
            if a != b
        ]

    @staticmethod
    def _hidden(
        constant: Constant, chance: np.random.Generator, badly_set: float
    ) -> float | dict[Value, float]:
        domain = constant.domain
        if isinstance(domain, Choices):
            return {v: abs(float(chance.normal(0, 0.4))) for v in domain.values}
        if chance.random() < badly_set:
            return float(chance.random())
        here = domain.to_unit(float(constant.value))
        return float(np.clip(chance.normal(here, 0.15), 0, 1))

    def true(self, values: Mapping[str, Value]) -> float:
        """The loss without noise."""
        away = np.array(
            [
                self._distance(constant, optimum, one_sided, values[constant.name])
                for constant, optimum, one_sided in zip(
                    self.constants, self._optimum, self._one_sided, strict=True
                )
            ]
        )
        total = float((self._weights * away**2).sum())
        for a, b, strength in self._pairs:
            product = away[a] * away[b] * math.copysign(1.0, strength)
            scale = abs(strength) * math.sqrt(self._weights[a] * self._weights[b])
            total += scale * max(0.0, float(product))
        return 10 * math.exp(total)

    @staticmethod
    def _distance(
        constant: Constant, optimum: float | dict[Value, float], one_sided: bool, value: Value
    ) -> float:
        if isinstance(optimum, dict):
            return optimum[value]
        assert not isinstance(constant.domain, Choices)
        away = constant.domain.to_unit(float(value)) - optimum
        return min(away, 0.0) if one_sided else away

    def measure(self, values: Mapping[str, Value]) -> float:
        """The loss as one evaluation shows it."""
        return self.true(values) * math.exp(float(self._noise.normal(0, NOISE)))


@dataclass(frozen=True)
class Outcome:
    """What one way of searching reached on one objective; `gain` is log(start / best)."""

    best: float
    gain: float
    merges: int = 0
    repeats: int = 0  # evaluated twice
    refused: int = 0  # repeats that the proposer dropped before they cost anything
    seconds: float = 0.0


def by_proposer(source: bytes, objective: StandIn, seed: int, evaluations: int) -> Outcome:
    """The bot's loop: propose, evaluate, merge what is better by the threshold."""
    proposer, start = SearchProposer(), find(source).values
    baseline = objective.measure(start)
    history: list[PastExperiment] = []
    seen, repeats, slowest, merges = {source}, 0, 0.0, 0
    for number in range(1, evaluations + 1):
        files = {"train.py": source}
        context = Context(
            number=number,
            seed=seed,
            files=files,
            entry="train.py",
            metric="loss",
            direction=Direction.LOWER,
            baseline=baseline,
            history=tuple(history),
        )
        began = time.perf_counter()
        proposed = proposer.propose(context).files["train.py"]
        slowest = max(slowest, time.perf_counter() - began)
        repeats += proposed in seen
        seen.add(proposed)
        value = objective.measure(find(proposed).values)
        better = value < baseline * (1 - THRESHOLD)
        reason = Reason.IMPROVEMENT if better else Reason.NO_EVIDENCE
        new = {"train.py": proposed}
        history.append(
            PastExperiment(number, "", reason, new, value, baseline, None, base_files=files)
        )
        if better:
            source, baseline, merges = proposed, value, merges + 1
    best = objective.true(find(source).values)
    gain = math.log(objective.true(start) / best)
    return Outcome(best, gain, merges, repeats, proposer.repeats_refused, slowest)


def by_optuna(objective: StandIn, seed: int, evaluations: int, *, tpe: bool) -> Outcome:
    """Optuna over all constants at once, today's values first; the best evaluation counts."""
    import optuna

    from bot.proposers.sampling import distribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = optuna.samplers
    sampler = samplers.TPESampler(seed=seed) if tpe else samplers.RandomSampler(seed=seed)
    study = optuna.create_study(sampler=sampler)
    space = {constant.name: distribution(constant) for constant in objective.constants}
    start = {constant.name: constant.value for constant in objective.constants}
    study.enqueue_trial(start)
    for _ in range(evaluations + 1):  # one more: the start is the bot's baseline
        trial = study.ask(space)
        study.tell(trial, objective.measure(trial.params))
    best = objective.true(study.best_params)
    seen = [tuple(sorted(trial.params.items())) for trial in study.trials]
    repeats = len(seen) - len(set(seen))
    return Outcome(best, math.log(objective.true(start) / best), repeats=repeats)


@dataclass(frozen=True)
class Summary:
    """Medians over objectives of one way of searching; `beats_...` are shares of objectives.

    `over_tpe` is the mean of how much more it gained than TPE on the same objective, and the
    interval that holds the true mean with 95 %.
    """

    median_best: float
    median_gain: float
    mean_gain: float
    median_merges: float
    repeats_share: float  # of all evaluations
    repeats_refused_share: float  # of all ideas
    beats_tpe: float
    beats_random: float
    over_tpe: float
    over_tpe_low: float
    over_tpe_high: float
    slowest_s: float


def compare(source: bytes, seeds: int, badly_set: float) -> dict[str, Summary]:
    """All three ways on the same objectives."""
    constants = find(source).constants
    outcomes: dict[str, list[Outcome]] = {"proposer": [], "tpe": [], "random": []}
    for seed in range(seeds):
        for name, found in outcomes.items():
            objective = StandIn(constants, seed, badly_set=badly_set)
            if name == "proposer":
                found.append(by_proposer(source, objective, seed, EVALUATIONS))
            else:
                found.append(by_optuna(objective, seed, EVALUATIONS, tpe=name == "tpe"))
    return {
        name: _summary(found, outcomes["tpe"], outcomes["random"])
        for name, found in outcomes.items()
    }


def _summary(found: list[Outcome], tpe: list[Outcome], chance: list[Outcome]) -> Summary:
    refused = sum(one.refused for one in found)
    over = [one.gain - other.gain for one, other in zip(found, tpe, strict=True)]
    middle = statistics.fmean(over)
    half = 1.96 * statistics.stdev(over) / math.sqrt(len(over))
    return Summary(
        median_best=statistics.median(one.best for one in found),
        median_gain=statistics.median(one.gain for one in found),
        mean_gain=statistics.fmean(one.gain for one in found),
        median_merges=statistics.median(one.merges for one in found),
        repeats_share=sum(one.repeats for one in found) / (EVALUATIONS * len(found)),
        repeats_refused_share=refused / (refused + EVALUATIONS * len(found)),
        beats_tpe=_wins(found, tpe),
        beats_random=_wins(found, chance),
        over_tpe=middle,
        over_tpe_low=middle - half,
        over_tpe_high=middle + half,
        slowest_s=max(one.seconds for one in found),
    )


def _wins(found: list[Outcome], others: list[Outcome]) -> float:
    return sum(a.best < b.best for a, b in zip(found, others, strict=True)) / len(found)


def main(argv: list[str]) -> int:
    """`python -m bench search [--json] [--seeds N]`."""
    parser = argparse.ArgumentParser(prog="python -m bench search", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=50, help="objectives of each kind")
    parser.add_argument("--synthetic", action="store_true", help="ten made-up constants")
    options = parser.parse_args(argv)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: one objective has no interval")
    source = SYNTHETIC if options.synthetic or not SCRIPT.exists() else SCRIPT.read_bytes()
    kinds = {"half_badly_set": 0.5, "mostly_well_set": 0.15}
    results = {kind: compare(source, options.seeds, share) for kind, share in kinds.items()}
    if options.json:
        shown = {
            "evaluations": EVALUATIONS,
            "seeds": options.seeds,
            "constants": len(find(source).constants),
            **{kind: {n: asdict(s) for n, s in rows.items()} for kind, rows in results.items()},
        }
        print(json.dumps(shown))
        return 0
    for kind, rows in results.items():
        print(f"{kind}: {len(find(source).constants)} constants, {EVALUATIONS} evaluations")
        for name, row in rows.items():
            print(
                f"  {name:9} median best {row.median_best:7.2f}  gain {row.median_gain:.3f}"
                f" (mean {row.mean_gain:.3f}; over TPE {row.over_tpe:+.3f},"
                f" {row.over_tpe_low:+.3f} to {row.over_tpe_high:+.3f})"
                f"  beats TPE {row.beats_tpe:4.0%} random {row.beats_random:4.0%}"
                f"  repeats {row.repeats_share:.1%} "
                f"(refused {row.repeats_refused_share:.1%})  slowest {row.slowest_s:.2f} s"
            )
    return 0
