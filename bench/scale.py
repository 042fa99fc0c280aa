"""How the bot's own work grows with the history: `python -m bench scale --json`.

For histories of 100, 1,000 and 10,000 finished experiments and one open, each with its ledger
commit and its pull request as real git objects (winners audited, runs with results):

log, status, pulls   of that command with `--json`: `s` the wall time, `cpu_s` the processor's time
                     (git's included), which a busy machine does not blur, `mb` the memory
look                 the same for what a step does before it acts: snapshot and decision
compare              the same look once the open experiment has its first runs: the decision
                     compares it with the baseline
growth               for each, how many times the processor's time of 1,000 experiments that of
                     10,000 is

`--plot FILE.svg` draws them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench import histories
from bench.growth import chart
from bench.simulation.project import TRAIN, measured
from bot.app import open_place
from bot.forge import events
from bot.forge.base import Attempt, Author, PlannedRun, State
from bot.forge.events import Attempted, Closed, Event, Judgement, Measured, Merged, Opened, Plan
from bot.forge.events import Person as EventPerson
from bot.history import ledger
from bot.history.ledger import LedgerEntry
from bot.model import Estimate, Purpose, Side, Verdict
from bot.report.image import svg

ROOT = Path(__file__).parents[1]
SIZES = (100, 1_000, 10_000)
_LOOK = """
from bot import memory
memory.collect_rarely()  # as in bot/__main__.py
from bot.app import open_place
from bot.decide import decide
from bot.snapshot import look
place = open_place()
assert decide(look(place.repository, place.forge, place.settings).snapshot)
memory.collect_no_more()
"""
COMMANDS = {
    "log": ["-m", "bot", "log", "--json"],
    "status": ["-m", "bot", "status", "--json"],
    "pulls": ["-m", "bot", "pulls", "--json"],
    "look": ["-c", _LOOK],
    "compare": ["-c", _LOOK],
}
# Between us and what is measured stands a small process: on Linux the largest memory of a
# process is at least that of the one that started it, and we hold whole histories.
_WEIGH = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, code, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
print(json.dumps([code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
_CANDIDATE = TRAIN.replace("RATE = 1.0", "RATE = 2.0")
_BOT = Author("Mergelab", "mergelab@users.noreply.invalid", is_bot=True)


def main(argv: Sequence[str]) -> int:
    """Take the figures and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench scale",
        description="Time and memory of the bot's own work as the history grows.",
        epilog="Example: python -m bench scale --sizes 100 1000 --json",
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="100 1000 10000")
    parser.add_argument("--repetitions", type=int, default=3, help="of each command (3)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the figures as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {name: {} for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="mergelab-scale-") as folder:
        for size in options.sizes:
            place = Path(folder) / str(size)
            write(place, size)
            for name, command in COMMANDS.items():
                if name == "compare":
                    begin(place)
                if size == options.sizes[0]:
                    _cost(command, place, 1)  # what was never imported before is compiled
                figures[name][str(size)] = _cost(command, place, options.repetitions)
    growth = _growth(figures, options.sizes)
    if options.plot:
        options.plot.write_text(svg(chart(figures, growth)), encoding="utf-8")
    found = {**figures, "growth": growth}
    if options.json:
        print(json.dumps(found))
        return 0
    for name in COMMANDS:
        for size, cost in figures[name].items():
            times = f"{cost['s']:8.2f} s, {cost['cpu_s']:.2f} s of processor"
            print(f"{name:8} {int(size):>7,} {times}, {cost['mb']:8.0f} MB")
    return 0


def write(repository: Path, experiments: int) -> None:
    """A repository with so many finished experiments and one that is open."""
    repository.mkdir(parents=True)
    (repository / "bot.toml").write_text("")
    (repository / "train.py").write_text(TRAIN)
    (repository / "scratchpad.md").write_text("# Scratchpad\n")
    _git(repository, "init", "-q", "-b", "main")
    _git(repository, "config", "user.name", "Bench")
    _git(repository, "config", "user.email", "bench@example.org")
    _git(repository, "add", "-A")
    _git(repository, "commit", "-q", "-m", "Begin")
    histories.write(repository, experiments)
    (repository / "train.py").write_text(_CANDIDATE)
    _git(repository, "checkout", "-q", "-b", "exp/next", "main")
    _git(repository, "commit", "-q", "-a", "-m", "Set RATE to 2.0")
    _git(repository, "checkout", "-q", "main")
    stream = b"".join(_pulls(repository, ledger.read(repository, "main")))
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=repository, input=stream, check=True)
    _git(repository, "pack-refs", "--all")


def begin(repository: Path) -> None:
    """Give the open experiment its first runs, in the runner class of the history."""
    place = open_place(repository)
    (pull,) = place.forge.pulls(State.OPEN)
    base = place.forge.base()
    sides = {Side.CANDIDATE: (pull.head, _CANDIDATE), Side.BASELINE: (base, TRAIN)}
    planned, results = [], {}
    for index, side in enumerate((Side.BASELINE, Side.CANDIDATE, Side.BASELINE)):
        commit, source = sides[side]
        result = measured(source.encode(), index, Random(index), sealed=False)
        result["digests"]["harness"] = histories.CLASS.rpartition("-")[2].ljust(64, "0")
        planned.append(PlannedRun(side, place.repository.tree(commit), index, Purpose.SCREEN))
        results[index] = result
    tree = place.repository.tree(pull.head)
    attempt = Attempt(f"{pull.number}.1", base, pull.head, tree, tuple(planned), {})
    place.forge.start(pull.number, attempt)
    place.forge.record_many(pull.number, attempt.id, results)


