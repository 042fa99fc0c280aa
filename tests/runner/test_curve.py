from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from runner.curve import MAX_POINTS, training_curve


def test_loss_and_elapsed_time_are_read_from_lines_of_training() -> None:
    log = "hello\nstep 0  loss 4.5  elapsed 0.5 s\nstep 9  loss: -1e-3  elapsed=12 s  lr 1\nbye"
    assert training_curve(log) == [(0.5, 4.5), (12.0, -0.001)]


def test_lines_without_both_numbers_are_no_points() -> None:
    assert training_curve("loss 1.0\nelapsed 2 s\nloss nan elapsed 3\nloss inf elapsed 4") == []


def test_numbers_that_are_not_finite_and_time_that_runs_backwards_are_left_out() -> None:
    log = "loss 1e999 elapsed 1\nloss 1 elapsed 5\nloss 2 elapsed 4\nloss 3 elapsed -1\n"
    assert training_curve(log) == [(5.0, 1.0)]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = training_curve("\n".join(f"loss {n} elapsed {n}" for n in range(5000)))
    assert len(curve) == MAX_POINTS
    assert curve[0] == (0.0, 0.0)
    assert curve[-1] == (4999.0, 4999.0)


def test_an_endless_line_is_not_searched() -> None:
    assert training_curve("loss 1 elapsed 1 " + "loss 1" * 10_000) == []


@given(st.lists(st.sampled_from(["loss ", "elapsed ", "1", ".", "e", "9" * 30, "-", "\n", "nan"])))
def test_any_text_gives_a_bounded_curve_of_finite_numbers_in_order_of_time(
    parts: list[str],
) -> None:
    curve = training_curve("".join(parts))
    assert len(curve) <= MAX_POINTS
    assert all(math.isfinite(number) for point in curve for number in point)
    assert [time for time, _ in curve] == sorted(time for time, _ in curve)
