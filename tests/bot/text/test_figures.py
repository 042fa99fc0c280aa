from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.figures import number, rounded


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (374.2, 2, "370"),
        (-2.104, 3, "-2.1"),
        (0.00123, 2, "0.0012"),
        (13.4, 4, "13.4"),
        (0, 3, "0"),
        (999.96, 4, "1000"),
        (1.5e12, 2, "1.5e+12"),
    ],
)
def test_few_digits_and_no_exponent(value: float, digits: int, text: str) -> None:
    assert rounded(value, digits) == text


def test_the_greatest_number_is_not_infinite() -> None:
    assert number(1.7976931348623157e308) == "1.798e+308"


def test_a_difference_shows_its_sign() -> None:
    assert rounded(2.5, 3, sign=True) == "+2.5"


@given(st.floats(-1e300, 1e300))
def test_what_is_read_is_what_was_measured(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=1e-3, abs=1e-300)
