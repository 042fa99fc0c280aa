from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import DataError
from runner.task.captions import Plan
from runner.task.compose import RECIPES, Composer, annotated_rows, captions_of, secret_dice
from runner.task.splits import SPLITS, split_graph
from runner.task.vocabulary import things
from tests.runner.task.conftest import SALT


def pairs_of(plans: list[Plan]) -> Counter[frozenset[int]]:
    """How often objects are seen together, distractors included."""
    return Counter(frozenset(pair) for plan in plans for pair in combinations(plan.shown, 2))


@pytest.fixture(scope="module", params=["tiny", "small", "full"])
def composer(request: pytest.FixtureRequest) -> Composer:
    return Composer.of(request.param)


@pytest.fixture(scope="module")
def training(composer: Composer) -> list[Plan]:
    return composer.training_plans()


@pytest.fixture(scope="module")
def evaluation(composer: Composer) -> dict[str, list[Plan]]:
    return {split: composer.evaluation_plans(split, SALT) for split in SPLITS}


def test_no_pair_of_objects_is_in_two_splits(
    training: list[Plan], evaluation: dict[str, list[Plan]]
) -> None:
    trained, validation, sealed = map(pairs_of, (training, *evaluation.values()))
    assert trained
    assert not trained.keys() & validation.keys()
    assert not trained.keys() & sealed.keys()
    assert not validation.keys() & sealed.keys()


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_whatever_the_salt_there_are_scenes_enough_and_no_pair_is_in_two_splits(
    salt: bytes,
) -> None:
    tiny = Composer.of("tiny")
    validation, sealed = (tiny.evaluation_plans(split, salt) for split in SPLITS)
    assert len(validation) == len(sealed) == tiny.recipe.pairs
    pairs = [pairs_of(plans).keys() for plans in (tiny.training_plans(), validation, sealed)]
    assert not any(one & other for one, other in combinations(pairs, 2))


def test_splits_have_the_promised_make(
    composer: Composer, training: list[Plan], evaluation: dict[str, list[Plan]]
) -> None:
    recipe = composer.recipe
    assert len(training) == recipe.train_scenes
    distractors = set(range(recipe.most_distractors + 1))
    for plans in evaluation.values():
        assert len(plans) == recipe.pairs
    for plans in (training, *evaluation.values()):
        assert {len(plan.named) for plan in plans} == set(recipe.named)
        assert {len(plan.distractors) for plan in plans} == distractors


def test_no_object_and_no_pair_is_heavily_overused_in_evaluation(
    composer: Composer, evaluation: dict[str, list[Plan]]
) -> None:
    for plans in evaluation.values():
        objects = Counter(thing for plan in plans for thing in plan.shown)
        mean = objects.total() / len(composer.things)
        assert max(objects.values()) < 4 * mean
        assert len(objects) > 0.85 * len(composer.things)
        if composer.size != "tiny":
            assert len(objects) > 0.98 * len(composer.things)
        assert max(pairs_of(plans).values()) <= max(6, 0.012 * len(plans))


def test_one_object_of_an_evaluation_scene_leaves_a_quarter_to_a_half_of_all_possible(
    composer: Composer, evaluation: dict[str, list[Plan]]
) -> None:
    # Averaged over scenes and objects: which others were never seen with it in training, and
    # which of those the split could show with it, were its secret known.
    others = len(composer.things) - 1
    public = composer.held_out.sum(axis=1) / others
    for split, plans in evaluation.items():
        known = secret_dice(SALT, composer.size, "pairs")
        secret = split_graph(composer.held_out, split, known).sum(axis=1) / others
        shown = [thing for plan in plans for thing in plan.shown]
        assert 0.45 < np.mean(public[shown]) < 0.55
        assert 0.2 < np.mean(secret[shown]) < 0.3
        assert min(public) > 0.3


def test_captions_are_unique_within_a_split(
    composer: Composer, training: list[Plan], evaluation: dict[str, list[Plan]]
) -> None:
    for plans in (training, *evaluation.values()):
        captions = captions_of(plans, composer.things)
        assert len(set(captions)) == len(captions)


def test_no_image_but_its_twin_shows_all_that_a_caption_names(
    composer: Composer, evaluation: dict[str, list[Plan]]
) -> None:
    twins = composer.recipe.pairs * composer.recipe.twin_percent // 100 // 2
    for plans in evaluation.values():
        shown = [frozenset(plan.shown) for plan in plans]
        for number, plan in enumerate(plans):
            showing = {place for place, other in enumerate(shown) if other >= set(plan.named)}
            assert showing == ({number, number ^ 1} if number < 2 * twins else {number})


def test_twins_show_the_same_objects_and_contradict_each_other_in_one_relation_word(
    composer: Composer, evaluation: dict[str, list[Plan]]
) -> None:
    plans = evaluation["validation"]
    captions = captions_of(plans, composer.things)
    direction = re.compile(r"\b(left|right|above|over|higher than|below|under|lower than)\b")
    for first in range(0, composer.recipe.pairs * composer.recipe.twin_percent // 100, 2):
        one, other = plans[first], plans[first + 1]
        assert one.shown == other.shown
        assert one.relations[0].direction is other.relations[0].direction.opposite
        assert captions[first] != captions[first + 1]
        assert direction.sub("*", captions[first]) == direction.sub("*", captions[first + 1])


def test_a_recipe_that_asks_for_too_much_is_refused() -> None:
    tiny = Composer.of("tiny")
    greedy = replace(tiny, recipe=replace(tiny.recipe, pairs=1_000))
    with pytest.raises(DataError, match="asks for too many"):
        greedy.evaluation_plans("sealed", SALT)


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
