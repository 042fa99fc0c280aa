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

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.05


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Put interrupts off, of an impatient keyboard too, until what must be finished is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in NUMBERS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:  # to whoever hears them, who may want the first one gently; lost by no error
            signal.raise_signal(came[0])


def send_again(number: int) -> None:
    """Send this process the signal in a moment, when whatever lost it has come to its end."""
    again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
