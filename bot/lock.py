"""One working process for each clone: saves double work, and is never what guards the truth."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import AlreadyRunning
from bot.git import Repository

_LOCK = "mergelab.lock"
_LOOKS = 4


def at_work(repository: Repository) -> bool:
    """Whether a process is carrying out a step in this clone now."""
    try:
        descriptor = os.open(repository.common_folder() / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    for again in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if again < _LOOKS - 1:
                time.sleep(0.05)  # somebody may only be looking, see `at_work`
    raise AlreadyRunning(
        "Another `python -m bot` is carrying out a step in this clone. Wait for it, or "
        "stop it with Ctrl-C; nothing it has done so far is lost."
    )


@contextmanager
def only_one(repository: Repository) -> Iterator[None]:
    """Hold this clone's lock: saves two bots double work; the forge's transactions guard truth.

    Raises:
        AlreadyRunning: another process holds it.
    """
    folder = repository.common_folder()
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)
