"""The commit message by which a verdict enters the ledger: a story, then trailers.

`ledger` reads it back; what it keeps of each run is a row of JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.model import Direction, Purpose, Run, Side, Verdict
from bot.text.plain import one_line, quiet

NONE = "-"
"""Stands in a trailer for what there is not."""
SELF_REPORTED = "self-reported"


@dataclass(frozen=True)
class Facts:
    """What an experiment's ledger commit is made of, beside its verdict."""

    number: int
    title: str
    phase: str
    proposer: str
    metric: str
    direction: Direction
    head: str
    runs: Sequence[tuple[Side, Run]] = field(default_factory=tuple)
    cost_usd: float = 0.0
    fork: str = ""
    fingerprint: str = ""
    reverts: tuple[int, int] | None = None
    self_reported: bool = False


def message(facts: Facts, verdict: Verdict) -> str:
    """The commit message: a readable story first, then one block of trailers."""
    verb = "Merge" if verdict.merged else "Close"
    title = _words(facts.title, 200)
    subject = f"{verb} experiment #{facts.number} ({verdict.reason}): {_words(facts.title, 90)}"
    story = "\n".join(_words(line, 300) for line in verdict.explanation.splitlines() if line)
    trailers = [
        ("Experiment", str(facts.number)),
        ("Hypothesis", title),
        ("Verdict", str(verdict.outcome)),
        ("Reason", str(verdict.reason)),
        ("Phase", _words(facts.phase, 60)),
        ("Proposer", _words(facts.proposer, 60)),
        *_numbers(facts, verdict),
        ("Cost", f"{facts.cost_usd:.4f}"),
        ("Head", facts.head),
        ("Fork", facts.fork or NONE),
        ("Fingerprint", facts.fingerprint or NONE),
        *([("Reverts", "{} {}".format(*facts.reverts))] if facts.reverts else []),
        *([("Scored", SELF_REPORTED)] if facts.self_reported else []),
        ("Evidence", json.dumps([row_of(*pair) for pair in facts.runs])),
    ]
    block = "\n".join(f"{key}: {value}" for key, value in trailers)
    return f"{subject}\n\n{story}\n\n{block}\n"


def _words(text: str, limit: int) -> str:
    """Text from outside, which must not act when a forge reads the commit."""
    return quiet(one_line(text, limit))


def _numbers(facts: Facts, verdict: Verdict) -> list[tuple[str, str]]:
    own = [run for side, run in facts.runs if side is Side.CANDIDATE]
    values = [run.value for run in own if run.value is not None]
    estimate = verdict.estimate
    mean = estimate.candidate_mean if estimate else (sum(values) / len(values) if values else None)
    lines = [
        ("Metric", " ".join([facts.metric, str(facts.direction), _number(mean)])),
        ("Seeds", str(len({run.seed for run in own}))),
        ("Duration", f"{sum(run.duration_s for _, run in facts.runs):.1f}"),
    ]
    if estimate:
        interval = f"{_number(estimate.low)} {_number(estimate.high)} {estimate.level:g}"
        lines += [
            ("Baseline", _number(estimate.baseline_mean)),
            ("Difference", _number(estimate.difference)),
            ("Interval", interval),
        ]
    return lines


def _number(value: float | None) -> str:
    return NONE if value is None or not math.isfinite(value) else f"{value:.6g}"


def row_of(side: Side, run: Run) -> list[object]:
    """What the ledger keeps of a run: a list that JSON can hold."""
    return [
        str(side),
        run.subject,
        run.seed,
        run.status,
        run.value,
        str(run.purpose),
        run.runner_class,
        run.attempt,
        round(run.duration_s, 2),
        dict(run.secondary),
    ]


def run_from_row(row: Sequence[object]) -> tuple[Side, Run]:
    """The run that `row_of` kept. Raises ValueError or TypeError where it is none."""
    side, subject, seed, status, value, purpose, runner_class, attempt, duration, secondary = row
    if not isinstance(secondary, dict):
        raise TypeError("secondary metrics are not a table")
    run = Run(
        subject=str(subject),
        seed=int(str(seed)),
        status=str(status),
        value=None if value is None else float(str(value)),
        purpose=Purpose(str(purpose)),
        runner_class=str(runner_class),
        attempt=str(attempt),
        duration_s=float(str(duration)),
        secondary=tuple((str(key), float(number)) for key, number in secondary.items()),
    )
    return Side(str(side)), run
