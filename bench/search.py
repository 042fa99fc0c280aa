"""Does the loop lose what Optuna finds? A night of the search proposer on cheap objectives.

As in a real night (`python -m bench night`): 42 experiments, each judged by the code that judges in
production, with as many runs as it asks for; run-to-run noise as on the default task (0.47 at
11.5). Optuna's TPE and random search may change everything at once and get as many runs as the
bot's verdicts took, those of its baselines among them; the best of these runs counts. The
objectives have the constants of the shipped `train.py` (`--synthetic`: ten made-up ones) and are
described in `bench/objectives.py`. What is compared is the true metric of what each ends with.

gain          log of the first baseline's true metric over the last one's
beyond        the same from the start without its planted flaw (the objectives that have one)
over_tpe      mean of how much more was gained than by TPE on the same objective, with the interval
              that holds the true mean with 95 %; over_random likewise
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import objectives
from bench.objectives import Objective
from bench.verdict_rules import Production
from bench.verdict_worlds import DEVIATION, Code, Machine, World
from bot.model import Direction, Reason, Run
from bot.proposers.base import Context, NothingToPropose, PastExperiment
from bot.proposers.constants import Constant, find
from bot.proposers.search import SearchProposer
from bot.verdict import Accept, Reject, VerdictRule

EXPERIMENTS = 42
SCRIPT = Path(__file__).parents[1] / "train.py"
ENTRY = "train.py"

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

_BLOCK = re.compile(rb"^# --- constants.*?^# --- end of constants ---\n", re.MULTILINE | re.DOTALL)


def shipped() -> bytes:
    """The constants of the script that ships, without the rest: it is not run, and takes longer."""
    block = _BLOCK.search(SCRIPT.read_bytes())
    assert block is not None
    return block.group()


Kind = Callable[[Sequence[Constant], int], Objective]
KINDS: Mapping[str, Kind] = {
    "flawed": objectives.flawed,
    "half_badly_set": lambda constants, seed: objectives.scattered(constants, seed, badly_set=0.5),
    "mostly_well_set": lambda constants, seed: objectives.scattered(
        constants, seed, badly_set=0.15
    ),
}


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
            proposed = proposer.propose(context).files[ENTRY]
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
            files={ENTRY: self.source},
            entry=ENTRY,
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
            {ENTRY: proposed},
            statistics.fmean(values) if values else None,
            estimate.baseline_mean if estimate else None,
            estimate,
            base_files={ENTRY: self.source},
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


@dataclass(frozen=True)
class Summary:
    """One way of searching over all objectives of a kind."""

    mean_gain: float
    median_gain: float
    mean_beyond: float
    mean_runs: float
    mean_merges: float
    repeats_share: float  # of all experiments, or runs of Optuna
    repeats_refused_share: float  # of all ideas
    beats_tpe: float  # share of objectives
    beats_random: float
    over_tpe: tuple[float, float, float]  # mean, and the ends of its interval
    over_random: tuple[float, float, float]
    slowest_s: float


def compare(
    source: bytes, seeds: int, kind: Kind, behind: int = 0, first_seed: int = 0
) -> dict[str, Summary]:
    """All three ways on the same objectives, which the seeds from `first_seed` on make."""
    constants = find(source).constants
    outcomes: dict[str, list[Outcome]] = {"proposer": [], "tpe": [], "random": []}
    for seed in range(first_seed, first_seed + seeds):
        objective = kind(constants, seed)
        ours = by_proposer(source, objective, seed, EXPERIMENTS, behind)
        outcomes["proposer"].append(ours)
        for name in ("tpe", "random"):
            found = by_optuna(constants, objective, seed, ours.runs, tpe=name == "tpe")
            outcomes[name].append(found)
    return {
        name: _summary(found, outcomes["tpe"], outcomes["random"])
        for name, found in outcomes.items()
    }


def _summary(found: list[Outcome], tpe: list[Outcome], chance: list[Outcome]) -> Summary:
    refused, ideas = sum(one.refused for one in found), EXPERIMENTS * len(found)
    tried = sum(one.runs for one in found) if found is tpe or found is chance else ideas
    return Summary(
        mean_gain=statistics.fmean(one.gain for one in found),
        median_gain=statistics.median(one.gain for one in found),
        mean_beyond=statistics.fmean(one.beyond for one in found),
        mean_runs=statistics.fmean(one.runs for one in found),
        mean_merges=statistics.fmean(one.merges for one in found),
        repeats_share=sum(one.repeats for one in found) / tried,
        repeats_refused_share=refused / (refused + ideas),
        beats_tpe=_wins(found, tpe),
        beats_random=_wins(found, chance),
        over_tpe=_over(found, tpe),
        over_random=_over(found, chance),
        slowest_s=max(one.seconds for one in found),
    )


def _wins(found: list[Outcome], others: list[Outcome]) -> float:
    return sum(a.gain > b.gain for a, b in zip(found, others, strict=True)) / len(found)


def _over(found: list[Outcome], others: list[Outcome]) -> tuple[float, float, float]:
    more = [one.gain - other.gain for one, other in zip(found, others, strict=True)]
    middle = statistics.fmean(more)
    half = 1.96 * statistics.stdev(more) / math.sqrt(len(more))
    return middle, middle - half, middle + half


def main(argv: list[str]) -> int:
    """`python -m bench search [--json] [--seeds N] [--first-seed N]`."""
    parser = argparse.ArgumentParser(
        prog="python -m bench search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=30, help="objectives of each kind (30)")
    parser.add_argument(
        "--first-seed",
        type=int,
        default=0,
        help="the first objective (0); the rules of search were chosen on 0 to 29",
    )
    parser.add_argument("--synthetic", action="store_true", help="ten made-up constants")
    parser.add_argument(
        "--behind", type=int, default=0, help="latest verdicts that a proposal does not know (0)"
    )
    options = parser.parse_args(argv)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: one objective has no interval")
    if options.behind < 0 or options.first_seed < 0:
        parser.error("--behind and --first-seed must be 0 or more")
    source = SYNTHETIC if options.synthetic or not SCRIPT.exists() else shipped()
    results = {
        name: compare(source, options.seeds, kind, options.behind, options.first_seed)
        for name, kind in KINDS.items()
    }
    if options.json:
        shown = {
            "experiments": EXPERIMENTS,
            "noise": DEVIATION,
            "seeds": options.seeds,
            "first_seed": options.first_seed,
            "behind": options.behind,
            "constants": len(find(source).constants),
            **{kind: {n: asdict(s) for n, s in rows.items()} for kind, rows in results.items()},
        }
        print(json.dumps(shown))
        return 0
    print(f"{len(find(source).constants)} constants, {EXPERIMENTS} experiments, "
          f"noise {DEVIATION:.1%}, {options.seeds} objectives of each kind")  # fmt: skip
    for kind, rows in results.items():
        print(f"{kind}: {rows['proposer'].mean_runs:.0f} runs of each")
        for name, row in rows.items():
            print(f"  {name:9} {_line(row)}")
    return 0


def _line(row: Summary) -> str:
    over = "{:+.3f} ({:+.3f} to {:+.3f})"
    return (
        f"gain {row.mean_gain:.3f} (median {row.median_gain:.3f}, beyond {row.mean_beyond:+.3f})"
        f"  over TPE {over.format(*row.over_tpe)}, wins {row.beats_tpe:.0%}"
        f"  over random {over.format(*row.over_random)}, wins {row.beats_random:.0%}"
        f"  merges {row.mean_merges:.1f}  repeats {row.repeats_share:.1%}"
        f" (refused {row.repeats_refused_share:.1%})  slowest {row.slowest_s:.2f} s"
    )
