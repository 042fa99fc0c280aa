from __future__ import annotations

from pathlib import Path

import pytest

from bench.journal import JournalError, Line, journal, read
from runner.result import Digests, Measurement, Sealed, Stage, Status
from tests.bot.lab import CLASS, HARNESS


def line(
    arm: str = "a",
    value: float | None = 3.0,
    *,
    study: str = "arms",
    seed: int = 1,
    number: int = 0,
    sealed: float | None = None,
    **values: int | float | str,
) -> Line:
    """A run as a journal keeps it."""
    status = Status.CRASHED if value is None else Status.OK
    measured = Measurement(
        status=status, stage=Stage.SCORE, metric=value, seed=seed, runner_class=CLASS,
        sealed=None if sealed is None else Sealed(metric=sealed, secondary={}),
        digests=Digests(candidate=f"code of {arm}", data="d", scorer="s", harness=HARNESS),
        log_tail="step 1\n" * 1000,
    )  # fmt: skip
    return Line(
        study=study, arm=arm, number=number, values=values, finished_at=7, measurement=measured
    )


def test_a_journal_goes_on_where_it_was_and_keeps_the_types_of_values(tmp_path: Path) -> None:
    path = tmp_path / "new" / "runs.jsonl"
    with journal(path) as first:
        first.append(line(RATE=1.0, WIDTH=2, POOL="max"))
    with journal(path) as again:
        assert [type(value) for value in again.lines[0].values.values()] == [float, int, str]
        assert len(again.lines[0].measurement.log_tail) == 500
        again.append(line("b"))
    assert [each.arm for each in read(path)] == ["a", "b"]


def test_a_line_that_a_kill_left_unfinished_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with journal(path) as kept:
        kept.append(line())
        kept.append(line("b"))
    path.write_bytes(path.read_bytes()[:-10])
    with journal(path) as kept:
        kept.append(line("c"))
    assert [each.arm for each in read(path)] == ["a", "c"]


def test_a_damaged_line_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text('{"version": 9}\n')
    with pytest.raises(JournalError, match="line 1: is no run"), journal(path):
        raise AssertionError("it was opened")
    assert path.read_text() == '{"version": 9}\n'


def test_only_one_benchmark_writes_to_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with journal(path), pytest.raises(JournalError, match="another benchmark"), journal(path):
        raise AssertionError("it was opened twice")


def test_a_journal_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []
