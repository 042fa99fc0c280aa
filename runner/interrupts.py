"""Ctrl-C and its relatives: put off where they must not come, sent again where they were lost.

Python raises the exception of a signal's handler wherever the main thread is at that moment.
Imports nothing heavy: the bot needs it before everything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.05


@contextlib.contextmanager
def held() -> Iterator[list[int]]:
    """Put interrupts off, of an impatient keyboard too, until what must be finished is.

    Gives the signals that have come so far: what may take long can look whether to give up.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def put_off(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in NUMBERS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, put_off)
        yield came
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is put_off:
                signal.signal(number, handler)
        for late in came:  # to whoever hears them, who may want the first one gently
            signal.raise_signal(late)  # lost by no error


def send_again(number: int) -> None:
    """Send this process the signal in a moment, when whatever lost it has come to its end."""
    again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
