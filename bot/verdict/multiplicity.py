"""How many of all merges must be expected to be false by now."""

from __future__ import annotations

from collections.abc import Iterable

from bot.model import Reason

# Verdicts that the sequential test reached: each had its chance of a false merge. A candidate
# that crashed or was refused by policy had none.
_TESTED = frozenset({Reason.IMPROVEMENT, Reason.WORSE, Reason.NO_EVIDENCE, Reason.SIMPLER})


def expected_false_merges(reasons: Iterable[Reason], alpha: float) -> float:
    """`alpha` times the number of experiments that were judged by the test.

    An upper bound of the expected number when no candidate is truly better: alpha is per
    experiment and is not corrected for their number, so this is shown beside every verdict.
    """
    return alpha * sum(reason in _TESTED for reason in reasons)
