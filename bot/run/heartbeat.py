"""The heartbeat of `python -m bot run`: a small file that others may read at any time.

`mergelab-heartbeat.json` lies in the repository's git folder (the common one of all working
trees) and is replaced as a whole, so that a reader never sees half of it. It says how things
stand and decides nothing.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.git import Repository
from bot.run.state import Phase, State

FILE_NAME = "mergelab-heartbeat.json"
SILENT_S = 120.0
"""A run that has not beaten for so long is gone or hangs."""
_MAXIMUM_BYTES = 1 << 20


class Heartbeat(BaseModel):
    """Who wrote it, and how everything stood then."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    host: str
    state: State

    def alive(self, now: float | None = None) -> bool:
        """Whether the run that wrote it still works, as far as can be told from here."""
        now = time.time() if now is None else now
        if self.state.phase is Phase.ENDED or now - self.state.now > SILENT_S:
            return False
        return self.host != socket.gethostname() or Path(f"/proc/{self.pid}").exists()


def read(repository: Repository) -> Heartbeat | None:
    """The latest heartbeat in this clone; None when there is none that can be read."""
    try:
        with _place(repository).open("rb") as file:
            return Heartbeat.model_validate_json(file.read(_MAXIMUM_BYTES))
    except (OSError, ValidationError):
        return None


def write(repository: Repository, state: State) -> None:
    """Replace the heartbeat. Raises OSError."""
    place = _place(repository)
    beat = Heartbeat(pid=os.getpid(), host=socket.gethostname(), state=state)
    partial = place.with_suffix(f".{os.getpid()}")
    partial.write_text(beat.model_dump_json())
    partial.replace(place)


def tidy(repository: Repository) -> None:
    """Remove what runs that were killed while they wrote have left; call it under `bot.lock`.

    Raises OSError.
    """
    place = _place(repository)
    for stray in place.parent.glob(f"{place.stem}.*"):
        if stray.suffix.removeprefix(".").isdecimal():
            stray.unlink(missing_ok=True)


def _place(repository: Repository) -> Path:
    return repository.common_folder() / FILE_NAME
