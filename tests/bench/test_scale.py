from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import scale
from bench.growth import chart
from bot.report.image import svg


def test_the_work_of_a_step_is_told_for_each_length_of_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert scale.main(["--sizes", "10", "20", "--repetitions", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {*scale.COMMANDS, "growth"}
    assert all(set(told[name]) == {"10", "20"} for name in scale.COMMANDS)
    assert set(told["look"]["20"]) == {"s", "cpu_s", "mb"}


def test_the_picture_shows_every_command_at_every_length_and_states_the_growth() -> None:
    costs = {"100": {"cpu_s": 0.25, "mb": 40.0}, "1000": {"cpu_s": 0.5, "mb": 50.0}}
    picture = svg(chart({"log": costs, "status": costs}, {"log": 2.0, "status": 2.5}))
    for words in ("log: 2 times", "status: 2.5 times", "100", "1,000", "processor time in seconds"):
        assert words in picture


def test_the_memory_is_that_of_the_command_alone(tmp_path: Path) -> None:
    ours = bytearray(300_000_000)
    ours[::4096] = b"x" * len(ours[::4096])  # really in memory
    assert scale._cost(["-S", "-c", "bytearray()"], tmp_path, 1)["mb"] < 100
    with pytest.raises(RuntimeError, match="failed"):
        scale._cost(["-c", "raise SystemExit(1)"], tmp_path, 1)
    assert len(ours) > 0
