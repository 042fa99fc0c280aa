"""Whether the machine has drifted: the baseline's own code, run again, is not where it was."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.model import Run
from bot.text.figures import number
from bot.verdict.student import t_cdf

LEVEL = 0.01
"""Two-sided: one check in a hundred calls a machine drifted that has not."""
_LEAST_EARLIER = 3


def drift(baseline: Sequence[Run]) -> str | None:
    """One sentence when the latest batch of the baseline's runs differs from the earlier ones.

    Runs of one code only, oldest first; a batch shares `Run.attempt`. Student's t for two
    means with a pooled variance, both batches being the same code. None while there is too
    little to compare, or nothing to see.
    """
    valued = [(run.attempt, run.value) for run in baseline if run.value is not None]
    if not valued:
        return None
    last = valued[-1][0]
    late = [value for attempt, value in valued if attempt == last]
    early = [value for attempt, value in valued if attempt != last]
    if len(early) < _LEAST_EARLIER:
        return None
    before, now = math.fsum(early) / len(early), math.fsum(late) / len(late)
    df = len(early) + len(late) - 2
    squares = sum((v - before) ** 2 for v in early) + sum((v - now) ** 2 for v in late)
    error = math.sqrt(squares / df * (1 / len(early) + 1 / len(late)))
    if now == before or (error > 0 and 2 * t_cdf(-abs(now - before) / error, df) > LEVEL):
        return None
    return (
        f"The machine seems to have drifted: the baseline's latest runs average {number(now)}, "
        f"the {len(early)} before them {number(before)} (level {LEVEL:g}). Claims compare runs "
        "made side by side and are not touched by it."
    )
