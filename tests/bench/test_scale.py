from __future__ import annotations

import json

import pytest

from bench import scale


def test_the_work_of_a_step_is_told_for_each_length_of_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert scale.main(["--sizes", "10", "20", "--repetitions", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {*scale.COMMANDS, "growth"}
    assert all(set(told[name]) == {"10", "20"} for name in scale.COMMANDS)
    assert set(told["look"]["20"]) == {"s", "cpu_s", "mb"}
