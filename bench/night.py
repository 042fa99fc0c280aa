"""The bot's night beside plain Optuna and random search: `python -m bench night`.

To measure, from a clone in which `python -m bot run` has ended its experiments:

tpe, random  so many training runs as led to the lab's last baseline (or `--runs`), its audits
             before the last verdict among them, each over the whole constants block of the lab's
             first baseline, by Optuna's TPE or at random; the best by its one validation run
             counts. `--searches` repeats each search from other seeds, 1, 2, 3 and so on: one
             search does not tell how much searches differ
final        first baseline, clamp relaxed, the lab's last baseline, and the best of each search,
             interleaved on shared fresh seeds. As in the bot's audits, each training is also
             scored on the sealed split; nothing is chosen by these numbers

`--report` measures nothing: it prints the figures of the lab and of the journal. Every run is the
runner's own measurement. It is written to the journal as it ends, and what is there is not
measured again: interrupt and repeat as you like. The journal's `final` runs tell of the sealed
split: keep it where no proposer reads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import night_compared, night_report
from bench.figures import write_between
from bench.headroom_arms import RELAXED
from bench.journal import Line, journal, read
from bench.measuring import ROOT, Code, Job, Laboratory, changed, open_laboratory
from bench.night_lab import Lab
from bench.searching import SAMPLERS, Sampler, Search, best
from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import GitError
from bot.proposers.constants import find
from runner.candidate import read_folder
from runner.errors import RequestError, RunnerError
from runner.settings_file import load

PARTS = (*SAMPLERS, night_compared.FINAL)
_FIRST_SEED = 1_000_001  # of the final runs; the searches draw theirs elsewhere
_EXAMPLE = """examples:
  python -m bench night --like ../lab
  python -m bench night --like ../lab --searches 3
  taskset -c 1 python -m bench night --only random --runs 120
  python -m bench night --report ../lab --write docs/results.md --chart docs/night.svg
"""


def main(argv: Sequence[str]) -> int:
    """Measure what is missing, or report."""
    options = _options(argv)
    try:
        return _report(options) if options.report else _measure(options)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (RunnerError, BotError, ForgeError, GitError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench night", description=__doc__, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--like", type=Path, metavar="REPOSITORY", help="a finished lab")
    parser.add_argument("--runs", type=int, help="training runs of each search")
    parser.add_argument("--searches", type=int, default=1, help="of each kind, each its seed (1)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--seeds", type=int, default=5, help="final runs of each code (5)")
    parser.add_argument("--budget", type=float, help="seconds of training (those of bot.toml)")
    parser.add_argument("--journal", type=Path, default=ROOT / "build" / "night.jsonl")
    parser.add_argument(
        "--with", dest="others", type=Path, nargs="+", default=[], metavar="JOURNAL"
    )
    parser.add_argument("--report", type=Path, metavar="REPOSITORY", help="figures of this lab")
    parser.add_argument("--write", type=Path, help="a document to put the report in")
    parser.add_argument("--chart", type=Path, help="where to draw the lab's chart (SVG)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.report and (options.like or options.runs):
        parser.error("--report measures nothing, so --like and --runs mean nothing with it")
    if not options.report and not options.like and not options.runs:
        parser.error("give --like or --runs to measure, or --report")
    if not options.report and (options.write or options.chart):
        parser.error("--write and --chart go with --report")
    if min(1 if options.runs is None else options.runs, options.seeds, options.searches) < 1:
        parser.error("--runs, --seeds and --searches must be 1 or more")
    return options


@dataclass(frozen=True)
class Start:
    """What is searched from, and how long."""

    repository: Path
    files: Mapping[str, bytes]
    entry: str
    lower: bool
    runs: int
    final: Mapping[str, bytes] | None = None  # what a lab arrived at

    @classmethod
    def of(cls, options: argparse.Namespace) -> Start:
        """From a finished lab, or from the files of this project."""
        if options.like:
            lab = Lab.open(options.like)
            folder, metric = lab.place.repository.path, lab.place.settings.metric
            lower = metric.direction == "lower"
            runs = options.runs or lab.runs
            return cls(folder, lab.baseline, lab.entry, lower, runs, lab.final)
        settings = load(ROOT / "bot.toml")
        files = read_folder(ROOT, settings.candidate)
        lower = settings.metric.direction == "lower"
        return cls(ROOT, files, settings.candidate.entry, lower, options.runs)

    def search(self, sampler: Sampler, number: int) -> Search:
        """A search with one of Optuna's samplers; its number, from 1, is its seed."""
        study = night_compared.study(sampler, number)
        return Search(study, sampler, number, self.files, self.entry, self.lower)


