"""Which scenes a data set consists of: the recipe of each size, and the plans for each split.

Training plans follow from the data version alone, evaluation plans also from the secret salt.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.errors import DataError
from runner.task.captions import Plan, draw_plan
from runner.task.dice import Dice
from runner.task.scenes import Canvas
from runner.task.splits import (
    Graph,
    held_out_graph,
    random_clique,
    split_graph,
    training_graph,
)
from runner.task.vocabulary import Thing, things

DATA_VERSION = "scenes-3"
"""Names the bytes of the training data; any change of them needs a new one."""

SizeName = Literal["tiny", "small", "full"]

ANNOTATED_PERCENT = 15
_MOST_TRIES = 10_000  # for one scene


@dataclass(frozen=True)
class Recipe:
    """What one size of the data consists of."""

    objects: int | None  # None: all of the vocabulary
    canvas: Canvas
    named: tuple[int, ...]  # how many objects a caption may name
    most_distractors: int  # objects that the caption does not name
    train_scenes: int
    pairs: int  # image-caption pairs in each evaluation split
    smoke_scenes: int
    smoke_pairs: int
    twin_percent: int  # of the evaluation pairs: come in twos that differ in one relation only


_SMALL_CANVAS = Canvas(
    side=48, small=(13, 15), medium=(17, 19), large=(22, 25), distractor=(12, 15)
)
_FULL_CANVAS = Canvas(side=96, small=(18, 22), medium=(26, 31), large=(36, 42), distractor=(16, 22))

RECIPES: dict[SizeName, Recipe] = {
    "tiny": Recipe(60, _SMALL_CANVAS, (2, 3), 1, 300, 64, 32, 16, 25),  # for tests
    "small": Recipe(200, _SMALL_CANVAS, (2, 3), 2, 20_000, 1_000, 256, 64, 0),
    "full": Recipe(None, _FULL_CANVAS, (3, 4), 2, 50_000, 1_000, 256, 64, 50),
}


@dataclass(frozen=True, eq=False)
class Composer:
    """Draws the plans of one size."""

    size: SizeName
    recipe: Recipe
    things: tuple[Thing, ...]
    held_out: Graph  # the pairs of objects kept from training

    @classmethod
    def of(cls, size: SizeName) -> Composer:
        """The composer of a size, with its vocabulary and its division of pairs."""
        recipe = RECIPES[size]
        vocabulary = things(recipe.objects)
        held_out = held_out_graph(len(vocabulary), public_seed(size))
        return cls(size, recipe, vocabulary, held_out)

    def training_plans(self) -> list[Plan]:
        """The plans of all training scenes, in order. No two have the same caption.

        Raises:
            DataError: the objects do not suffice for the recipe.
        """
        dice = Dice(f"{public_seed(self.size)}/train/plans".encode())
        graph = training_graph(self.held_out)
        captions: set[str] = set()
        plans: list[Plan] = []
        while len(plans) < self.recipe.train_scenes:
            plan = self._draw(dice, graph, lambda plan: plan.caption(self.things) not in captions)
            captions.add(plan.caption(self.things))
            plans.append(plan)
        return plans

    def evaluation_plans(self, split: str, salt: bytes) -> list[Plan]:
        """The plans of one evaluation split, twins beside each other.

        The objects that a caption names are never all in the image of another scene, not even
        as distractors; only in that of its twin, which contradicts it in one relation. So each
        caption is true of one image only.

        Raises:
            DataError: the objects do not suffice for the recipe.
        """
        dice = secret_dice(salt, self.size, f"{split}/plans")
        graph = split_graph(self.held_out, split, secret_dice(salt, self.size, "pairs"))
        twins = self.recipe.pairs * self.recipe.twin_percent // 100 // 2
        scenes: list[tuple[frozenset[int], frozenset[int]]] = []  # named and shown objects

        def told_apart(plan: Plan) -> bool:
            named, shown = frozenset(plan.named), frozenset(plan.shown)
            return not any(named <= other or theirs <= shown for theirs, other in scenes)

        plans: list[Plan] = []
        while len(plans) < self.recipe.pairs:
            plan = self._draw(dice, graph, told_apart)
            scenes.append((frozenset(plan.named), frozenset(plan.shown)))
            plans.append(plan)
            if len(scenes) <= twins:
                plans.append(plan.with_first_relation_reversed())
        return plans

    def _draw(self, dice: Dice, graph: Graph, fits: Callable[[Plan], bool]) -> Plan:
        """A plan of objects of which `graph` joins every two, and that `fits`.

        The number of objects is chosen once, so that large scenes, which are harder to find,
        are not rarer for it.
        """
        named = dice.one_of(self.recipe.named)
        count = named + dice.between(0, self.recipe.most_distractors)
        for _ in range(_MOST_TRIES):
            objects = random_clique(dice, graph, count)
            if objects is not None:
                plan = draw_plan(dice, objects[:named], objects[named:])
                if fits(plan):
                    return plan
        raise DataError(
            f"found no further scene of {count} among {len(self.things)} objects in "
            f"{_MOST_TRIES:,} tries: the recipe {self.size!r} asks for too many"
        )


def public_seed(size: str) -> str:
    """The seed of everything public."""
    return f"mergelab/{DATA_VERSION}/{size}"


def secret_dice(salt: bytes, size: str, purpose: str) -> Dice:
    """Choices that nobody can repeat without the salt."""
    return Dice(hmac.digest(salt, f"{public_seed(size)}/{purpose}".encode(), "sha256"))


def annotated_rows(size: SizeName, scenes: int) -> frozenset[int]:
    """The training scenes that carry region annotations: exactly 15 % of them, rounded down."""
    dice = Dice(f"{public_seed(size)}/train/annotated".encode())
    return frozenset(dice.shuffled(range(scenes))[: scenes * ANNOTATED_PERCENT // 100])


def captions_of(plans: Sequence[Plan], vocabulary: Sequence[Thing]) -> list[str]:
    """The captions of plans, in their order."""
    return [plan.caption(vocabulary) for plan in plans]
