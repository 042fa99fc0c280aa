"""How low the mean rank can be for somebody who sees what the images show: no training.

The oracle is handed, for each image of the validation split, facts that can be read off it: the
objects in it, the background's colour, the objects' sizes, where they lie to each other. Each fact
is recognised with a given probability and otherwise missed; nothing is ever seen that is not there.
A caption is read without mistakes. The two are compared by a naive Bayes score: for each fact that
the caption states, the logarithm of how much likelier it is to be seen in the caption's own image
than in any other. Ties count against it, as they do in the metric.

What the generator does not tell of a distractor (its size, where it lies to other objects) is
taken for whatever a caption says of it, which is against the oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from runner.task.art import Art
from runner.task.build import SALT
from runner.task.captions import BACKGROUNDS, Direction, Plan
from runner.task.compose import Composer, secret_dice
from runner.task.prepare import TaskData
from runner.task.salt import read_salt
from runner.task.scenes import direction_of, draw_scene
from runner.task.vocabulary import Thing

RECOGNISED = (0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
_DRAWS = 5  # of what is recognised, averaged
_SURE = 1 - 1e-6  # a fact that is always recognised still has a finite score

Matrix = npt.NDArray[np.bool_]
Fact = tuple[object, ...]


class Kind(StrEnum):
    """What a fact is about."""

    OBJECT = "objects"
    COLOUR = "colour"
    SIZE = "sizes"
    RELATION = "relations"


LADDER: tuple[tuple[Kind, ...], ...] = (
    (Kind.COLOUR,),
    (Kind.OBJECT,),
    (Kind.OBJECT, Kind.COLOUR),
    (Kind.OBJECT, Kind.RELATION),
    tuple(Kind),
)
"""Who knows what, from the least to everything."""


@dataclass(frozen=True)
class Seen:
    """What is true in one image. `unknown` are objects of which no size and place is known."""

    facts: frozenset[Fact]
    unknown: frozenset[int]

    def shows(self, fact: Fact) -> bool:
        """Whether the fact is true here, or could be for all that is known."""
        if fact in self.facts:
            return True
        if fact[0] in (Kind.SIZE, Kind.RELATION):
            objects = [one for one in fact[1:] if isinstance(one, int)]
            present = all((Kind.OBJECT, one) in self.facts for one in objects)
            return present and any(one in self.unknown for one in objects)
        return False


@dataclass(frozen=True)
class Step:
    """The oracle with one kind of knowledge: mean rank and recall at 1 by share recognised."""

    knows: tuple[Kind, ...]
    mean_rank: dict[float, float]
    recall: dict[float, float]


def oracle(data: TaskData, *, seed: int = 0) -> list[Step]:
    """The ladder on the validation split of prepared data."""
    salt = read_salt(data.private / SALT)
    composer = Composer.of(data.size)
    plans = composer.evaluation_plans("validation", salt)
    dice = secret_dice(salt, composer.size, "validation/pixels")
    art = Art(composer.things)
    scenes = [draw_scene(dice, plan, art, composer.recipe.canvas) for plan in plans]
    seen = [_seen(plan, scene.boxes) for plan, scene in zip(plans, scenes, strict=True)]
    stated = [_stated(plan, composer.things) for plan in plans]
    return [_step(knows, stated, seen, seed) for knows in LADDER]


def _seen(plan: Plan, boxes: Sequence[tuple[int, int, int, int]]) -> Seen:
    facts: set[Fact] = {(Kind.OBJECT, one) for one in plan.shown}
    facts.add((Kind.COLOUR, plan.colour))
    facts |= {(Kind.SIZE, one, str(size)) for one, size in zip(plan.named, plan.sizes, strict=True)}
    for one, box in zip(plan.named, boxes, strict=True):
        for other, anchor in zip(plan.named, boxes, strict=True):
            if (where := direction_of(box, anchor)) is not None:
                facts.add(_relation(one, where, other))
    return Seen(frozenset(facts), frozenset(plan.distractors))


def _stated(plan: Plan, things: Sequence[Thing]) -> list[Fact]:
    """What the caption says."""
    facts: list[Fact] = [(Kind.OBJECT, one) for one in plan.named]
    another = replace(plan, colour=next(name for name in BACKGROUNDS if name != plan.colour))
    if another.caption(things) != plan.caption(things):
        facts.append((Kind.COLOUR, plan.colour))
    facts += [(Kind.SIZE, one, str(s)) for one, s in zip(plan.named, plan.sizes, strict=True) if s]
    for each in plan.relations:
        facts.append(_relation(plan.named[each.subject], each.direction, plan.named[each.object]))
    return facts


def _relation(one: int, where: Direction, other: int) -> Fact:
    """The same fact from whichever end it is told."""
    if one < other:
        return (Kind.RELATION, one, str(where), other)
    return (Kind.RELATION, other, str(where.opposite), one)


def _step(
    knows: tuple[Kind, ...], stated: Sequence[Sequence[Fact]], seen: Sequence[Seen], seed: int
) -> Step:
    stated = [[fact for fact in facts if fact[0] in knows] for facts in stated]
    every = sorted({fact for facts in stated for fact in facts}, key=repr)
    column = {fact: number for number, fact in enumerate(every)}
    says = np.zeros((len(stated), len(every)), dtype=np.bool_)
    for row, facts in zip(says, stated, strict=True):
        row[[column[fact] for fact in facts]] = True
    true = np.array([[one.shows(fact) for fact in every] for one in seen], dtype=np.bool_)
    usual = np.clip(true.mean(axis=0), 1e-6, _SURE)
    mean_rank, recall = {}, {}
    for share in RECOGNISED:
        dice = np.random.default_rng([seed, round(1000 * share)])
        draws = [
            _ranked(says, true & (dice.random(true.shape) < share), usual, share)
            for _ in range(_DRAWS)
        ]
        mean_rank[share], recall[share] = (float(value) for value in np.mean(draws, axis=0))
    return Step(knows, mean_rank, recall)


def _ranked(
    says: Matrix, noticed: Matrix, usual: npt.NDArray[np.float64], share: float
) -> tuple[float, float]:
    """Mean rank and recall at 1 in both directions, by the naive Bayes score."""
    share = min(share, _SURE)
    hit = np.log(share / (share * usual))
    miss = np.log((1 - share) / (1 - share * usual))
    # Sums of whole numbers are exact, so that their order neither makes nor breaks a tie.
    gain, loss = np.rint(1e6 * (hit - miss)), np.rint(1e6 * miss)
    captions = says.astype(np.float64)
    similar = (noticed * gain) @ captions.T + (captions @ loss)[None, :]
    own = np.diagonal(similar)
    ranks = np.concatenate(
        [(similar >= own[:, None]).sum(axis=1), (similar >= own[None, :]).sum(axis=0)]
    )
    return float(ranks.mean()), float((ranks <= 1).mean())
