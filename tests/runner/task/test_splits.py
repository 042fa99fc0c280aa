from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.task.dice import Dice
from runner.task.splits import SPLITS, Pairs

counts = st.integers(2, 120)


@settings(max_examples=30)
@given(counts, st.text(max_size=5))
def test_a_pair_belongs_to_one_class_in_either_order(objects: int, version: str) -> None:
    pairs = Pairs.divide(objects, version)
    assert len(set(pairs.place)) == objects
    for one, other in combinations(range(objects), 2):
        assert pairs.slope(one, other) == pairs.slope(other, one)
        assert pairs.for_training(one, other) == pairs.for_training(other, one)


@settings(max_examples=30)
@given(counts)
def test_all_pairs_of_a_line_are_kept_from_training_and_every_kept_pair_is_on_one_line(
    objects: int,
) -> None:
    pairs = Pairs.divide(objects, "v")
    on_lines = [
        frozenset(pair) for line in pairs.lines(pairs.evaluation) for pair in combinations(line, 2)
    ]
    kept = {
        frozenset(pair) for pair in combinations(range(objects), 2) if not pairs.for_training(*pair)
    }
    assert set(on_lines) == kept
    assert len(on_lines) == len(kept)


@settings(max_examples=30)
@given(counts, st.binary(max_size=4))
def test_validation_and_sealed_share_no_slope_and_use_them_all(objects: int, seed: bytes) -> None:
    pairs = Pairs.divide(objects, "v")
    validation, sealed = (set(pairs.secret_slopes(split, Dice(seed))) for split in SPLITS)
    assert not validation & sealed
    assert validation | sealed == set(pairs.evaluation)
    assert len(validation) == len(sealed)


def test_another_salt_divides_the_evaluation_slopes_in_another_way() -> None:
    pairs = Pairs.divide(200, "v")
    divisions = {
        frozenset(pairs.secret_slopes("validation", Dice(bytes([seed])))) for seed in range(50)
    }
    assert len(divisions) > 10


@pytest.mark.parametrize("objects", [200, 585])
def test_about_a_third_of_the_pairs_is_kept_from_training(objects: int) -> None:
    pairs = Pairs.divide(objects, "v")
    every = list(combinations(range(objects), 2))
    kept = sum(not pairs.for_training(*pair) for pair in every) / len(every)
    assert 0.25 < kept < 0.4