def _pulls(repository: Path, entries: Sequence[LedgerEntry]) -> Iterator[bytes]:
    """The chains of all pull requests for `git fast-import`."""
    base = _git(repository, "rev-parse", "main")
    tree = _git(repository, "rev-parse", "main^{tree}")
    head = _git(repository, "rev-parse", "exp/next")
    for entry in entries:
        state = "merged" if entry.outcome == "merged" else "closed"
        yield from _chain(entry.number, entry.head, list(_story(entry, tree)), tree, state)
    opened = _opened(len(entries) + 1, head, base, "exp/next", "Set RATE to 2.0")
    yield from _chain(len(entries) + 1, head, [opened], tree, "open")


def _opened(number: int, head: str, base: str, branch: str, title: str) -> Opened:
    record = {"proposer": "search", "phase": "default", "cost": {"usd": 0.0}, "fork": base}
    return Opened(
        at=histories.START,
        number=number,
        branch=branch,
        head=head,
        title=title,
        body="It may be better there.",
        author=EventPerson.of(_BOT),
        record=record,
    )


def _story(entry: LedgerEntry, tree: str) -> Iterator[Event]:
    chance = Random(entry.number)
    branch = f"exp/idea-{entry.number}"
    yield _opened(entry.number, entry.head, entry.head, branch, entry.title)
    runs = entry.runs()
    if runs:
        attempt = f"{entry.number}.1"
        plans = tuple(
            Plan(side=side, tree=tree, seed=run.seed, purpose=run.purpose) for side, run in runs
        )
        yield Attempted(
            at=histories.START,
            id=attempt,
            base=entry.head,
            head=entry.head,
            merge_tree=tree,
            runs=plans,
        )
        for index, (_, run) in enumerate(runs):
            result = measured(TRAIN.encode(), run.seed, chance, sealed=False)
            yield Measured(at=histories.START, attempt=attempt, index=index, result=result)
    judgement = Judgement.of(Verdict(entry.reason, entry.explanation, _estimate(entry)))
    at, base, commit = histories.START, entry.head, entry.commit
    if entry.outcome == "merged":
        yield Merged(at=at, head=base, base=base, commit=commit, verdict=judgement)
    else:
        yield Closed(at=at, base=base, commit=commit, verdict=judgement)


def _estimate(entry: LedgerEntry) -> Estimate | None:
    if entry.difference is None or entry.interval is None:
        return None
    means = (entry.value or 0.0, entry.baseline or 0.0)
    return Estimate(entry.difference, *entry.interval, 0.95, *means, 4, 4, 6.0)


def _chain(
    number: int, head: str, story: Sequence[Event], tree: str, state: str
) -> Iterator[bytes]:
    ref = f"refs/forge/pulls/{number}"
    yield f"reset {ref}/head\nfrom {head}\n\n".encode()
    who = f"Bench <bench@example.org> {histories.START} +0000"
    for event in story:
        now = state if event is story[-1] else "open"
        text = f"{event.kind} (#{number})\n\nState: {now}\n".encode()
        data = events.to_json(event)
        yield f"commit {ref}/meta\ncommitter {who}\ndata {len(text)}\n".encode() + text
        yield f"M 100644 inline event.json\ndata {len(data)}\n".encode() + data + b"\n"
        if isinstance(event, Attempted):
            yield f"M 040000 {tree} trees/{tree}\n".encode()
        yield b"\n"


def _cost(arguments: Sequence[str], place: Path, repetitions: int) -> dict[str, float]:
    """Median seconds, median seconds of processor, and largest megabytes of a Python process."""
    seconds, processor_s, megabytes = [], [], []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start compiles nothing
    for _ in range(repetitions):
        told = subprocess.run(
            [sys.executable, "-I", "-c", _WEIGH, sys.executable, *arguments],
            cwd=place,
            stdout=subprocess.PIPE,
            env=environment,
            check=True,
        )
        code, wall_s, cpu_s, kibibytes = json.loads(told.stdout)
        if code:
            raise RuntimeError(f"{arguments} failed in a history of {place.name} experiments")
        seconds.append(wall_s)
        processor_s.append(cpu_s)
        megabytes.append(kibibytes * 1024 / 1e6)
    return {
        "s": round(statistics.median(seconds), 3),
        "cpu_s": round(statistics.median(processor_s), 3),
        "mb": round(max(megabytes), 1),
    }


def _growth(figures: dict[str, Any], sizes: Sequence[int]) -> dict[str, float]:
    if len(sizes) < 2:
        return {}
    before, after = map(str, sorted(sizes)[-2:])
    return {
        name: round(figures[name][after]["cpu_s"] / figures[name][before]["cpu_s"], 2)
        for name in COMMANDS
    }


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
