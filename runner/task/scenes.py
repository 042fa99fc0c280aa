"""From plans to pixels: choose art, place the objects, draw them.

A placement keeps every stated relation true in the strict sense that a person would expect:
"A left of B" means that A's box ends before B's begins, and that their centres are further
apart sideways than in height. Boxes never overlap, so each is exact and fully visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runner.task.art import STYLES, Art, Sprite
from runner.task.captions import BACKGROUNDS, Colour, Direction, Plan, Relation, Size
from runner.task.dice import Dice

Image = npt.NDArray[np.uint8]  # (side, side, 3)
Box = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels; the last two are exclusive

_TRIES_PER_OBJECT = 12
_TRIES_PER_SCALE = 25
_SHADE = 14  # how far a background may be lighter or darker than its colour
_SLOPE = 12  # how much it changes from one side to the other
_LEAST_VISIBLE_PERCENT = 50


@dataclass(frozen=True)
class Canvas:
    """Width and height of an image, and of the objects by size class, in pixels.

    The ranges give the longer side of an object, both ends included.
    """

    side: int
    small: tuple[int, int]
    medium: tuple[int, int]
    large: tuple[int, int]
    distractor: tuple[int, int]

    def range_of(self, size: Size) -> tuple[int, int]:
        """The range for a size class."""
        return {Size.SMALL: self.small, Size.MEDIUM: self.medium, Size.LARGE: self.large}[size]


@dataclass(frozen=True)
class Scene:
    """A drawn plan: the image and the boxes of the named objects, in the plan's order."""

    image: Image
    boxes: tuple[Box, ...]


def draw_scene(dice: Dice, plan: Plan, art: Art, canvas: Canvas) -> Scene:
    """Draw a plan. Everything that the plan leaves open is chosen with `dice`."""
    colour = _shaded(dice, BACKGROUNDS[plan.colour])
    ranges = [canvas.range_of(size) for size in plan.sizes]
    ranges += [canvas.distractor] * len(plan.distractors)
    styles = [_style(dice, art, thing, plan.colour) for thing in plan.shown]
    lengths = [dice.between(*limits) for limits in ranges]
    while True:
        sprites = [
            art.sprite(thing, style, length)
            for thing, style, length in zip(plan.shown, styles, lengths, strict=True)
        ]
        boxes = _place(dice, sprites, plan.relations, canvas.side)
        if boxes is not None:
            break
        lengths = [max(3, length - 1 - length // 16) for length in lengths]  # rare: too full
    image = _background(dice, colour, canvas.side)
    for box, sprite in zip(boxes, sprites, strict=True):
        _lay_over(image, box, sprite)
    return Scene(image.astype(np.uint8), tuple(boxes[: len(plan.named)]))


def _shaded(dice: Dice, colour: Colour) -> Colour:
    shade = dice.between(-_SHADE, _SHADE)
    red, green, blue = (min(255, max(0, value + shade)) for value in colour)
    return red, green, blue


def _style(dice: Dice, art: Art, thing: int, background: str) -> int:
    """A style at random, but the other one where much of this one could hardly be seen."""

    def visible(style: int) -> int:
        return art.visible_percent(thing, style, BACKGROUNDS[background])

    style = dice.below(len(STYLES))
    if visible(style) < _LEAST_VISIBLE_PERCENT:
        return max(range(len(STYLES)), key=visible)
    return style


def _place(
    dice: Dice, sprites: Sequence[Sprite], relations: Sequence[Relation], side: int
) -> list[Box] | None:
    """Boxes for all sprites, or None if many tries found no room."""
    for _ in range(_TRIES_PER_SCALE):
        boxes: list[Box] = []
        for position, sprite in enumerate(sprites):
            wanted = _wanted(relations, position, boxes)
            box = _place_one(dice, sprite, wanted, boxes, side)
            if box is None:
                break
            boxes.append(box)
        else:
            return boxes
    return None


def _wanted(
    relations: Sequence[Relation], position: int, placed: Sequence[Box]
) -> list[tuple[Direction, Box]]:
    """The relations of the object at `position` to those before it, as seen from itself."""
    wanted = []
    for relation in relations:
        if relation.subject == position and relation.object < position:
            wanted.append((relation.direction, placed[relation.object]))
        elif relation.object == position and relation.subject < position:
            wanted.append((relation.direction.opposite, placed[relation.subject]))
    return wanted


def _place_one(
    dice: Dice,
    sprite: Sprite,
    wanted: Sequence[tuple[Direction, Box]],
    placed: Sequence[Box],
    side: int,
) -> Box | None:
    """A box apart from those placed, in each wanted direction of its anchor; None if not found."""
    width, height = sprite.width, sprite.height
    left, top, right, bottom = 0, 0, side - width, side - height  # range of the upper left corner
    for direction, anchor in wanted:
        if direction is Direction.LEFT:
            right = min(right, anchor[0] - width)
        elif direction is Direction.RIGHT:
            left = max(left, anchor[2])
        elif direction is Direction.ABOVE:
            bottom = min(bottom, anchor[1] - height)
        else:
            top = max(top, anchor[3])
    if left > right or top > bottom:
        return None
    for _ in range(_TRIES_PER_OBJECT):
        x, y = dice.between(left, right), dice.between(top, bottom)
        box = (x, y, x + width, y + height)
        if all(direction_of(box, anchor) is direction for direction, anchor in wanted) and (
            not any(overlap(box, other) for other in placed)
        ):
            return box
    return None


def direction_of(box: Box, anchor: Box) -> Direction | None:
    """Where `box` lies as seen from `anchor`, by their centres; None on a diagonal."""
    across = (box[0] + box[2]) - (anchor[0] + anchor[2])
    down = (box[1] + box[3]) - (anchor[1] + anchor[3])
    if abs(across) == abs(down):
        return None
    if abs(across) > abs(down):
        return Direction.RIGHT if across > 0 else Direction.LEFT
    return Direction.BELOW if down > 0 else Direction.ABOVE


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share a pixel."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _background(dice: Dice, colour: Colour, side: int) -> npt.NDArray[np.uint16]:
    """The colour with a slight change of brightness along one axis."""
    change = dice.between(-_SLOPE, _SLOPE)
    ramp = (np.arange(side) * 2 - (side - 1)) * change // (2 * (side - 1))
    lines = np.clip(np.array(colour)[None, :] + ramp[:, None], 0, 255).astype(np.uint16)
    shape = (side, side, 3)
    rows = lines[:, None, :] if dice.chance(50) else lines[None, :, :]
    return np.ascontiguousarray(np.broadcast_to(rows, shape))


def _lay_over(image: npt.NDArray[np.uint16], box: Box, sprite: Sprite) -> None:
    x1, y1, x2, y2 = box
    under = image[y1:y2, x1:x2]
    # 255 * 255 + 127 fits in 16 bits without sign.
    image[y1:y2, x1:x2] = sprite.colour + (under * sprite.background_share + 127) // 255
