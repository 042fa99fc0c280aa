"""Seeing a running job to its end: the deadline, the limits, and its output.

Two parts, so that a slow reader of the output cannot hold up the deadline: a guard thread
that kills, and the calling thread that reads. Killing the first process of the sandbox's
process-id namespace makes the kernel kill all others, whatever they forked, ignored or
detached; its end is only seen once they are gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from runner.errors import RunnerError
from runner.sandbox.base import Ended, Limits
from runner.sandbox.output import Tail
from runner.sandbox.watch import Excess

_CHUNK = 64 << 10
_KILL_PATIENCE_S = 60.0
_FREE_FLOOD = 16 << 20  # bytes; beyond these a flood of output is read slowly
_FLOOD_PAUSE_S = 0.005
_LAST_READ = 4 << 20  # more than a pipe can hold


def kill(process: int) -> None:
    """Kill the process behind the descriptor `process`, unless it is gone."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)


class Guard(threading.Thread):
    """Kills the job at its deadline, or when `look` finds a limit passed."""

    def __init__(
        self, process: int, limits: Limits, look: Callable[[], Excess | None], every_s: float
    ) -> None:
        super().__init__(name="sandbox-guard", daemon=True)
        self._process = process
        self._look = look
        self._every_s = every_s
        self.started = time.monotonic()
        self._deadline = self.started + limits.wall_s
        self._limit_s = limits.wall_s
        self.killed_at: float | None = None
        self.excess: Excess | None = None
        self.error: BaseException | None = None
        self.wall_s = 0.0

    def run(self) -> None:
        """Until the job is dead, or does not die although it was killed."""
        try:
            self._watch()
        except BaseException as error:
            self.error = error
            self.stop()
        _wait_for_end(self._process, _KILL_PATIENCE_S)
        self.wall_s = time.monotonic() - self.started

    def stop(self) -> None:
        """Kill the job now."""
        self.killed_at = self.killed_at or time.monotonic()
        kill(self._process)

    def finish(self) -> None:
        """Kill the job if it still lives, and wait until it is dead.

        Raises:
            RunnerError: it does not die (a device driver that hangs).
        """
        self.stop()
        self.join()
        if not _wait_for_end(self._process, 0):
            raise _stuck()

    def _watch(self) -> None:
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.excess = Excess(Ended.TIMED_OUT, f"killed after {self._limit_s:g} s")
            elif _wait_for_end(self._process, min(left, self._every_s)):
                return
            else:
                self.excess = self._look()
            if self.excess is not None:
                self.stop()
                return


def follow(
    guard: Guard,
    *,
    process: int,
    launcher: int,
    log: int,
    tail: Tail,
    on_output: Callable[[bytes], None] | None,
) -> None:
    """Read the job's output until its last process is dead.

    `process` and `launcher` are process descriptors of the sandbox's first process and of
    the bubblewrap that started it; `log` is the reading end of the output pipe.

    Raises:
        RunnerError: the job was killed and does not die (a device driver that hangs).
    """
    os.set_blocking(log, False)
    poll = select.poll()
    for descriptor in (process, launcher, log):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(1000)}
        if log in ready and _read(log, tail, on_output) == 0:
            poll.unregister(log)
        if process in ready:
            break
        if launcher in ready:
            # It leaves when the job's main process has ended; what that left behind goes too.
            kill(process)
            poll.unregister(launcher)
        if guard.killed_at is not None and time.monotonic() > guard.killed_at + _KILL_PATIENCE_S:
            raise _stuck()
        if tail.total > _FREE_FLOOD and log in ready:
            time.sleep(_FLOOD_PAUSE_S)
    left = _LAST_READ
    while left > 0 and (count := _read(log, tail, on_output)):
        left -= count


def _read(log: int, tail: Tail, on_output: Callable[[bytes], None] | None) -> int:
    """Take one chunk; how many bytes it had. 0 when there is nothing (more)."""
    try:
        chunk = os.read(log, _CHUNK)
    except BlockingIOError:
        return 0
    tail.add(chunk)
    if chunk and on_output is not None:
        on_output(chunk)
    return len(chunk)


def _wait_for_end(process: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(max(1, timeout_s * 1000)))


def _stuck() -> RunnerError:
    return RunnerError(
        "A process of the job was killed but does not die: a device driver hangs. "
        "Restart the machine before the next run."
    )
