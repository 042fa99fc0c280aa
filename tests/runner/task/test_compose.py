from __future__ import annotations

import re
from itertools import combinations

import pytest

from runner.task.captions import Plan
from runner.task.compose import RECIPES, Composer, annotated_rows, captions_of
from runner.task.splits import SPLITS
from runner.task.vocabulary import things


def pairs_of(plans: list[Plan]) -> set[frozenset[int]]:
    """All pairs of objects that are seen together, distractors included."""
    return {
        frozenset(pair)
        for plan in plans
        for pair in combinations((*plan.named, *plan.distractors), 2)
    }


@pytest.fixture(scope="module", params=["tiny", "small", "full"])
def composer(request: pytest.FixtureRequest) -> Composer:
    return Composer.of(request.param)


@pytest.fixture(scope="module")
def training(composer: Composer) -> list[Plan]:
    return composer.training_plans()


def test_no_pair_of_objects_is_in_two_splits(
    composer: Composer, training: list[Plan], salt: bytes
) -> None:
    trained = pairs_of(training)
    validation, sealed = (pairs_of(composer.evaluation_plans(split, salt)) for split in SPLITS)
    assert trained
    assert not trained & validation
    assert not trained & sealed
    assert not validation & sealed


def test_splits_have_the_promised_make(
    composer: Composer, training: list[Plan], salt: bytes
) -> None:
    recipe = composer.recipe
    assert len(training) == recipe.train_scenes
    for split in SPLITS:
        plans = composer.evaluation_plans(split, salt)
        assert len(plans) == recipe.pairs
        assert {len(plan.named) for plan in plans} == set(recipe.named)
        assert {len(plan.distractors) for plan in plans} == {0, 1, 2}
        if composer.size != "tiny":
            used = {thing for plan in plans for thing in plan.named}
            assert len(used) > 0.95 * len(composer.things)  # nearly all objects are asked for


def test_captions_are_unique_within_a_split(
    composer: Composer, training: list[Plan], salt: bytes
) -> None:
    splits = [composer.evaluation_plans(split, salt) for split in SPLITS]
    for plans in (training, *splits):
        captions = captions_of(plans, composer.things)
        assert len(set(captions)) == len(captions)


def test_only_twins_show_the_same_named_objects_and_differ_in_one_relation_word(
    composer: Composer, salt: bytes
) -> None:
    plans = composer.evaluation_plans("validation", salt)
    captions = captions_of(plans, composer.things)
    by_objects: dict[frozenset[int], list[int]] = {}
    for number, plan in enumerate(plans):
        by_objects.setdefault(frozenset(plan.named), []).append(number)
    twins = [group for group in by_objects.values() if len(group) > 1]
    expected = composer.recipe.pairs * composer.recipe.twin_percent // 100 // 2
    assert len(twins) == expected
    direction = re.compile(r"\b(left|right|above|over|higher than|below|under|lower than)\b")
    for one, other in twins:
        assert captions[one] != captions[other]
        assert direction.sub("*", captions[one]) == direction.sub("*", captions[other])


def test_another_salt_gives_other_evaluation_scenes_and_the_same_training_scenes(
    salt: bytes,
) -> None:
    composer = Composer.of("tiny")
    other = bytes(reversed(salt))
    assert composer.evaluation_plans("validation", salt) == composer.evaluation_plans(
        "validation", salt
    )
    mine = {plan.caption(composer.things) for plan in composer.evaluation_plans("sealed", salt)}
    theirs = {plan.caption(composer.things) for plan in composer.evaluation_plans("sealed", other)}
    assert len(mine & theirs) < 3


def test_fifteen_percent_of_the_training_scenes_are_annotated() -> None:
    assert len(annotated_rows("small", 20_000)) == 3_000
    assert len(annotated_rows("tiny", 300)) == 45


def test_sizes_are_those_of_the_design() -> None:
    small, full = RECIPES["small"], RECIPES["full"]
    assert (small.objects, small.canvas.side, small.train_scenes, small.pairs) == (
        200,
        48,
        20_000,
        1_000,
    )
    assert (full.canvas.side, full.train_scenes, full.pairs) == (96, 50_000, 1_000)
    assert len(things(full.objects)) > 500
    assert small.named == (2, 3)
    assert full.named == (3, 4)
