"""What the rule that decides is worth: `python -m bench verdict [--json]`.

Runs `bot.verdict.judge`, the code that runs in production, on synthetic metrics whose truth is
known. Every run counts: baselines, screens, tests and confirmations. docs/verdict.md explains
the worlds and discusses the figures.

null.false_merge_rate         the worst of all worlds and base lengths
null.runs_per_experiment      in the plain world, 3 to 8 degrees of freedom known, no true gain
null.bound                    the same for the cheapest test found with the noise known exactly,
                              at most `alpha` false merges and at least 80 % power at 2 sd
null.over_bound               their quotient
null.worlds                   false merges and runs per experiment in each world
power_at_2sd                  share merged of candidates better by 2 standard deviations
mixed                         10 % of candidates better by 0.5 to 3 standard deviations;
                              `known`: the same test with the noise known exactly; `..._tuned`:
                              with the margin at which no more winners are false than ours
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.verdict_bound import bound
from bench.verdict_rules import FixedSeeds, Judging, Production
from bench.verdict_streams import MakeRule, Tally, fixed_bases, mixed
from bench.verdict_worlds import DEVIATION, World
from bot.verdict import VerdictRule

BASES = (4, 10, 200)
PLAIN = World("plain")
WORLDS = (
    PLAIN,
    World("nothing known", known=(0, 0)),
    World("heavy tails", tails=3),
    World("half the spread", spread=(0.5, 0.5)),
    World("twice the spread", spread=(2, 2)),
    World("three times the spread", spread=(3, 3)),
    World("0.5 to 3 times the spread", spread=(0.5, 3)),
    World("drift to the better", trend=-0.01),
    World("drift to the worse", trend=0.01),
    World("wandering machine", wander=0.7),
    World("no noise", tails=0),
)
MIXED = replace(PLAIN, name="mixed", true_share=0.1)
STREAM = 200  # experiments in a mixed stream


def production(rule: VerdictRule, *, learns: bool) -> MakeRule:
    """The production rule; `learns` from the repeated runs of closed candidates, as it does."""
    return lambda repeats: Production(rule, [repeats], learns=learns)


def with_known_noise(rule: VerdictRule) -> VerdictRule:
    """The same rule, told the spread of every run exactly."""
    return rule.model_copy(
        update={"noise_prior": DEVIATION, "noise_prior_runs": 1e9, "likeness": 1e9}
    )


def fixed(seeds: int, margin: float) -> MakeRule:
    """So many seeds each; better by more than `margin` standard deviations."""

    def make(_repeats: tuple[float, ...]) -> Judging:
        return FixedSeeds(seeds, margin)

    return make


def null_figures(rule: VerdictRule, experiments: int, tries: int) -> dict[str, Any]:
    """Candidates without any gain, in every world."""
    worlds: dict[str, Any] = {}
    for world in WORLDS:
        tallies = {
            f"base_{base}": fixed_bases(
                world, production(rule, learns=False), experiments, base, seed=base
            )
            for base in BASES
        }
        worlds[world.name] = {
            "false_merge_rate": {key: tally.merge_rate for key, tally in tallies.items()},
            "runs_per_experiment": {
                key: tally.runs_per_experiment for key, tally in tallies.items()
            },
        }
        _say(f"null, {world.name}")
    ours: dict[str, float] = worlds[PLAIN.name]["runs_per_experiment"]
    floor = {f"base_{base}": bound(base, rule.alpha, 0.8, tries, 1)[0] for base in BASES}
    _say("bound")
    return {
        "false_merge_rate": max(max(w["false_merge_rate"].values()) for w in worlds.values()),
        "runs_per_experiment": ours,
        "bound": floor,
        "over_bound": {key: ours[key] / floor[key] for key in ours},
        "worlds": worlds,
    }


def power_figures(rule: VerdictRule, experiments: int) -> dict[str, Any]:
    """Candidates that are all better by the same effect, bases of ten experiments."""
    make = production(rule, learns=False)
    figures = {}
    for effect in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        tally = fixed_bases(PLAIN, make, experiments, 10, seed=2, effect=effect)
        figures[f"{effect:g}"] = {
            "power": tally.merge_rate,
            "runs_per_experiment": tally.runs_per_experiment,
            "claimed_over_true_gain": tally.claimed_over_true_gain,
        }
    _say("power")
    return figures


def mixed_figures(rule: VerdictRule, experiments: int) -> dict[str, Any]:
    """Streams in which winners become the baseline, under every rule."""
    streams = max(1, experiments // STREAM)

    def play(world: World, make: MakeRule) -> Tally:
        # Few candidates win: their shares need longer streams to be told apart.
        more = 4 if world == MIXED else 1
        return mixed(world, make, more * streams, STREAM, seed=3)

    ours = play(MIXED, production(rule, learns=True))
    figures = {
        "production": _winners(ours),
        "greedy": _winners(play(MIXED, fixed(1, 0))),
        "fixed_three": _winners(play(MIXED, fixed(3, 0))),
        "known": _winners(play(MIXED, production(with_known_noise(rule), learns=True))),
    }
    share = ours.false_share_of_winners
    for name, seeds in (("greedy", 1), ("fixed_three", 3)):
        figures[f"{name}_tuned"] = _tuned(play, seeds, share)
    _say("mixed")
    for world in WORLDS[1:-1]:
        tally = play(replace(world, true_share=0.1), production(rule, learns=True))
        figures[f"production, {world.name}"] = _winners(tally)
    _say("mixed, other worlds")
    return figures


def _tuned(play: Any, seeds: int, share: float) -> dict[str, float]:
    """The smallest margin with which no larger share of the winners is false than `share`."""
    for step in range(1, 61):
        margin = 0.1 * step
        tally: Tally = play(MIXED, fixed(seeds, margin))
        if tally.false_share_of_winners <= share:
            return _winners(tally) | {"margin_sd": margin}
    raise ValueError(f"no margin up to 6 standard deviations reaches a false share of {share}")


def _winners(tally: Tally) -> dict[str, float]:
    return {
        "false_share_of_winners": tally.false_share_of_winners,
        "claimed_over_true_gain": tally.claimed_over_true_gain,
        "confirmed_gain_per_100_runs": tally.gain_per_100_runs,
        "winners": tally.merged,
        "runs_per_experiment": tally.runs_per_experiment,
    }


def _say(done: str) -> None:
    print(f"{time.process_time():6.0f} s  {done}", file=sys.stderr, flush=True)


def figures(rule: VerdictRule, experiments: int, tries: int) -> dict[str, Any]:
    """Every figure, as the one JSON object that `--json` prints."""
    power = power_figures(rule, max(100, experiments // 2))
    return {
        "null": null_figures(rule, experiments, tries),
        "power_at_2sd": power["2"]["power"],
        "power": power,
        "mixed": mixed_figures(rule, experiments),
        "experiments": experiments,
    }


def _table(result: dict[str, Any]) -> str:
    null = result["null"]
    lines = [f"false merges per null experiment, at most: {null['false_merge_rate']:.2%}", ""]
    lines.append(f"{'null experiments':<28}" + "".join(f"{f'base {b}':>18}" for b in BASES))
    for name, world in null["worlds"].items():
        cells = [
            f"{world['false_merge_rate'][f'base_{b}']:.2%}, "
            f"{world['runs_per_experiment'][f'base_{b}']:.2f} runs"
            for b in BASES
        ]
        lines.append(f"{name:<28}" + "".join(f"{cell:>18}" for cell in cells))
    for label, key, form in (("bound", "bound", ".2f"), ("over bound", "over_bound", ".2f")):
        cells = [format(null[key][f"base_{b}"], form) for b in BASES]
        lines.append(f"{label:<28}" + "".join(f"{cell:>18}" for cell in cells))
    lines += ["", f"{'true effect (sd)':<28}{'power':>9}{'runs':>9}{'claimed/true':>15}"]
    for effect, row in result["power"].items():
        lines.append(
            f"{effect:<28}{row['power']:>9.1%}{row['runs_per_experiment']:>9.2f}"
            f"{row['claimed_over_true_gain']:>15.2f}"
        )
    head = (
        f"{'mixed stream':<40}{'false':>8}{'claimed/true':>14}{'gain/100 runs':>15}{'winners':>9}"
    )
    lines += ["", head]
    for name, row in result["mixed"].items():
        lines.append(
            f"{name:<40}{row['false_share_of_winners']:>8.1%}"
            f"{row['claimed_over_true_gain']:>14.2f}"
            f"{row['confirmed_gain_per_100_runs']:>15.2f}{row['winners']:>9}"
        )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """`python -m bench verdict`: print a table, or one JSON object with `--json`."""
    parser = argparse.ArgumentParser(
        prog="python -m bench verdict",
        description="Error rates, power and cost of the rule that decides, by simulation.",
        epilog="Example: python -m bench verdict --experiments 2000 --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--experiments", type=int, default=10_000, help="in each world (default 10000)"
    )
    parser.add_argument(
        "--tries", type=int, default=300, help="tests tried for the bound (default 300)"
    )
    options = parser.parse_args(argv)
    result = figures(VerdictRule(), options.experiments, options.tries)
    print(json.dumps(result) if options.json else _table(result))
    return 0
