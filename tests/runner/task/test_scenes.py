from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from runner.task.art import Art
from runner.task.captions import (
    BACKGROUNDS,
    Direction,
    Plan,
    Relation,
    Size,
    draw_plan,
)
from runner.task.compose import RECIPES
from runner.task.dice import Dice
from runner.task.scenes import direction_of, draw_scene, overlap
from runner.task.vocabulary import Thing, things

VOCABULARY = things(60)


@pytest.fixture(scope="module")
def art() -> Art:
    return Art(VOCABULARY)


def plan_of(**changes: object) -> Plan:
    standard: dict[str, object] = {
        "named": (0, 1),
        "sizes": (Size.SMALL, Size.MEDIUM),
        "relations": (Relation(0, Direction.LEFT, 1),),
        "colour": "blue",
        "distractors": (),
        "frame": 0,
        "prepositions": (0, 0),
        "turned": False,
    }
    return Plan(**(standard | changes))  # type: ignore[arg-type]


THINGS = [Thing("dog", "d", False), Thing("ox", "o", False), Thing("skis", "s", some=True)]


@pytest.mark.parametrize(
    ("changes", "caption"),
    [
        ({}, "a small dog left of an ox"),
        ({"frame": 1}, "a small dog left of an ox on a blue background"),
        ({"frame": 2, "colour": "orange"}, "on an orange background a small dog left of an ox"),
        ({"frame": 3}, "a blue picture of a small dog left of an ox"),
        ({"turned": True}, "an ox with a small dog on its left"),
        ({"prepositions": (1, 0)}, "a small dog to the left of an ox"),
        (
            {"named": (0, 1, 2), "sizes": (Size.LARGE, Size.MEDIUM, Size.SMALL)},
            "a large dog left of an ox and some small skis",
        ),
        (
            {
                "named": (0, 1, 2),
                "sizes": (Size.LARGE, Size.MEDIUM, Size.SMALL),
                "relations": (Relation(0, Direction.LEFT, 1), Relation(2, Direction.ABOVE, 0)),
            },
            "a large dog left of an ox and some small skis above the dog",
        ),
    ],
)
def test_captions_read_well(changes: dict[str, object], caption: str) -> None:
    assert plan_of(**changes).caption(THINGS) == caption


def test_a_reversed_relation_changes_the_caption_in_the_relation_only() -> None:
    plan = plan_of(frame=1)
    assert plan.with_first_relation_reversed().caption(THINGS) == (
        "a small dog right of an ox on a blue background"
    )
    assert plan.with_first_relation_reversed().with_first_relation_reversed() == plan


@pytest.mark.parametrize("size", ["small", "full"])
def test_stated_relations_are_true_and_boxes_lie_apart_inside_the_image(
    art: Art, size: str
) -> None:
    recipe = RECIPES[size]  # type: ignore[index]
    dice = Dice(b"layout")
    for _ in range(300):
        group = dice.shuffled(range(len(VOCABULARY)))
        named = dice.one_of(recipe.named)
        plan = draw_plan(dice, group[:named], group[named : named + dice.below(3)])
        scene = draw_scene(dice, plan, art, recipe.canvas)
        side = recipe.canvas.side
        assert scene.image.shape == (side, side, 3)
        assert scene.image.dtype == np.uint8
        assert len(scene.boxes) == named
        for x1, y1, x2, y2 in scene.boxes:
            assert 0 <= x1 < x2 <= side
            assert 0 <= y1 < y2 <= side
        assert not any(overlap(one, other) for one, other in combinations(scene.boxes, 2))
        for relation in plan.relations:
            subject, other = scene.boxes[relation.subject], scene.boxes[relation.object]
            assert direction_of(subject, other) is relation.direction


def test_a_box_fits_the_drawn_pixels_exactly(art: Art) -> None:
    # On a background of one colour, what differs from it is the object. A change of one level
    # can hide in the background's own slope, so a few pixels of tolerance would hide errors:
    # compare with the same scene's bare background instead.
    dice = Dice(b"boxes")
    canvas = RECIPES["small"].canvas
    for thing in range(40):
        plan = plan_of(named=(thing, (thing + 1) % 60), colour=dice.one_of(list(BACKGROUNDS)))
        scene = draw_scene(dice, plan, art, canvas)
        drawn = np.zeros((canvas.side, canvas.side), dtype=bool)
        for x1, y1, x2, y2 in scene.boxes:
            drawn[y1:y2, x1:x2] = True
        bare = scene.image[~drawn].astype(int)
        assert (np.ptp(bare, axis=0) <= 13).all()  # outside of all boxes: background only
        colour = bare.mean(axis=0)
        different = np.abs(scene.image.astype(int) - colour).max(axis=2) > 16
        for x1, y1, x2, y2 in scene.boxes:
            inside = different[y1:y2, x1:x2]
            assert inside.mean() > 0.1
            # faint edges may blend in with the background: at most two rows or columns
            rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            assert rows[0] <= 2 and columns[0] <= 2
            assert y2 - y1 - 1 - rows[-1] <= 2 and x2 - x1 - 1 - columns[-1] <= 2


def test_a_crowded_scene_is_drawn_with_smaller_objects_rather_than_never(art: Art) -> None:
    chain = (
        Relation(0, Direction.LEFT, 1),
        Relation(2, Direction.LEFT, 0),
        Relation(3, Direction.LEFT, 2),
    )
    plan = plan_of(named=(0, 1, 2, 3), sizes=(Size.LARGE,) * 4, relations=chain, distractors=(4, 5))
    scene = draw_scene(Dice(b"crowd"), plan, art, RECIPES["small"].canvas)
    assert scene.boxes[3][0] < scene.boxes[2][0] < scene.boxes[0][0] < scene.boxes[1][0]


def test_a_named_object_can_be_told_from_its_background(art: Art) -> None:
    dice = Dice(b"contrast")
    for thing in range(60):
        for colour in BACKGROUNDS:
            plan = plan_of(named=(thing, (thing + 1) % 60), colour=colour)
            scene = draw_scene(dice, plan, art, RECIPES["small"].canvas)
            x1, y1, x2, y2 = scene.boxes[0]
            patch = scene.image[y1:y2, x1:x2].astype(int)
            difference = np.abs(patch - np.array(BACKGROUNDS[colour])).sum(axis=2)
            assert (difference > 90).mean() > 0.1, (VOCABULARY[thing].name, colour)
