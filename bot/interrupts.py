"""Ctrl-C and its relatives: one exception, whatever code they happen to arrive in.

Python raises KeyboardInterrupt wherever it is at that moment. Two places lose it: extension
modules that are just being imported turn it into an error of their own, and clean-up code that
Python calls by itself (`__del__`, weak references) prints and forgets it. So it is remembered,
and delivered again where it was lost. Imports nothing heavy: it comes before everything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from runner.interrupts import NUMBERS, held, send_again

__all__ = [
    "EXIT_CODE", "STOPPED", "first_is_gentle", "held", "leave", "seen", "watch",
]  # fmt: skip

EXIT_CODE = 130
STOPPED = "Stopped. Nothing is lost: the next `python -m bot step` goes on."

_seen: list[int] = []


def watch() -> None:
    """Turn interrupts into KeyboardInterrupt from now on. Those that are ignored stay ignored."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a shell's & want it
            signal.signal(number, _raise)
    sys.unraisablehook = _lost


@contextlib.contextmanager
def first_is_gentle(ask: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `ask`, from within a signal's handler; the next one interrupts."""

    def gently(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, before)
        ask()

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, gently)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, and hear no more interrupts while it ends.

    After one, everything is tidied up by the time that it has come here, and Python's own end
    is passed by: it would end itself by SIGINT, instead of with an exit code, when an interrupt
    had come while it carried out a text (`exec`, with which named tuples are made).
    """
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    if _seen:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def seen() -> bool:
    """Whether there was one, so that an error may be what an import made of it."""
    return bool(_seen)


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    _seen.append(number)
    raise KeyboardInterrupt


def _lost(unraisable: sys.UnraisableHookArgs) -> None:
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
        return
    send_again(_seen[-1])
