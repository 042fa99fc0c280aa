from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.task.dice import Dice


def test_the_stream_is_the_same_everywhere() -> None:
    # Fixed numbers: a change of them would change the bytes of the training data.
    dice = Dice(b"fixed")
    assert [dice.below(1000) for _ in range(6)] == [563, 407, 478, 247, 771, 483]


def test_equal_seeds_give_equal_choices_and_different_seeds_do_not() -> None:
    def roll(seed: bytes) -> list[int]:
        dice = Dice(seed)
        return [dice.below(1 << 30) for _ in range(3000)]

    assert roll(b"a") == roll(b"a")
    assert roll(b"a") != roll(b"b")


@given(st.binary(), st.integers(-1000, 1000), st.integers(0, 1000))
def test_numbers_stay_between_their_bounds(seed: bytes, low: int, span: int) -> None:
    dice = Dice(seed)
    assert all(low <= dice.between(low, low + span) <= low + span for _ in range(20))


@given(st.binary(), st.lists(st.integers()))
def test_shuffling_keeps_the_items(seed: bytes, items: list[int]) -> None:
    assert Counter(Dice(seed).shuffled(items)) == Counter(items)


def test_choices_are_even() -> None:
    dice = Dice(b"even")
    counts = Counter(dice.one_of("abcd") for _ in range(8000))
    assert all(1850 < count < 2150 for count in counts.values())
    orders = Counter(tuple(dice.shuffled("abc")) for _ in range(6000))
    assert len(orders) == 6
    assert all(850 < count < 1150 for count in orders.values())
