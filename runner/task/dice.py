"""Random choices that are the same on every machine, whatever the version of numpy.

Only the raw 64-bit output of PCG64 is used, which numpy guarantees to stay as it is
(NEP 19); everything else is integer arithmetic here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

_BLOCK = 1024


class Dice:
    """A stream of choices that follows from its seed alone."""

    def __init__(self, seed: bytes) -> None:
        """Start the stream at PCG64 seeded with the SHA-256 of `seed`."""
        self._source = np.random.PCG64(int.from_bytes(hashlib.sha256(seed).digest(), "big"))
        self._buffer: list[int] = []

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1 (bias under bound / 2**53)."""
        if not self._buffer:
            self._buffer = self._source.random_raw(_BLOCK).tolist()
        return ((self._buffer.pop() >> 11) * bound) >> 53

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` of a hundred cases."""
        return self.below(100) < percent

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items in random order (Fisher-Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result
