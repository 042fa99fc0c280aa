"""What the earlier experiments say about the tunable constants: a pure reading of the history."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.history.fingerprint import constants_vector
from bot.model import Direction, Reason
from bot.proposers.base import Context, PastExperiment
from bot.proposers.ranges import Value

_BROKE = {Reason.CRASHED, Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.INVALID_OUTPUT}


@dataclass(frozen=True)
class Observation:
    """One earlier experiment, reduced to constants.

    `changed` maps the constants that it changed to (before, after). `loss` is how much worse
    than its own baseline it was, in the metric's units (negative: better); infinite when it
    broke, None while it is not known. Usable as a trial only if it changed nothing else.
    """

    experiment: PastExperiment
    vector: Mapping[str, Value]
    changed: Mapping[str, tuple[Value, Value]]
    constants_only: bool
    loss: float | None

    @property
    def won(self) -> bool:
        """Whether it was merged as an improvement."""
        return self.experiment.reason is Reason.IMPROVEMENT


def observe(context: Context) -> tuple[Observation, ...]:
    """The history of `context`, oldest first."""
    latest: Mapping[str, bytes] | None = None  # what the base branch held at that time
    observations = []
    for past in context.history:
        base = past.base_files or latest or context.files
        observations.append(_observation(past, base, context))
        if past.reason is not None and past.reason in _MERGES:
            latest = past.files
    return tuple(observations)


_MERGES = {Reason.IMPROVEMENT, Reason.SIMPLER, Reason.UNMEASURED, Reason.DID_NOT_REPLICATE}


def _observation(past: PastExperiment, base: Mapping[str, bytes], context: Context) -> Observation:
    before = constants_vector(base, context.entry)
    after = constants_vector(past.files, context.entry)
    changed = {
        name: (before[name], value)
        for name, value in after.items()
        if name in before and not same(before[name], value)
    }
    return Observation(
        experiment=past,
        vector=after,
        changed=changed,
        constants_only=code_of(past.files) == code_of(base),
        loss=_loss(past, context.direction),
    )


def _loss(past: PastExperiment, direction: Direction) -> float | None:
    if not past.comparable:
        return None
    if past.metric is None:
        return float("inf") if past.reason in _BROKE else None
    if past.estimate is not None:
        difference = past.estimate.difference
    elif past.baseline is not None:
        difference = past.metric - past.baseline
    else:
        return None
    return difference if direction is Direction.LOWER else -difference


def same(first: Value, second: Value) -> bool:
    """Equal in value and, apart from whole and broken numbers, in type."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)


def code_of(files: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    """The files without the values of upper-case constants: equal when only those differ."""
    return tuple((path, _code(files[path])) for path in sorted(files))


_CONSTANT_LINE = re.compile(
    rb"^([A-Z][A-Z0-9_]*[ \t]*)(:[^=\r\n]*)?=[^=\r\n][^\r\n]*", re.MULTILINE
)


@functools.lru_cache(maxsize=1024)
def _code(content: bytes) -> bytes:
    return _CONSTANT_LINE.sub(rb"\1=", content)
