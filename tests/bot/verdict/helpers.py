"""Runs and evidence for the tests of the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.model import Direction, Purpose, Run
from bot.verdict import Decision, Evidence, MoreRuns, VerdictRule, judge


def run(
    value: float | None,
    seed: int,
    purpose: Purpose = Purpose.SCREEN,
    *,
    attempt: str = "first",
    status: str = "",
    secondary: tuple[tuple[str, float], ...] = (),
) -> Run:
    status = status or ("ok" if value is not None else "crashed")
    return Run("code", seed, status, value, purpose, "class", attempt, 1.0, secondary)


def runs(
    values: Sequence[float], purpose: Purpose = Purpose.SCREEN, first: int = 0
) -> tuple[Run, ...]:
    return tuple(run(value, first + index, purpose) for index, value in enumerate(values))


def play(
    candidate: Callable[[], float | None],
    baseline: Callable[[], float | None],
    rule: VerdictRule,
    *,
    direction: Direction = Direction.LOWER,
    known: Sequence[Run] = (),
    repeats: tuple[tuple[float, ...], ...] = (),
) -> tuple[Decision, Evidence, list[MoreRuns]]:
    """Make the runs that `judge` asks for until it decides."""
    ours: list[Run] = []
    theirs = list(known)
    asked: list[MoreRuns] = []
    seed = 1000
    while True:
        evidence = Evidence(tuple(ours), tuple(theirs), direction, repeats)
        decision = judge(evidence, rule)
        if not isinstance(decision, MoreRuns):
            return decision, evidence, asked
        assert decision.candidate + decision.baseline > 0
        asked.append(decision)
        assert len(asked) < 10 * rule.max_seeds, "the judge does not come to an end"
        attempt = str(len(asked))
        for index in range(max(decision.candidate, decision.baseline)):
            seed += 1
            if index < decision.baseline:
                theirs.append(run(baseline(), seed, decision.purpose, attempt=attempt))
            if index < decision.candidate:
                ours.append(run(candidate(), seed, decision.purpose, attempt=attempt))
