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
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import objectives
from bench.objectives import Objective
from bench.search_nights import EXPERIMENTS, Outcome, by_optuna, by_proposer
from bench.verdict_worlds import DEVIATION
from bot.proposers.constants import Constant, find

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
