"""How much of a GPU's memory a job holds, seen from outside through the driver's library (NVML).

The library (libnvidia-ml.so.1) comes with the driver. Where it is missing, nothing is known.
Functions and structures: NVIDIA's `nvml.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_EVERY_S = 0.2

Reading = Callable[[], int | None]


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


@dataclass
class Peak:
    """The most memory that the card held above what it held at first; None if not known."""

    bytes: int | None = None


@contextlib.contextmanager
def watched(gpu: str | None, library: Any = None, every_s: float = _EVERY_S) -> Iterator[Peak]:
    """Watch the card with this index (in the order of the bus) or uuid; final after the block.

    All processes on the card count together: a run has its card to itself. A peak between two
    looks can be missed. `library` stands in for the driver's.
    """
    peak = Peak()
    with contextlib.ExitStack() as stack:
        used = None if gpu is None else _used(gpu, library, stack)
        before = used() if used else None
        if used is None or before is None:
            yield peak
            return
        peak.bytes = 0
        ended = threading.Event()

        def look() -> None:
            now = used()
            if now is not None:
                peak.bytes = max(peak.bytes or 0, now - before)

        def watch() -> None:
            while not ended.wait(every_s):
                look()

        watcher = threading.Thread(target=watch, name="gpu-memory", daemon=True)
        watcher.start()
        try:
            yield peak
        finally:
            ended.set()
            watcher.join()


def _used(gpu: str, library: Any, stack: contextlib.ExitStack) -> Reading | None:
    """What tells the bytes that are in use, or None where that cannot be known."""
    try:
        nvml = library or ctypes.CDLL(_LIBRARY)
        if nvml.nvmlInit_v2() != 0:
            return None
        stack.callback(nvml.nvmlShutdown)
        card = ctypes.c_void_p()
        if gpu.isdecimal():
            code = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(gpu)), ctypes.byref(card))
        else:
            code = nvml.nvmlDeviceGetHandleByUUID(gpu.encode(), ctypes.byref(card))
        get_memory = nvml.nvmlDeviceGetMemoryInfo
    except (OSError, AttributeError):
        return None  # no library, or one that lacks a function

    def read() -> int | None:
        memory = _Memory()
        return memory.used if get_memory(card, ctypes.byref(memory)) == 0 else None

    return read if code == 0 else None
