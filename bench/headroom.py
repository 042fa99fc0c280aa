"""How much room the default task leaves, and how noisy it is: `python -m bench headroom`.

oracle     mean rank of somebody who sees the facts that an image shows, without any training
tune       a search (Optuna's TPE) from the relaxed clamp; what it finds is `tuned` from then on,
           kept in bench/headroom_tuned.json
arms       baseline, clamp relaxed, what was found (by `tune`, in a night), each also with the
           expert branch switched, on shared seeds, interleaved
same-seed  baseline and relaxed clamp with one seed again and again: what a wall-clock budget does
ideas      named ideas on top of the relaxed clamp; how alike another budget, size or machine
           ranks them (`--with` reads the journals from there)

Every run is the runner's own measurement, in its sandbox. It is written to the journal as it ends,
and what is there is not measured again: interrupt and repeat as you like. `--report` measures
nothing. Figures that were not measured are called so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import headroom_arms, headroom_tables
from bench.figures import write_between
from bench.headroom_oracle import oracle
from bench.headroom_tables import Bound
from bench.journal import Line, journal, read
from bench.measuring import ROOT, Code, Job, Laboratory, changed, open_laboratory
from bench.searching import Search, best
from bot.errors import BotError
from runner.candidate import read_folder
from runner.errors import RunnerError
from runner.session import data_size
from runner.settings_file import load
from runner.task.compose import RECIPES
from runner.task.prepare import prepare

PARTS = ("oracle", "tune", "arms", "same-seed", "ideas")
_SEARCH_SEED = 1
_EXAMPLE = """examples:
  python -m bench headroom --only oracle --sizes small full
  python -m bench headroom --only arms same-seed --seeds 5
  python -m bench headroom --only ideas --budget 60
  python -m bench headroom --report --with gpu.jsonl --write docs/results.md
"""


def main(argv: Sequence[str]) -> int:
    """Measure what is missing, and print the tables."""
    options = _options(argv)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (RunnerError, BotError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench headroom", description=__doc__, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--seeds", type=_positive, default=5, help="runs of each code (5)")
    parser.add_argument("--trials", type=_positive, default=60, help="of the search (60)")
    parser.add_argument("--budget", type=float, help="seconds of training (those of bot.toml)")
    parser.add_argument(
        "--sizes", nargs="+", choices=sorted(RECIPES), metavar="SIZE",
        help="of the data, for the oracle alone; what is missing is prepared (that of bot.toml)",
    )  # fmt: skip
    parser.add_argument("--repository", type=Path, default=ROOT, help="whose train.py (this one)")
    parser.add_argument("--journal", type=Path, default=ROOT / "build" / "headroom.jsonl")
    parser.add_argument(
        "--with", dest="others", type=Path, nargs="+", default=[], metavar="JOURNAL"
    )
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--write", type=Path, help="a document to put the tables in")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _run(options: argparse.Namespace) -> int:
    settings = load(options.repository / "bot.toml")
    bounds: list[Bound] = []
    if "oracle" in options.only and not settings.self_reported:
        for size in options.sizes or [data_size(options.repository, settings)]:
            data = prepare(size)
            bounds.append(Bound(size, data.version, tuple(oracle(data))))
    if options.report:
        lines = read(options.journal)
    else:
        with journal(options.journal) as kept:
            if set(options.only) - {"oracle"}:
                _measure(
                    open_laboratory(kept, options.repository, budget_s=options.budget), options
                )
            lines = list(kept.lines)
    lines += [line for path in options.others for line in read(path)]
    if options.write:
        text = headroom_tables.document(lines, bounds)
        write_between(options.write, "headroom", text)
        print(f"Wrote the tables into {options.write}.", file=sys.stderr)
    if options.json:
        print(json.dumps(figures(lines, bounds)))
    else:
        print(headroom_tables.document(lines, bounds))
    return 0


def _measure(laboratory: Laboratory, options: argparse.Namespace) -> None:
    settings = laboratory.session.settings
    entry, size = settings.candidate.entry, laboratory.session.data.size
    files = read_folder(options.repository, settings.candidate)
    if "tune" in options.only:
        _tune(laboratory, changed("relaxed", files, entry, headroom_arms.RELAXED), options.trials)
    seeds = range(1, options.seeds + 1)
    jobs: list[Job] = []
    found = headroom_arms.tuned(size)
    codes = headroom_arms.configurations(files, entry, found)
    if "arms" in options.only:
        jobs += _interleaved(headroom_tables.ARMS, codes, seeds)
    if "same-seed" in options.only:
        study = headroom_tables.SAME_SEED
        jobs += [Job(study, code, 1, number) for number in seeds for code in codes[:2]]
    if "ideas" in options.only:
        ideas = headroom_arms.ideas(files, entry)
        jobs += _interleaved(headroom_tables.RANKING, ideas, seeds)
    missing = sum(laboratory.known(job) is None for job in jobs)
    budget_s = laboratory.session.runner_class.budget_s
    print(f"{missing} of {len(jobs)} runs are missing, each {budget_s:g} s and more.",
          file=sys.stderr)  # fmt: skip
    for _ in laboratory.measure(jobs):
        pass


def _interleaved(study: str, codes: Sequence[Code], seeds: Sequence[int]) -> list[Job]:
    """All codes in turn on one seed, then on the next."""
    return [Job(study, code, seed) for seed in seeds for code in codes]


def _tune(laboratory: Laboratory, start: Code, trials: int) -> None:
    """Search from the relaxed clamp, and keep what was found for this size of the data."""
    facts, metric = laboratory.session.runner_class, laboratory.session.settings.metric
    entry = laboratory.session.settings.candidate.entry
    lower = metric.direction == "lower"
    search = Search("tune", "tpe", _SEARCH_SEED, start.files, entry, lower)
    found = best(list(search.run(laboratory, trials)), lower=lower)
    if found is None or found.measurement.metric is None:
        raise RunnerError("no trial of the search gave a value; look at the journal's lines")
    headroom_arms.keep(
        headroom_arms.Tuned(
            size=laboratory.session.data.size,
            budget_s=facts.budget_s,
            device=facts.device,
            found_by=f"Optuna's TPE, {trials} trials from the relaxed clamp, seed {_SEARCH_SEED}",
            found_at=time.strftime("%Y-%m-%d", time.gmtime(found.finished_at)),
            best=found.measurement.metric,
            values={**start.values, **found.values},
        )
    )


def figures(lines: Sequence[Line], bounds: Sequence[Bound]) -> dict[str, Any]:
    """Everything in the tables as plain data: what was not measured is missing."""
    found = headroom_tables.places(lines)
    return {
        "oracle": [
            {
                "size": bound.size,
                "knows": list(map(str, step.knows)),
                "mean_rank": step.mean_rank,
                "recall@1": step.recall,
            }
            for bound in bounds
            for step in bound.steps
        ],
        "places": [
            {
                "place": place.name,
                "arms": {
                    name: list(place.by_seed(headroom_tables.ARMS, name).values())
                    for name in place.arms(headroom_tables.ARMS)
                },
                "same_seed": {
                    name: list(place.by_seed(headroom_tables.SAME_SEED, name).values())
                    for name in place.arms(headroom_tables.SAME_SEED)
                },
                "ideas": {
                    name: {"effect": effect.mean, "interval": effect.interval}
                    for name, effect in headroom_tables.effects(place).items()
                },
            }
            for place in found
        ],
        "agreement": [asdict(each) for each in headroom_tables.agreements(found)],
    }
