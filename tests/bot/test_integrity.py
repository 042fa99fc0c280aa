"""A result counts for the run that it was asked for, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.audits.plan import BeginAudit
from bot.errors import BotError
from bot.forge.base import Attempt, Conflict, PlannedRun
from bot.history.reduce import refusals, runs_of
from bot.model import Purpose, Reason, Side
from bot.proposing.propose import open_proposal
from bot.standing import Standing
from tests.bot.lab import COMPARABLE, TRAIN, Lab, ListProposer
from tests.bot.test_execute import act

BETTER = TRAIN.replace("RATE = 1.0", "RATE = 3.0").encode()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


@pytest.fixture
def number(lab: Lab) -> int:
    """An experiment with an attempt of one run for each side, and no results yet."""
    number = open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1).number
    standing = lab.view().standing(number)
    base = lab.place.forge.base()
    runs = (
        PlannedRun(Side.BASELINE, lab.place.repository.tree(base), 5, Purpose.SCREEN),
        PlannedRun(Side.CANDIDATE, str(standing.merge_tree), 5, Purpose.SCREEN),
    )
    attempt = Attempt("a.1", base, standing.pull.head, str(standing.merge_tree), runs, {}, 1)
    lab.place.forge.start(number, attempt)
    return number


def good(lab: Lab, source: bytes = BETTER) -> dict[str, Any]:
    return lab.measurer.result(source, 5)


def standing(lab: Lab, number: int) -> Standing:
    return lab.view().standing(number)


def test_a_result_of_the_very_run_counts(lab: Lab, number: int) -> None:
    lab.place.forge.record(number, "a.1", 0, good(lab, TRAIN.encode()))
    lab.place.forge.record(number, "a.1", 1, good(lab))
    assert len(standing(lab, number).experiment.runs) == 1
    assert len(lab.view().snapshot.baseline) == 1
    assert standing(lab, number).refused == ()


def _digest(result: dict[str, Any]) -> None:
    result["digests"]["candidate"] = "f" * 64


def _seed(result: dict[str, Any]) -> None:
    result["seed"] = 6


def _split(result: dict[str, Any]) -> None:
    result["split"] = "sealed"


@pytest.mark.parametrize(
    ("forge", "word"), [(_digest, "other files"), (_seed, "seed 6"), (_split, "split sealed")]
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_result_of_anything_else_never_counts_and_is_named(
    forge: Callable[[dict[str, Any]], None], word: str, side: int, lab: Lab, number: int
) -> None:
    result = good(lab, BETTER if side else TRAIN.encode())
    forge(result)
    lab.place.forge.record(number, "a.1", side, result)
    found = standing(lab, number)
    assert found.runs == ()
    assert lab.view().snapshot.baseline == ()
    assert len(runs_of(found.pull.attempts)) == 1, "it is kept, for whoever wants to look"
    (said,) = found.refused
    assert word in said
    assert f"result {side + 1} of attempt a.1 is refused" in said


def test_a_result_that_claims_to_be_of_the_new_head_does_not_count_for_the_old_ones_run(
    lab: Lab, number: int
) -> None:
    """The baseline's run is answered with the candidate's digest, as if it had been measured."""
    lab.place.forge.record(number, "a.1", 0, good(lab, BETTER))
    assert standing(lab, number).runs == ()
    assert len(standing(lab, number).refused) == 1


@pytest.mark.parametrize("field", ["harness", "runner_class"])
def test_a_result_from_another_environment_does_not_count(
    field: str, lab: Lab, number: int
) -> None:
    result = good(lab)
    if field == "harness":
        result["digests"]["harness"] = "e" * 64
    else:
        result["runner_class"]["id"] = "class-b"
    lab.place.forge.record(number, "a.1", 1, result)
    assert standing(lab, number).experiment.runs == ()


def test_a_replay_into_a_later_attempt_does_not_count(lab: Lab, number: int) -> None:
    lab.place.forge.record(number, "a.1", 1, good(lab))
    old = standing(lab, number).pull.attempts[0]
    later = replace(old, id="a.2", results={}, runs=(replace(old.runs[1], seed=77),))
    lab.place.forge.start(number, later)
    lab.place.forge.record(number, "a.2", 0, dict(old.results[1]))
    assert len(standing(lab, number).experiment.runs) == 1
    assert "seed 5 instead of 77" in standing(lab, number).refused[0]


def test_a_second_result_for_one_run_is_refused(lab: Lab, number: int) -> None:
    lab.place.forge.record(number, "a.1", 1, good(lab))
    better = good(lab) | {"metric": -100.0}
    with pytest.raises(Conflict):
        lab.place.forge.record(number, "a.1", 1, better)
    (run,) = standing(lab, number).experiment.runs
    assert run.value != -100.0


def test_a_run_whose_tree_is_gone_does_not_count(lab: Lab, number: int) -> None:
    lab.place.forge.record(number, "a.1", 1, good(lab))
    attempts = standing(lab, number).pull.attempts
    assert len(runs_of(attempts, lambda tree: standing(lab, number).experiment.subject)) == 1
    assert runs_of(attempts, lambda tree: "") == ()
    assert "no longer in the repository" in refusals(attempts, lambda tree: "")[0]


@dataclass
class Swapping:
    """A measurer that hands in a good result of something else."""

    lab: Lab

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None:
        del sealed
        for index, run in runs:
            on_result(index, self.lab.measurer.result(b"RATE = 9.0\n", run.seed))


def test_what_the_runner_did_not_measure_is_not_even_recorded(lab: Lab) -> None:
    open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1)
    lab.executor = replace(lab.executor, measurer=Swapping(lab))
    with pytest.raises(BotError, match="is refused: it measured other files"):
        act(lab)
    (pull,) = (item.pull for item in lab.view().standings)
    assert [attempt.results for attempt in pull.attempts] == [{}]


def test_an_audit_takes_no_result_of_anything_else_either(lab: Lab) -> None:
    winner = open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1).number
    lab.until_idle()
    assert lab.view().entries[-1].reason is Reason.IMPROVEMENT
    order = lab.auditor.begin(BeginAudit((winner,)), lab.view())
    (first, planned), *_ = order.runs
    others = [lab.measurer.result(b"RATE = 9.0\n", planned.seed), good(lab)]
    for other in others:
        with pytest.raises(BotError, match=r"is refused: it (measured other|was made with seed)"):
            lab.auditor.keep(order, first, other, COMPARABLE)
    (audit,) = lab.place.forge.audits.read()
    assert audit.results == {}
