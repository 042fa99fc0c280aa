"""What an experiment costs at GitHub stays within what was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import calls


def test_on_a_laptop_an_experiment_stays_below_the_target(tmp_path: Path) -> None:
    figures = calls.count(tmp_path / "lab", 2, forgets=False)
    assert figures["calls_per_experiment"] <= calls.TARGET
    assert sum(figures["routes"].values()) == pytest.approx(
        figures["calls_per_experiment"], abs=0.2
    )
    assert figures["made_per_experiment"] >= figures["calls_per_experiment"]
