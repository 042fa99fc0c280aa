"""Which scenes a data set consists of: the recipe of each size, and the plans for each split.

Training plans follow from the data version alone, evaluation plans also from the secret salt.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runner.errors import DataError
from runner.task.captions import Plan, draw_plan
from runner.task.dice import Dice
from runner.task.scenes import Canvas
from runner.task.splits import Pairs
from runner.task.vocabulary import Thing, things

DATA_VERSION = "scenes-2"
"""Names the bytes of the training data; any change of them needs a new one."""

SizeName = Literal["tiny", "small", "full"]

ANNOTATED_PERCENT = 15
MOST_DISTRACTORS = 2


@dataclass(frozen=True)
class Recipe:
    """What one size of the data consists of."""

    objects: int | None  # None: all of the vocabulary
    canvas: Canvas
    named: tuple[int, ...]  # how many objects a caption may name
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
    "tiny": Recipe(25, _SMALL_CANVAS, (2, 3), 300, 64, 32, 16, 25),  # for tests
    "small": Recipe(200, _SMALL_CANVAS, (2, 3), 20_000, 1_000, 256, 64, 0),
    "full": Recipe(None, _FULL_CANVAS, (3, 4), 50_000, 1_000, 256, 64, 50),
}


@dataclass(frozen=True)
class Composer:
    """Draws the plans of one size."""

    size: SizeName
    recipe: Recipe
    things: tuple[Thing, ...]
    pairs: Pairs

    @classmethod
    def of(cls, size: SizeName) -> Composer:
        """The composer of a size, with its vocabulary and its division of pairs."""
        recipe = RECIPES[size]
        vocabulary = things(recipe.objects)
        return cls(size, recipe, vocabulary, Pairs.divide(len(vocabulary), public_seed(size)))

    def training_plans(self) -> list[Plan]:
        """The plans of all training scenes, in order. No two have the same caption."""
        dice = Dice(f"{public_seed(self.size)}/train/plans".encode())
        count = len(self.things)
        allowed = [
            [self.pairs.for_training(one, other) for other in range(count)] for one in range(count)
        ]
        captions: set[str] = set()
        plans: list[Plan] = []
        while len(plans) < self.recipe.train_scenes:
            named, distractors = self._counts(dice)
            group: list[int] = []
            while len(group) < named + distractors:
                thing = dice.below(count)
                if thing not in group and all(allowed[thing][other] for other in group):
                    group.append(thing)
            plan = draw_plan(dice, group[:named], group[named:])
            caption = plan.caption(self.things)
            if caption not in captions:
                captions.add(caption)
                plans.append(plan)
        return plans

    def evaluation_plans(self, split: str, salt: bytes) -> list[Plan]:
        """The plans of one evaluation split, twins beside each other.

        No two have the same caption, and only twins have the same set of named objects, so
        that a caption describes one image only.
        """
        dice = secret_dice(salt, self.size, f"{split}/plans")
        slopes = self.pairs.secret_slopes(split, secret_dice(salt, self.size, "slopes"))
        lines = self.pairs.lines(slopes)
        twins = self.recipe.pairs * self.recipe.twin_percent // 100 // 2
        used: set[frozenset[int]] = set()
        plans: list[Plan] = []
        for _ in range(1_000 * self.recipe.pairs):
            if len(plans) == self.recipe.pairs:
                return plans
            line = dice.one_of(lines)
            named, distractors = self._counts(dice)
            group = dice.shuffled(line)[: named + distractors]
            plan = draw_plan(dice, group[:named], group[named:])
            if len(group) == named + distractors and frozenset(plan.named) not in used:
                used.add(frozenset(plan.named))
                plans.append(plan)
                if len(plans) < 2 * twins:
                    plans.append(plan.with_first_relation_reversed())
        raise DataError(
            f"found no {self.recipe.pairs} different evaluation scenes among {len(self.things)} "
            "objects: the recipe asks for too many"
        )

    def _counts(self, dice: Dice) -> tuple[int, int]:
        return dice.one_of(self.recipe.named), dice.between(0, MOST_DISTRACTORS)


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
