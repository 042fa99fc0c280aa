"""What becomes of experiments in flight when a winner lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.actions import Conclude, Measure
from bot.decide import decide
from bot.history import ledger
from bot.model import Reason
from bot.run.scheduler import Scheduler
from bot.run.terms import Terms
from tests.bot.lab import TRAIN, Lab, rate
from tests.bot.run.simulated import PATIENT, START, Ideas, surroundings

SPACED = TRAIN.replace("print(RATE)", "\n\n\n\n\nWIDTH = 1.0\n\n\n\n\nprint(RATE)")


def metric(source: bytes) -> float:
    """Best at RATE 3 and WIDTH 3, each for itself."""
    width = float(source.split(b"WIDTH = ")[1].split(b"\n")[0])
    return 20 + (rate(source) - 3) ** 2 + (width - 3) ** 2


@pytest.fixture
def lab(tmp_path: Path, git_in_memory: None) -> Lab:
    lab = Lab.build(tmp_path / "project")
    lab.commit({"train.py": SPACED}, "Two constants far apart")
    lab.measurer.metric = metric
    return lab


def with_constants(rate: float, width: float) -> dict[str, str]:
    text = SPACED.replace("RATE = 1.0", f"RATE = {rate}")
    return {"train.py": text.replace("WIDTH = 1.0", f"WIDTH = {width}")}


def screened_then_overtaken(lab: Lab, width: float) -> int:
    """An experiment that has one run when another one wins."""
    winner = lab.experiment(with_constants(2.5, 1.0), "Win")
    other = lab.experiment(with_constants(1.0, width), "The other one")
    while True:
        actions = decide(lab.view().snapshot)
        mine = next(one for one in actions if getattr(one, "number", None) == other)
        lab.act(mine)
        if isinstance(mine, Measure):
            break
    while any(one.pull.number == winner for one in lab.view().standings):
        actions = decide(lab.view().snapshot)
        lab.act(next(one for one in actions if getattr(one, "number", None) == winner))
    return other


def test_what_was_clearly_bad_before_a_winner_landed_is_closed_without_a_run(lab: Lab) -> None:
    other = screened_then_overtaken(lab, width=9.0)
    before = len(lab.measurer.measured)
    (action,) = decide(lab.view().snapshot)
    assert isinstance(action, Conclude) and action.number == other
    assert action.verdict.reason is Reason.WORSE
    assert "can close an experiment and never merge one" in action.verdict.explanation
    lab.act(action)
    assert len(lab.measurer.measured) == before
    assert ledger.read(lab.folder, "main")[-1].fingerprint in {"", "-"}  # it may be tried again


def test_what_was_promising_before_a_winner_landed_is_measured_against_it(lab: Lab) -> None:
    other = screened_then_overtaken(lab, width=2.5)
    (action,) = decide(lab.view().snapshot)
    assert isinstance(action, Measure) and action.number == other
    lab.until_idle()
    assert ledger.read(lab.folder, "main")[-1].reason is Reason.IMPROVEMENT
    merged = lab.file()
    assert "RATE = 2.5" in merged and "WIDTH = 2.5" in merged


def test_a_run_in_flight_when_a_winner_lands_is_finished_and_the_next_is_against_it(
    lab: Lab,
) -> None:
    lab.experiment(with_constants(2.5, 1.0), "Win")
    lab.experiment(with_constants(1.0, 2.5), "Win too")
    around = surroundings(lab, Ideas(most=0), slots=2)
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert [done.verdict.reason for done in outcome.concluded] == ["improvement"] * 2
    base = lab.place.forge.base()
    merged = lab.place.repository.read_file(base, "train.py") or b""
    assert metric(merged) == pytest.approx(20.5)
    assert around[2].now() > START


def test_two_winners_at_once_are_merged_one_after_another(lab: Lab) -> None:
    for number in range(3):
        lab.experiment(with_constants(2.5, 1.0 + number / 10), f"Idea {number}")
    around = surroundings(lab, Ideas(most=0), slots=3)
    Scheduler(lab.place, *around, Terms(max_in_flight=3, patient=True, look_every_s=30)).run()
    entries = ledger.read(lab.folder, "main")
    assert sorted(entry.number for entry in entries) == [1, 2, 3]
    assert sum(entry.reason is Reason.IMPROVEMENT for entry in entries) >= 1
