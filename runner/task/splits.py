"""Which objects may appear together in which split.

The unordered pairs of objects are divided so that whole groups of objects belong together in an
evaluation scene: with independent coin tosses per pair hardly any four objects would have all
their pairs on the same side. The objects are points (row, column) of a grid of prime width p;
two objects of different rows lie on exactly one line `column = slope * row + c (mod p)`, as in
a finite affine plane. A slope is a class of pairs, and every object is on one line of each slope.
Some slopes are for evaluation; the other pairs, and those of one row, are for training.

Which slopes are for evaluation follows from the data version and is public, since it follows
from the training data anyway. Which of them are for validation and which for the sealed split
is drawn with the secret salt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from runner.task.dice import Dice

SPLITS = ("validation", "sealed")

_EVALUATION_SHARE = 3  # about one pair in three is kept for the two evaluation splits


def _next_prime(least: int) -> int:
    return next(
        number
        for number in count(max(2, least))
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1))
    )


@dataclass(frozen=True)
class Pairs:
    """The division of all pairs of objects 0 to `objects` - 1 into classes by slope.

    `place[object]` is the object's point in the grid; `evaluation` lists the slopes kept from
    training, an even number of them.
    """

    width: int
    place: tuple[tuple[int, int], ...]
    evaluation: tuple[int, ...]

    @classmethod
    def divide(cls, objects: int, version: str) -> Pairs:
        """The division for a data version; the same on every machine."""
        dice = Dice(f"{version}/pairs".encode())
        width = _next_prime(int(max(objects - 1, 0) ** 0.5) + 1)
        places = [divmod(point, width) for point in dice.shuffled(range(objects))]
        kept = max(2, 2 * round(width / _EVALUATION_SHARE / 2))
        return cls(width, tuple(places), tuple(sorted(dice.shuffled(range(width))[:kept])))

    def slope(self, one: int, other: int) -> int | None:
        """The class of a pair of different objects; None for two objects of one row."""
        (row, column), (other_row, other_column) = self.place[one], self.place[other]
        if row == other_row:
            return None
        return (other_column - column) * pow(other_row - row, -1, self.width) % self.width

    def for_training(self, one: int, other: int) -> bool:
        """Whether the two objects may appear together in a training scene."""
        return self.slope(one, other) not in self.evaluation

    def lines(self, slopes: Sequence[int]) -> list[list[int]]:
        """Groups of objects all of whose pairs have one of `slopes` (the same in a group)."""
        groups: dict[tuple[int, int], list[int]] = {}
        for thing, (row, column) in enumerate(self.place):
            for slope in slopes:
                offset = (column - slope * row) % self.width
                groups.setdefault((slope, offset), []).append(thing)
        return [groups[key] for key in sorted(groups)]

    def secret_slopes(self, split: str, dice: Dice) -> list[int]:
        """Half of the evaluation slopes for each split; `dice` must be the same for both."""
        order = dice.shuffled(self.evaluation)
        half = len(order) // 2
        return order[:half] if split == SPLITS[0] else order[half:]