def _measure(options: argparse.Namespace) -> int:
    start = Start.of(options)
    with journal(options.journal) as kept:
        laboratory = open_laboratory(kept, start.repository, budget_s=options.budget)
        for sampler in SAMPLERS:
            for number in range(1, options.searches + 1) if sampler in options.only else ():
                for _ in start.search(sampler, number).run(laboratory, start.runs):
                    pass
        if night_compared.FINAL in options.only:
            _final(laboratory, start, options)
        lines = [*kept.lines, *_elsewhere(options)]
        found = night_compared.compared(lines, start.runs, laboratory.place, lower=start.lower)
    _print(options, found.as_json(), night_report.comparison(found))
    return 0


def _elsewhere(options: argparse.Namespace) -> list[Line]:
    """What other journals hold: of a search on another core, for example."""
    return [line for path in options.others for line in read(path)]


def _final(laboratory: Laboratory, start: Start, options: argparse.Namespace) -> None:
    """The codes on shared fresh seeds, one after the other on each, also on the sealed split."""
    lines = [*laboratory.journal.lines, *_elsewhere(options)]
    codes = list(_codes(lines, start, laboratory.place, options.searches))
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    jobs = [Job(night_compared.FINAL, code, seed) for seed in seeds for code in codes]
    for _ in laboratory.with_sealed().measure(jobs):
        pass


def _codes(lines: Sequence[Line], start: Start, place: str, searches: int) -> Iterator[Code]:
    """What the final runs compare."""
    yield Code(night_compared.BASELINE, start.files)
    known = find(start.files[start.entry]).values
    if known.keys() >= RELAXED.keys():
        yield changed(night_compared.RELAXED, start.files, start.entry, RELAXED)
    if start.final is not None:
        yield Code(night_compared.BOT, start.final)
    for sampler, number in itertools.product(SAMPLERS, range(1, searches + 1)):
        study = night_compared.study(sampler, number)
        trials = night_compared.trials(lines, study, start.runs, place)
        found = best(trials, lower=start.lower)
        if found is not None and len(trials) == start.runs:
            name = night_compared.winner(sampler, number)
            yield changed(name, start.files, start.entry, found.values)
        else:
            print(f"{study}: {len(trials)} of {start.runs} runs are done, so it is left out.",
                  file=sys.stderr)  # fmt: skip


def _report(options: argparse.Namespace) -> int:
    lab = Lab.open(options.report)
    lower = lab.place.settings.metric.direction == "lower"
    lines = [*read(options.journal), *_elsewhere(options)]
    others = sum(line.place != lab.runner_class for line in lines)
    if others:
        told = f"{others} of {len(lines)} runs in the journals"
        print(f"{told} are not of the lab's runner class and do not count.", file=sys.stderr)
    found = night_compared.compared(lines, lab.runs, lab.runner_class, lower=lower)
    chart = None
    if options.chart:
        from bot.report import build, image
        from bot.report import chart as drawing

        picture = image.svg(drawing.main_chart(build.history_of(lab.place)))
        try:
            options.chart.write_text(picture, encoding="utf-8")
        except OSError as error:
            raise RequestError(f"{options.chart}: cannot be written ({error.strerror}).") from None
        beside = options.write.parent if options.write else options.chart.parent
        chart = os.path.relpath(options.chart, beside)
    text = night_report.document(lab, found, chart)
    if options.write:
        write_between(options.write, "night", text)
        print(f"Wrote the report into {options.write}.", file=sys.stderr)
    _print(options, {**night_report.lab_json(lab), **found.as_json()}, text)
    return 0


def _print(options: argparse.Namespace, figures: Mapping[str, object], text: str) -> None:
    print(json.dumps(figures) if options.json else text)
