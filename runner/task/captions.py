"""What a scene shows and how a caption says it: the plan of a scene, without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runner.task.dice import Dice
from runner.task.vocabulary import Thing, article

Colour = tuple[int, int, int]

BACKGROUNDS: dict[str, Colour] = {
    "white": (238, 238, 234),
    "gray": (150, 152, 156),
    "red": (214, 84, 76),
    "orange": (240, 158, 74),
    "yellow": (244, 218, 104),
    "green": (110, 180, 104),
    "teal": (72, 160, 160),
    "blue": (92, 138, 214),
    "purple": (150, 108, 196),
    "pink": (238, 160, 190),
}

_COLOURS = tuple(BACKGROUNDS)


class Direction(StrEnum):
    """Where the centre of one object lies as seen from another."""

    LEFT = "left"
    RIGHT = "right"
    ABOVE = "above"
    BELOW = "below"

    @property
    def opposite(self) -> Direction:
        """Left for right, above for below, and the other way round."""
        return _OPPOSITES[self]


_OPPOSITES = {
    Direction.LEFT: Direction.RIGHT,
    Direction.RIGHT: Direction.LEFT,
    Direction.ABOVE: Direction.BELOW,
    Direction.BELOW: Direction.ABOVE,
}

_DIRECTIONS = tuple(Direction)

# "{subject} PHRASE {object}"
_PREPOSITIONS = {
    Direction.LEFT: ("left of", "to the left of", "on the left of"),
    Direction.RIGHT: ("right of", "to the right of", "on the right of"),
    Direction.ABOVE: ("above", "over", "higher than"),
    Direction.BELOW: ("below", "under", "lower than"),
}

# "{object} with {subject} PHRASE"
_ADVERBS = {
    Direction.LEFT: "on its left",
    Direction.RIGHT: "on its right",
    Direction.ABOVE: "above it",
    Direction.BELOW: "below it",
}

_FRAMES = (
    "{scene}",
    "{scene} on {a} {colour} background",
    "on {a} {colour} background {scene}",
    "{a} {colour} picture of {scene}",
    "{scene} against {colour}",
)


class Size(StrEnum):
    """The size classes. Captions say nothing of the middle one."""

    SMALL = "small"
    MEDIUM = ""
    LARGE = "large"


_SIZES = (Size.SMALL, Size.MEDIUM, Size.MEDIUM, Size.LARGE)


@dataclass(frozen=True)
class Relation:
    """`subject` lies in `direction` of `object`; both are positions in `Plan.named`."""

    subject: int
    direction: Direction
    object: int


@dataclass(frozen=True)
class Plan:
    """All of a scene that its caption depends on, and the distractors.

    `named` and `distractors` are object numbers, `sizes` belongs to `named`. `wording` picks
    the frame, the preposition of each relation, and whether the first relation is told from
    the other end.
    """

    named: tuple[int, ...]
    sizes: tuple[Size, ...]
    relations: tuple[Relation, ...]
    colour: str
    distractors: tuple[int, ...]
    frame: int
    prepositions: tuple[int, ...]
    turned: bool

    @property
    def shown(self) -> tuple[int, ...]:
        """All objects in the image."""
        return (*self.named, *self.distractors)

    def phrase(self, position: int, things: Sequence[Thing]) -> str:
        """Size and name of a named object as they stand in the caption, without article."""
        size, name = self.sizes[position], things[self.named[position]].name
        return f"{size} {name}" if size else name

    def caption(self, things: Sequence[Thing]) -> str:
        """The caption in lower-case words."""

        def noun(position: int) -> str:
            return things[self.named[position]].phrase(self.sizes[position])

        clauses = []
        for number, relation in enumerate(self.relations):
            subject, other = noun(relation.subject), noun(relation.object)
            if relation.object in _told(self.relations[:number]):
                other = f"the {things[self.named[relation.object]].name}"
            if number == 0 and self.turned:
                clauses.append(f"{other} with {subject} {_ADVERBS[relation.direction]}")
            else:
                preposition = _PREPOSITIONS[relation.direction][self.prepositions[number]]
                clauses.append(f"{subject} {preposition} {other}")
        told = _told(self.relations)
        clauses += [noun(position) for position in range(len(self.named)) if position not in told]
        return _FRAMES[self.frame].format(
            scene=" and ".join(clauses), colour=self.colour, a=article(self.colour)
        )

    def with_first_relation_reversed(self) -> Plan:
        """The plan whose caption differs in the first relation only."""
        first = self.relations[0]
        turned = replace(first, direction=first.direction.opposite)
        return replace(self, relations=(turned, *self.relations[1:]))


def _told(relations: Sequence[Relation]) -> set[int]:
    return {end for relation in relations for end in (relation.subject, relation.object)}


def draw_plan(dice: Dice, named: Sequence[int], distractors: Sequence[int]) -> Plan:
    """A plan for these objects with everything else chosen at random.

    Two objects have one relation; a third one has a relation to one of them or is only
    mentioned; a fourth one has a relation to the third.
    """
    relations = [Relation(0, dice.one_of(_DIRECTIONS), 1)]
    if len(named) == 3 and dice.chance(60):
        relations.append(Relation(2, dice.one_of(_DIRECTIONS), dice.below(2)))
    if len(named) == 4:
        relations.append(Relation(2, dice.one_of(_DIRECTIONS), 3))
    return Plan(
        named=tuple(named),
        sizes=tuple(dice.one_of(_SIZES) for _ in named),
        relations=tuple(relations),
        colour=dice.one_of(_COLOURS),
        distractors=tuple(distractors),
        frame=dice.below(len(_FRAMES)),
        prepositions=tuple(dice.below(3) for _ in relations),
        turned=dice.chance(25),
    )
