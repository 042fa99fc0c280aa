"""Which numbers an evaluation of the default task can come to: for whoever only hears of them."""

from __future__ import annotations

from collections.abc import Mapping

LARGEST_SPLIT = 1_000_000
"""More pairs than any evaluation split has."""


def plausible(metric: float, secondary: Mapping[str, float]) -> bool:
    """Whether ranks can have this mean, and shares and medians beside it these values."""
    ranks = [metric, *(value for name, value in secondary.items() if name == "median_rank")]
    shares = [value for name, value in secondary.items() if name.startswith("recall@")]
    return all(1 <= rank <= LARGEST_SPLIT for rank in ranks) and all(
        0 <= share <= 1 for share in shares
    )
