"""How long GitHub wants us to wait: its limits, read from its answers, and our own count."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

WRITES_AN_HOUR = 480  # GitHub's own limit is 500 that create content
_HOUR_S = 3600.0
_UNKNOWN_WAIT_S = 60.0  # a secondary limit that names no time: at least a minute


def is_limit(status: int, headers: Mapping[str, str], text: str) -> bool:
    """Whether an answer says that too much was asked; nothing has happened then."""
    if status == 429:
        return True
    if status != 403:
        return False
    lowered = text.lower()
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in lowered
        or "abuse detection" in lowered
    )


def wait_s(headers: Mapping[str, str], now: float, tries: int) -> float:
    """Seconds until the call may be made again, after `tries` refusals.

    The order is GitHub's own: `retry-after`, then the reset of a limit that is used up, then
    at least a minute, doubled every time.
    """
    after = _number(headers.get("retry-after"))
    if after is not None:
        return max(0.0, after)
    reset = _number(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(0.0, reset - now) + 1.0
    return _UNKNOWN_WAIT_S * float(2**tries)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e12 else None


class WriteBudget:
    """Keeps the writes of an hour below GitHub's secondary limit, before GitHub has to say so."""

    def __init__(self, an_hour: int = WRITES_AN_HOUR) -> None:
        self._an_hour = an_hour
        self._times: deque[float] = deque()

    def wait_s(self, now: float) -> float:
        """Seconds until the next write fits."""
        while self._times and self._times[0] <= now - _HOUR_S:
            self._times.popleft()
        if len(self._times) < self._an_hour:
            return 0.0
        return self._times[0] + _HOUR_S - now

    def spend(self, now: float) -> None:
        """Count one write."""
        self._times.append(now)
