"""What the statistics are told of thousands of runs, against the runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import LedgerError
from bot.history import ledger, ledger_message
from bot.history.ledger import LedgerEntry
from bot.history.past import Past, in_class
from bot.history.reduce import SidedRun
from bot.model import Direction, Purpose, Reason, Run, Side, Verdict

HERE = "class-a"

made_runs = st.builds(
    lambda side, code, seed, value, where, attempt: (
        side,
        Run(
            code,
            seed,
            "crashed" if value is None else "ok",
            value,
            Purpose.TEST,
            where,
            attempt,
        ),
    ),
    st.sampled_from(Side),
    st.sampled_from(["base", "one", "two"]),
    st.integers(0, 3),
    st.none() | st.floats(-100, 100),
    st.sampled_from([HERE, HERE, "class-b"]),
    st.sampled_from(["1.1", "1.2"]),
)
histories = st.lists(st.lists(made_runs, max_size=8), max_size=6)


def entry(number: int, runs: Sequence[SidedRun]) -> LedgerEntry:
    facts = ledger_message.Facts(
        number, "Try it", "tuning", "search", "rank", Direction.LOWER, "ab" * 20, tuple(runs)
    )
    return ledger.entry_of(ledger_message.message(facts, Verdict(Reason.WORSE, "It is worse.")))


def past_of(history: Sequence[Sequence[SidedRun]]) -> Past:
    """All but the last finished, the last one still open."""
    finished = [entry(number, runs) for number, runs in enumerate(history[:-1], 1)]
    return Past.of(finished, HERE, {len(history): runs for runs in history[-1:]})


@given(histories)
def test_repeats_are_the_values_of_each_code_in_the_order_of_its_runs(
    history: list[list[SidedRun]],
) -> None:
    here = [run for runs in history for _, run in in_class(runs, HERE) if run.value is not None]
    codes = list(dict.fromkeys(run.subject for run in here))
    values = {code: tuple(run.value for run in here if run.subject == code) for code in codes}
    expected = tuple((code, found) for code, found in values.items() if len(found) > 1)
    assert past_of(history).repeats() == expected
    others = tuple(pair for pair in expected if pair[0] != "base")
    assert past_of(history).repeats("base") == others


@given(histories)
def test_pairs_are_the_values_of_both_sides_of_an_attempt_with_one_seed(
    history: list[list[SidedRun]],
) -> None:
    expected = {}
    for number, runs in enumerate(history, 1):
        sides: dict[Side, dict[tuple[str, int], float]] = {side: {} for side in Side}
        for side, run in in_class(runs, HERE):
            if run.value is not None:
                sides[side][run.attempt, run.seed] = run.value
        own, other = sides[Side.CANDIDATE], sides[Side.BASELINE]
        if both := tuple((own[key], other[key]) for key in own if key in other):
            expected[number] = both
    assert dict(past_of(history).pairs()) == expected


@given(histories)
def test_the_age_of_a_baseline_is_counted_in_experiments_that_were_run_here(
    history: list[list[SidedRun]],
) -> None:
    ran = [[run.subject for _, run in in_class(runs, HERE)] for runs in history]
    ages = [age for age, codes in enumerate(reversed([c for c in ran if c])) if "base" in codes]
    assert past_of(history).since("base") == (ages[0] if ages else 0)


@given(histories)
def test_the_first_baseline_is_that_of_the_first_run_made_beside_a_candidate(
    history: list[list[SidedRun]],
) -> None:
    every = (pair for runs in history for pair in in_class(runs, HERE))
    first = next((run.subject for side, run in every if side is Side.BASELINE), "")
    assert past_of(history).first_baseline() == first


@pytest.mark.parametrize(
    "evidence",
    [
        "[[",
        "7",
        '[["candidate"]]',
        '[["left", "one", 1, "ok", 2.0, "test", "class-a", "1.1", 1.0, {}]]',
        '[["candidate", "one", 1, "ok", "much", "test", "class-a", "1.1", 1.0, {}]]',
        '[["candidate", "one", [1], "ok", 2.0, "test", "class-a", "1.1", 1.0, {}]]',
        '[["candidate", {}, 1, "ok", 2.0, "test", "class-a", "1.1", 1.0, {}]]',
    ],
)
def test_damaged_evidence_names_its_commit(evidence: str) -> None:
    text = ledger_message.message(
        ledger_message.Facts(1, "Try it", "tuning", "search", "rank", Direction.LOWER, "ab" * 20),
        Verdict(Reason.WORSE, "It is worse."),
    )
    damaged = ledger.entry_of(text.replace("Evidence: []", f"Evidence: {evidence}"))
    with pytest.raises(LedgerError, match="experiment #1 has damaged evidence"):
        _ = damaged.scores
