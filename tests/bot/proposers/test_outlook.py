from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bot.model import Estimate, Reason
from bot.proposers.base import PastExperiment
from bot.proposers.constants import find
from bot.proposers.evidence import observe
from bot.proposers.outlook import HARM, Move, outlook
from bot.proposers.ranges import Value
from tests.bot.proposers.test_search import context, past

SCRIPT = b"""\
SIZE = 5.0  # 0.0 .. 10.0
RATE = 5.0  # 0.0 .. 10.0
POOL = "mean"  # one of: "mean", "max", "both"
"""
CONSTANTS = find(SCRIPT).constants


def gains(history: Sequence[PastExperiment], *moves: tuple[int, Value]) -> list[float]:
    observations = observe(context(SCRIPT, history))
    found = outlook(CONSTANTS, observations, [Move(index, value) for index, value in moves])
    assert (np.linalg.eigvalsh(found.covariance) > -1e-9).all()
    return [float(gain) for gain in found.gains]


def tried(
    number: int, values: dict[str, Value], metric: float | None, **more: object
) -> PastExperiment:
    return replace(past(number, values, metric, Reason.NO_EVIDENCE, SCRIPT), **more)  # type: ignore[arg-type]


def exact(difference: float, half: float) -> Estimate:
    return Estimate(
        difference, difference - half, difference + half, 0.95, 10 + difference, 10, 3, 3, 4
    )


def test_before_anything_is_known_the_longer_way_is_expected_to_do_more_harm() -> None:
    near, far, other = gains([], (0, 6.0), (0, 10.0), (2, "max"))
    assert far < near < 0 and far == pytest.approx(-HARM / 4)
    assert other < 0


def test_a_better_experiment_raises_the_outlook_of_its_value_and_of_those_close_to_it() -> None:
    history = [tried(1, {"SIZE": 8.0}, 9.0)]
    at, close, other = gains(history, (0, 8.0), (0, 7.0), (1, 8.0))
    assert 0 < at < 0.1 and close > 0  # not the whole of what one noisy run showed
    assert other == gains([], (1, 8.0))[0]


def test_what_got_worse_one_way_is_expected_to_be_less_bad_the_other_way() -> None:
    (before,) = gains([], (0, 4.0))
    (after,) = gains([tried(1, {"SIZE": 8.0}, 11.0)], (0, 4.0))
    assert after > before


def test_what_was_changed_together_shares_the_result() -> None:
    together = [tried(1, {"SIZE": 8.0, "RATE": 8.0}, 9.0)]
    alone = [tried(1, {"SIZE": 8.0}, 9.0)]
    first, second = gains(together, (0, 8.0), (1, 8.0))
    assert first == pytest.approx(second)
    assert first < gains(alone, (0, 8.0))[0]
    assert second > gains(alone, (1, 8.0))[0]


def test_choices_say_nothing_about_each_other() -> None:
    history = [tried(1, {"POOL": "max"}, 9.0)]
    assert gains(history, (2, "max"))[0] > 0
    # Today's value is a part of both differences: what beats it little, beats it little.
    assert gains(history, (2, "both"))[0] < gains(history, (2, "max"))[0]


def test_an_experiment_with_more_runs_counts_for_more() -> None:
    rough = [tried(1, {"SIZE": 8.0}, 9.0, estimate=exact(-1.0, 2.0))]
    fine = [tried(1, {"SIZE": 8.0}, 9.0, estimate=exact(-1.0, 0.1))]
    assert gains(rough, (0, 8.0))[0] < gains(fine, (0, 8.0))[0]


def test_what_broke_is_avoided() -> None:
    broke = past(1, {"SIZE": 8.0}, None, Reason.CRASHED, SCRIPT)
    assert gains([broke], (0, 8.0))[0] < gains([], (0, 8.0))[0] - 0.1


def test_what_cannot_be_compared_tells_nothing() -> None:
    odd = [
        tried(1, {"SIZE": 8.0}, 9.0, comparable=False),
        tried(2, {"SIZE": 8.0}, None),
        tried(3, {"SIZE": 8.0}, 9.0, files={"train.py": SCRIPT.replace(b"5.0", b"80.0", 1)}),
        tried(4, {"SIZE": 8.0}, 9.0, files={"train.py": b"print(1)\nSIZE = 8.0\n"}),
    ]
    assert gains(odd, (0, 8.0), (2, "max")) == gains([], (0, 8.0), (2, "max"))


@pytest.mark.parametrize("metric", [-1e70, -1.0, 0.0, 1e-12, 1e70])
def test_no_number_of_a_metric_does_any_harm(metric: float) -> None:
    strange = tried(1, {"SIZE": 8.0}, metric, estimate=exact(0.0, math.inf))
    for history in ([strange], [replace(strange, baseline=0.0, estimate=None)]):
        assert all(map(math.isfinite, gains(history, (0, 8.0), (1, 2.0))))
