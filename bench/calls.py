"""Calls to GitHub's API for one experiment: `python -m bench calls --json`.

Whole experiments, from the proposal to the verdict, by the real scheduler and the real forge on
GitHub, against the stateful model of GitHub in `tests/github` over HTTP; the numbers that training
would give are made up. Counted is what counts against GitHub's hourly limit: an answer that
nothing has changed (304) does not.

actions  every step is a process of its own, as `step.yml` starts it, and GitHub Actions measures:
         nothing is remembered between steps
laptop   one process carries out everything, and this machine measures
Each with the mean over the experiments, the calls that write, and how many attempts there were.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TARGET = 25
_RATES = [2.5, 0.5, 3.0, 9.0, 2.9]
_MOST_STEPS = 200


def main(argv: Sequence[str]) -> int:
    """Count the calls and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench calls",
        description="Calls to GitHub's API for one experiment.",
        epilog="Example: python -m bench calls --experiments 4 --json",
    )
    parser.add_argument("--experiments", type=int, default=4, help="to carry out (4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mergelab-bench-") as folder:
        figures: dict[str, Any] = {
            "actions": count(Path(folder) / "actions", options.experiments, forgets=True),
            "laptop": count(Path(folder) / "laptop", options.experiments, forgets=False),
        }
    figures["target"] = TARGET
    if options.json:
        print(json.dumps(figures))
    else:
        for name in ("actions", "laptop"):
            print(
                f"{name:8} " + ", ".join(f"{key} {value}" for key, value in figures[name].items())
            )
    return 0


def count(folder: Path, experiments: int, *, forgets: bool) -> dict[str, float]:
    """Carry out experiments; `forgets` lets every step begin with nothing in memory."""
    from bot.history import ledger
    from bot.model import Verdict
    from tests.bot.forge.github.hub import GitHubHub
    from tests.bot.workflows.test_measurer import make
    from tests.github.server import running
    from tests.github.setting import BOT_ID

    folder.mkdir(parents=True)
    lab_settings = "[workflows]\nin_flight = 1\n"
    bench = make(folder, list(_RATES), lab_settings)
    for key, value in (("user.name", "Bench"), ("user.email", "bench@example.org")):
        subprocess.run(["git", "config", key, value], cwd=folder / "lab", check=True)
    with running(bench.github) as address:
        hub = GitHubHub(folder / "lab", bench.github, address)
        observer = hub.forge
        calls = []
        concluded = 0
        client = None
        for _ in range(_MOST_STEPS):
            if client is None or forgets:
                client = hub.new_client()
                calls.append(client.calls)
                forge = hub.another_bot(client, account_id=BOT_ID)
            bench.client = client
            bench.lab.place = dataclasses.replace(bench.lab.place, forge=forge)
            entries = ledger.read(folder / "lab", "main")
            hub.verdicts.update({e.number: Verdict(e.reason, e.explanation) for e in entries})
            if forgets:
                concluded += len(bench.step().concluded)
            else:
                bench.lab.stepper(_proposer(bench)).step()
                concluded += 1
            if concluded >= experiments:
                break
            bench.lab.place = dataclasses.replace(bench.lab.place, forge=observer)
            bench.measure_all()
        attempts = sum(len(pull.attempts) for pull in observer.pulls())
    return {
        "calls_per_experiment": round(sum(each.counted for each in calls) / concluded, 1),
        "writes_per_experiment": round(sum(each.writes for each in calls) / concluded, 1),
        "unchanged_per_experiment": round(sum(each.unchanged for each in calls) / concluded, 1),
        "attempts_per_experiment": round(attempts / concluded, 2),
        "experiments": concluded,
    }


def _proposer(bench: Any) -> Any:
    from tests.bot.lab import ListProposer

    bench.proposer = bench.proposer or ListProposer(bench.rates)
    return bench.proposer
