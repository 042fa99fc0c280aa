"""The training curve that a candidate printed, if it did: for display, never for a verdict."""

from __future__ import annotations

import math
import re

MAX_POINTS = 200
_LONGEST_LINE = 300
_NUMBER = r"([-+]?\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?)"
_LOSS = re.compile(r"\bloss[ =:]{1,4}" + _NUMBER)
_ELAPSED = re.compile(r"\belapsed[ =:]{1,4}" + _NUMBER)


def training_curve(log: str) -> list[tuple[float, float]]:
    """Pairs of (elapsed seconds, loss) from lines such as `step 9  loss 1.2  elapsed 3.4 s`.

    The log is hostile: lines are bounded, numbers must be finite, time must not run backwards,
    and at most MAX_POINTS points are kept, evenly thinned.
    """
    points: list[tuple[float, float]] = []
    for line in log.split("\n"):
        point = _point(line) if len(line) <= _LONGEST_LINE else None
        if point is None or point in points[-1:]:  # the last line often repeats itself
            continue
        if point[0] >= (points[-1][0] if points else 0):
            points.append(point)
    return _thinned(points)


def _point(line: str) -> tuple[float, float] | None:
    loss, elapsed = _LOSS.search(line), _ELAPSED.search(line)
    if loss is None or elapsed is None:
        return None
    point = (float(elapsed[1]), float(loss[1]))
    return point if all(math.isfinite(number) for number in point) else None


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MAX_POINTS of `points`, evenly spaced, the first and the last among them."""
    if len(points) <= MAX_POINTS:
        return points
    step = (len(points) - 1) / (MAX_POINTS - 1)
    return [points[round(index * step)] for index in range(MAX_POINTS)]
