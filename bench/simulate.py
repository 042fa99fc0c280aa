"""Whole histories with faults, from seeds: `python -m bench simulate --seeds N --json`.

gpu_busy   the share of all GPUs' time in which runs are made, by the number of GPUs, on the
           simulated clock, proposals taking 60 s and runs 300 s; from the first run on
serial_gpu_busy  the same for one GPU and one experiment at a time
seeds      how many histories were played; `--seed N` plays one again and tells its story
forges     of these on the embedded forge (git) and on the model of GitHub (github)
failures   those in which something that must always be true was not: seed and what
faults     what struck in all of them together, by name: [histories that it struck, times]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

from bench.simulation import busy
from bench.simulation.busy import Busy
from bench.simulation.history import Outcome, play
from bot.memory import collect_rarely

GPUS = {1: 1.0, 4: 0.5, 16: 0.25}
"""Numbers of GPUs, and the part of the asked hours for which each is simulated."""


def main(argv: Sequence[str]) -> int:
    """Play the histories that are asked for. Returns 1 when one of them failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench simulate",
        description="Play whole histories with faults; every failure prints its seed.",
        epilog="Example: python -m bench simulate --seeds 1000 --json",
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many histories (200)")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one (0)")
    parser.add_argument("--seed", type=int, help="play this one alone, and tell its story")
    parser.add_argument(
        "--busy-hours", type=float, default=24, help="simulated for gpu_busy; 0: leave it out (24)"
    )
    parser.add_argument("--real-git", action="store_true", help="every git command as a process")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    collect_rarely()
    outcomes: list[Outcome] = []
    if options.seed is not None:
        outcomes = [play(options.seed, quick=not options.real_git)]
        print("\n".join(outcomes[0].story), file=sys.stderr)
    else:
        seeds = range(options.first, options.first + options.seeds)
        outcomes = list(_played(seeds, quick=not options.real_git))
    told = summary(outcomes) | (
        busy_shares(options.busy_hours) if options.busy_hours and options.seed is None else {}
    )
    if options.json:
        print(json.dumps(told))
    else:
        print("\n".join(_lines(told)))
    return 1 if told["failures"] else 0


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What `--json` prints."""
    struck: Counter[str] = Counter()
    histories: Counter[str] = Counter()
    for outcome in outcomes:
        struck.update(outcome.faults)
        histories.update(outcome.faults.keys())
    return {
        "seeds": len(outcomes),
        "forges": dict(sorted(Counter(outcome.forge for outcome in outcomes).items())),
        "failures": [{"seed": o.seed, "what": o.failure} for o in outcomes if o.failure],
        "experiments": sum(outcome.experiments for outcome in outcomes),
        "simulated_hours": round(sum(outcome.hours for outcome in outcomes), 1),
        "faults": {name: [histories[name], struck[name]] for name in sorted(struck)},
    }


def busy_shares(hours: float) -> dict[str, Any]:
    """The busy shares that `--json` prints, and how much was simulated for each."""
    jobs = [(1, hours, 1), *((gpus, hours * part, None) for gpus, part in GPUS.items())]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        serial, *piped = pool.map(_busy, jobs)
    return {
        "gpu_busy": {str(one.gpus): round(one.share, 4) for one in piped},
        "serial_gpu_busy": round(serial.share, 4),
        "experiments_per_hour": {
            str(one.gpus): round(one.experiments / one.hours, 1) for one in piped
        },
        "simulated": [asdict(one) for one in (serial, *piped)],
    }


def _busy(job: tuple[int, float, int | None]) -> Busy:
    gpus, hours, in_flight = job
    return busy.measure(gpus, hours, in_flight=in_flight)


def _played(seeds: range, *, quick: bool) -> Iterator[Outcome]:
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for outcome in pool.map(_play_quick if quick else _play_real, seeds, chunksize=4):
            if outcome.failure:
                print(f"seed {outcome.seed}: {outcome.failure}", file=sys.stderr)
                print(f"again: python -m bench simulate --seed {outcome.seed}", file=sys.stderr)
            yield outcome


def _play_quick(seed: int) -> Outcome:
    return play(seed)


def _play_real(seed: int) -> Outcome:
    return play(seed, quick=False)


def _lines(told: dict[str, Any]) -> Iterator[str]:
    forges = ", ".join(f"{count} on {name}" for name, count in told["forges"].items())
    yield f"{told['seeds']} histories ({forges}), {len(told['failures'])} failures"
    yield f"{told['experiments']} experiments in {told['simulated_hours']} simulated hours"
    for name, (histories, times) in told["faults"].items():
        yield f"  {name:32} {times:6} times in {histories} histories"
    for gpus, share in told.get("gpu_busy", {}).items():
        rate = told["experiments_per_hour"][gpus]
        yield f"{gpus:>3} GPUs busy {share:7.2%}, {rate} experiments an hour"
    if "serial_gpu_busy" in told:
        yield f"  1 GPU, one experiment at a time: busy {told['serial_gpu_busy']:.2%}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
