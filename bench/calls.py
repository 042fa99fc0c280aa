"""Calls to GitHub's API for one experiment: `python -m bench calls --json`.

Whole experiments, from the proposal to the verdict, by the real scheduler and the real forge on
GitHub, against the stateful model of GitHub in `tests/github` over HTTP. The numbers that training
would give are made up, and its time passes on the model's clock: a minute for a proposal, five for
a run.

actions  every step is a process of its own, as `step.yml` starts it, and GitHub Actions measures:
         nothing is remembered between steps, and every measurement that ends wakes one
laptop   one process carries out everything, and this machine measures
Each with the mean over the experiments: the calls that count against GitHub's hourly limit, all
calls (an answer that nothing has changed, 304, does not count), those that write, and how many
attempts there were; then the calls that count by method and path.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TARGET = 25
_RATES = [2.5, 0.5, 3.0, 9.0, 2.9, 1.5, 4.0, 6.0, 3.05, 2.0, 5.0, 3.1, 7.0, 2.95, 1.0, 8.0, 4.5]
_MOST_STEPS = 200
_PROPOSAL_S = 60
_RUN_S = 300


def main(argv: Sequence[str]) -> int:
    """Count the calls and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench calls",
        description="Calls to GitHub's API for one experiment.",
        epilog="Example: python -m bench calls --others 150 --json",
    )
    parser.add_argument("--experiments", type=int, default=16, help="to carry out (16)")
    parser.add_argument(
        "--others", type=int, default=0, help="ended pull requests of other people before (0)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mergelab-bench-") as folder:
        figures: dict[str, Any] = {
            name: count(
                Path(folder) / name, options.experiments, forgets=forgets, others=options.others
            )
            for name, forgets in (("actions", True), ("laptop", False))
        }
    figures["target"] = TARGET
    if options.json:
        print(json.dumps(figures))
    else:
        for name in ("actions", "laptop"):
            routes = figures[name].pop("routes")
            print(
                f"{name:8} " + ", ".join(f"{key} {value}" for key, value in figures[name].items())
            )
            for route, calls in routes.items():
                print(f"  {calls:6} {route}")
    return 0


def count(folder: Path, experiments: int, *, forgets: bool, others: int = 0) -> dict[str, Any]:
    """Carry out experiments; `forgets` lets every step begin with nothing in memory."""
    from bot.forge.github.memory import HOLDS_S, STEP_HOLDS_S
    from bot.history import ledger
    from bot.model import Verdict
    from tests.bot.forge.github.hub import GitHubHub
    from tests.bot.workflows.test_measurer import make
    from tests.github.server import running
    from tests.github.setting import BOT_ID

    folder.mkdir(parents=True)
    bench = make(folder, list(_RATES), "[run]\nmax_in_flight = 1\n")
    _let_time_pass(bench)
    _add_others(bench.github, others)
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
                holds_s = STEP_HOLDS_S if forgets else HOLDS_S
                forge = hub.another_bot(client, account_id=BOT_ID, holds_s=holds_s)
            bench.client = client
            bench.lab.place = dataclasses.replace(bench.lab.place, forge=forge)
            entries = ledger.read(folder / "lab", "main")
            hub.verdicts.update({e.number: Verdict(e.reason, e.explanation) for e in entries})
            if forgets:
                concluded += len(bench.step().concluded)
            else:
                assert bench.proposer is not None
                bench.lab.stepper(bench.proposer).step()
                concluded += 1
            if concluded >= experiments:
                break
            bench.lab.place = dataclasses.replace(bench.lab.place, forge=observer)
            for run in bench.queued[:1]:
                bench.measure(run)
        attempts = sum(len(pull.attempts) for pull in observer.pulls())
    routes: Counter[str] = Counter()
    for each in calls:
        routes += each.counted_by_route
    return {
        "calls_per_experiment": round(sum(each.counted for each in calls) / concluded, 1),
        "made_per_experiment": round(sum(each.total for each in calls) / concluded, 1),
        "writes_per_experiment": round(sum(each.writes for each in calls) / concluded, 1),
        "unchanged_per_experiment": round(sum(each.unchanged for each in calls) / concluded, 1),
        "attempts_per_experiment": round(attempts / concluded, 2),
        "experiments": concluded,
        "routes": {name: round(made / concluded, 2) for name, made in routes.most_common()},
    }


def _let_time_pass(bench: Any) -> None:
    """Proposing and training take their time on the model's clock."""
    from tests.bot.lab import ListProposer

    github, metric = bench.github, bench.lab.measurer.metric

    class Slow(ListProposer):
        def propose(self, context: Any) -> Any:
            github.now += _PROPOSAL_S
            return super().propose(context)

    def slowly(source: bytes) -> Any:
        github.now += _RUN_S
        return metric(source)

    bench.proposer, bench.lab.measurer.metric = Slow(bench.rates), slowly


def _add_others(github: Any, count: int) -> None:
    """Pull requests of other people that were closed before."""
    from tests.github.state import Pull

    commit, user = github.repository.commit("refs/heads/main"), github.user("mallory")
    for number in range(1, count + 1):
        at = github.tick()
        github.pulls[number] = Pull(
            number, github.new_id(), user, "Other", "", f"other-{number}", "main", commit, commit,
            at, at, fork=True, state="closed", closed=at,
        )  # fmt: skip
