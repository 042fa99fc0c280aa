"""What goes wrong on purpose: one fault for one matching call, or for several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["status", "drop", "hang", "cut", "stale"]
"""`status`: an error answer. `drop`: the connection ends without an answer. `hang`: no answer
for `seconds`, then the end. `cut`: the answer stops in the middle of its bytes. `stale`: the
list as it was answered before, or empty. Short pages are `GitHub.page_limit`."""


@dataclass
class Fault:
    """Happens to calls whose "METHOD /path" matches the whole of `call`.

    `after` says that the effect has taken place already when the fault strikes (status, drop,
    hang, cut). The first `skip` matching calls are spared, then it strikes `times` times.
    """

    call: str
    kind: Kind = "status"
    status: int = 502
    after: bool = False
    times: int = 1
    skip: int = 0
    seconds: float = 5.0
    message: str = "Something went wrong on purpose"
    headers: Mapping[str, str] = field(default_factory=dict)

    def strikes(self, method: str, path: str) -> bool:
        """Whether it happens to this call; counts down."""
        if self.times <= 0 or not re.fullmatch(self.call, f"{method} {path}"):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


def primary_limit(call: str, reset: int, times: int = 1) -> Fault:
    """The hourly limit is used up until `reset` (seconds since 1970)."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    message = "API rate limit exceeded for installation ID 1."
    return Fault(call, status=403, message=message, headers=headers, times=times)


def secondary_limit(call: str, retry_after: int | None, times: int = 1, status: int = 403) -> Fault:
    """Too much content in too short a time."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    message = "You have exceeded a secondary rate limit. Please wait a few minutes."
    return Fault(call, status=status, message=message, headers=headers, times=times)
