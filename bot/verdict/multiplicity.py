"""How many of all merges must be expected to be false by now."""

from __future__ import annotations

from collections.abc import Iterable

from bot.history.multiplicity import Multiplicity
from bot.model import Reason


def expected_false_merges(reasons: Iterable[Reason], alpha: float) -> float:
    """`alpha` times the number of experiments that were judged by the test (`Reason.tested`).

    An upper bound of the expected number when no candidate is truly better: alpha is per
    experiment and is not corrected for their number, so this is shown beside every verdict.
    """
    return Multiplicity.of(reasons, alpha).expected
