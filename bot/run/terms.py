"""For how long a scheduler works, and how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """For how long to work, and how.

    `verdicts` and `deadline` (seconds since 1970) end it. `max_in_flight` is how many
    experiments may be open or in the making at once; None: enough for the measured ratio of
    proposal to run time. `patient`: wait and try again where that may help. `look_every_s` is
    how long to wait at most before looking what people did; None: only when something ends.
    `must_propose`: that nothing is left to propose (a cap, a pause, no idea) is an error where
    nobody waits for it; otherwise it is one way to end.
    """

    verdicts: int | None = None
    deadline: float | None = None
    max_in_flight: int | None = 1
    patient: bool = False
    look_every_s: float | None = None
    must_propose: bool = True


STEP = Terms(verdicts=1)
