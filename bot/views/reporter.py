"""Live progress for people: what is happening, elapsed and remaining time, the last line.

On a terminal one line is kept up to date; elsewhere (a pipe, a log) plain lines are printed
when something changes. Everything goes to standard error.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from bot.text.plain import for_terminal, one_line

_TICK_S = 0.5


@dataclass(frozen=True)
class Stage:
    """Something with an expected length: one phase of one run, or the preparation of data."""

    title: str
    limit_s: float | None = None


class Reporter:
    """Tells a person what a step is doing. Use as a context manager."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._live = self._stream.isatty()
        self._stage: Stage | None = None
        self._started = 0.0
        self._last_line = ""
        self._width = 0
        self._lock = threading.RLock()
        self._ended = threading.Event()

    @property
    def live(self) -> bool:
        """Whether it writes to a terminal."""
        return self._live

    def __enter__(self) -> Reporter:
        if self._live:
            threading.Thread(target=self._keep_ticking, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        with self._lock:
            self._stage = None
            self._erase()

    def say(self, text: str) -> None:
        """A finished fact that stays on the screen; it ends the current stage."""
        with self._lock:
            self._stage = None
            self._erase()
            self._write(text + "\n")

    def stage(self, title: str, limit_s: float | None = None, *, lasting: bool = True) -> None:
        """Something begins; it is the current stage until the next one.

        Where there is no terminal, only a `lasting` one is worth a line.
        """
        self._stage = Stage(title, limit_s)
        self._started = self._clock()
        self._last_line = ""
        if self._live:
            self.tick()
        elif lasting:
            limit = "" if limit_s is None else f" (up to {limit_s:.0f} s)"
            self._write(f"  {title}{limit}\n")

    def output(self, line: str) -> None:
        """The last line that the candidate printed: data, already stripped by the runner."""
        self._last_line = one_line(line, 120)
        self.tick()

    def progress(self, title: str, fraction: float, detail: str = "") -> None:
        """A share of something long is done, between 0 and 1."""
        if self._stage is None or self._stage.title != title:
            self.stage(title)
        bar = "#" * round(20 * min(1.0, max(0.0, fraction)))
        self._last_line = f"[{bar:<20}] {fraction:.0%} {one_line(detail, 60)}"
        self.tick()

    def tick(self) -> None:
        """Redraw the line; a no-op where there is no terminal."""
        with self._lock:
            if self._live and self._stage is not None:
                self._draw(self._stage)

    def _draw(self, stage: Stage) -> None:
        elapsed = self._clock() - self._started
        text = f"  {stage.title}  {elapsed:.0f} s"
        if stage.limit_s:
            text += f", {max(0.0, stage.limit_s - elapsed):.0f} s left"
        if self._last_line:
            text += f"  | {self._last_line}"
        columns = _columns()
        self._erase()
        shown = for_terminal(text).replace("\n", " ")[: columns - 1]
        self._stream.write(shown)
        self._stream.flush()
        self._width = len(shown)

    def _write(self, text: str) -> None:
        self._stream.write(for_terminal(text))
        self._stream.flush()

    def _keep_ticking(self) -> None:
        # Nothing may be printed for a while; the clock goes on all the same.
        while not self._ended.wait(_TICK_S):
            self.tick()

    def _erase(self) -> None:
        if self._live and self._width:
            self._stream.write("\r\x1b[2K")
            self._width = 0


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
