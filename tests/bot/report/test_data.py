from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.audits import ledger as auditlog
from bot.history.ledger import LedgerEntry
from bot.model import Direction, Outcome, Reason
from bot.report.data import History, Kind, history, kind_of
from tests.bot.report.conftest import EXPERIMENTS


@pytest.fixture(scope="module")
def entries(programme: Path) -> tuple[LedgerEntry, ...]:
    return auditlog.read(programme, "main")[0]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_shown_as_what_became_of_it(reason: Reason) -> None:
    assert str(kind_of(reason)).startswith(str(reason.outcome))


def test_every_experiment_is_a_row(found: History) -> None:
    assert [row["number"] for row in found.experiments] == list(range(1, EXPERIMENTS + 1))
    assert {row["kind"] for row in found.experiments} >= {Kind.IMPROVED, Kind.CLOSED, Kind.FAILED}


def test_the_interval_is_drawn_around_the_candidates_own_value(found: History) -> None:
    judged = [row for row in found.experiments if row["low"] is not None]
    assert judged
    for row in judged:
        assert row["low"] < row["value"] < row["high"]
        width = row["interval"][1] - row["interval"][0]
        assert row["high"] - row["low"] == pytest.approx(width)


def test_the_best_changes_with_every_merge_and_with_nothing_else(
    found: History, entries: tuple[LedgerEntry, ...]
) -> None:
    merged = [entry.value for entry in entries if entry.outcome is Outcome.MERGED]
    values = [row["value"] for row in found.best]
    assert values[1:-1] == merged
    assert values[0] == next(entry.baseline for entry in entries if entry.baseline is not None)
    assert values[-1] == merged[-1]
    times = [row["at"] for row in found.best]
    assert times == sorted(times)


def test_taking_a_winner_back_makes_the_best_worse_again(entries: tuple[LedgerEntry, ...]) -> None:
    last = entries[-1]
    revert = replace(last, number=999, reason=Reason.DID_NOT_REPLICATE, value=99.0, reverts=(1, 1))
    made = history([*entries, revert], [], "mean_rank", Direction.LOWER)
    assert made.best[-1]["value"] == 99.0
    assert made.experiments[-1]["kind"] == Kind.REVERTED


def test_phases_are_bands_without_a_gap(found: History) -> None:
    assert [band["phase"] for band in found.phases] == ["explore", "tune", "simplify"]
    for one, other in zip(found.phases, found.phases[1:], strict=False):
        assert one["begin"] < one["end"] == other["begin"]


def test_one_that_went_astray_does_not_press_the_rest_into_a_line(
    entries: tuple[LedgerEntry, ...],
) -> None:
    astray = replace(entries[0], number=999, value=1e9, difference=1e9, interval=(1e8, 1e10))
    made = history([*entries, astray], [], "mean_rank", Direction.LOWER)
    assert made.domain is not None
    assert made.domain[1] < 100
    assert all(made.domain[0] <= row["value"] <= made.domain[1] for row in made.best)


def test_an_audit_is_drawn_where_its_winner_really_is(found: History) -> None:
    assert found.audits
    for row, gain in zip(found.audits, found.gains, strict=True):
        assert row["difference"] == pytest.approx(-gain["confirmed"])
        assert row["low"] < row["value"] < row["high"]
        assert row["at"] > 0


@pytest.mark.parametrize("direction", Direction)
def test_better_is_on_the_right_side_for_both_directions(
    direction: Direction, programme: Path
) -> None:
    entries, audits = auditlog.read(programme, "main")
    made = history(entries, audits, "accuracy", direction)
    row, gain = made.audits[0], made.gains[0]
    assert gain["confirmed"] > 0
    assert (row["difference"] < 0) == (direction is Direction.LOWER)


def test_totals_only_grow(found: History) -> None:
    hours = [row["hours"] for row in found.work]
    assert hours == sorted(hours)
    assert found.busy is not None
    assert 0.3 < found.busy < 0.8


def test_nothing_happened_yet() -> None:
    made = history([], [], "mean_rank", Direction.LOWER)
    assert (made.domain, made.busy, made.best, made.phases) == (None, None, [], [])
