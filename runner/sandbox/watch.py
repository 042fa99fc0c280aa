"""Looking at a running sandbox from outside: memory, tasks and files in its folders.

The files of a sandbox are seen through descriptors that were pinned before the job began:
its own /proc lists its processes and no others, whatever they do to hide, and its temporary
file systems tell how full they are. Where no control group can be had this is what enforces
memory; everywhere it bounds the number of files, which bubblewrap cannot.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.sandbox.base import Ended, Limits

MOST_SCRATCH_FILES = 100_000  # in /tmp and in /dev/shm, each
MOST_SOCKETS = 1_000  # each can hold some hundred kilobytes that belong to no process
_HOST_RESERVE_BYTES = 192 << 20

_FIELDS = re.compile(rb"^(RssAnon|RssShmem|VmPTE|VmSwap|Threads):\s+(\d+)", re.M)
_SHARES = re.compile(rb"^(Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+)", re.M)
_SOCKETS = re.compile(rb"^(sockets): used (\d+)", re.M)
_AVAILABLE = re.compile(rb"^(MemAvailable):\s+(\d+)", re.M)
_STATUS_LIMIT = 1 << 14


@dataclass(frozen=True)
class Pins:
    """Descriptors (O_PATH) into a sandbox: its /proc, and its writable folders by path."""

    proc: int
    folders: Mapping[str, int]
    output: int


@dataclass(frozen=True)
class Usage:
    """What a sandbox holds at one moment."""

    memory_bytes: int
    tasks: int


@dataclass(frozen=True)
class Excess:
    """A limit that was passed."""

    ended: Ended
    note: str


def usage(pins: Pins, exact_above: int | None = None) -> Usage:
    """Memory and tasks of all processes, temporary files and page tables included.

    Resident pages that processes share are counted in each, which is quick and too much.
    When the sum is above `exact_above` they are counted by shares instead.
    """
    processes = list(_processes(pins.proc))
    temporary = sum(_bytes_held(folder) for folder in pins.folders.values())
    memory, tasks = temporary, 0
    for name in processes:
        fields = _fields(pins.proc, f"{name}/status", _FIELDS)
        tasks += fields.pop(b"Threads", 0)
        memory += 1024 * sum(fields.values())
    if exact_above is not None and memory > exact_above:
        memory = temporary
        for name in processes:
            status = _fields(pins.proc, f"{name}/status", _FIELDS)
            shares = _fields(pins.proc, f"{name}/smaps_rollup", _SHARES)
            if not shares:
                # Old kernels, or a process that just ended: count it in full.
                shares = {key: status.get(key, 0) for key in (b"RssAnon", b"RssShmem", b"VmSwap")}
            memory += 1024 * (sum(shares.values()) + status.get(b"VmPTE", 0))
    return Usage(memory, tasks)


def too_many_files(pins: Pins, limits: Limits) -> Excess | None:
    """Whether one of the writable folders holds more files than it may while the job runs.

    Files of a few bytes cost the kernel more memory than their size says.
    """
    for path, folder in pins.folders.items():
        # Twice the limit, as a file may be written beside the one that it replaces.
        most = 2 * limits.output_files if folder == pins.output else MOST_SCRATCH_FILES
        state = os.statvfs(folder)
        if state.f_files - state.f_ffree > most + 1:
            return Excess(Ended.OUTPUT_LIMIT, f"more than {most} files in {path}")
    return None


def too_many_sockets(pins: Pins) -> Excess | None:
    """Whether the job holds more sockets than any honest one needs."""
    for name in _processes(pins.proc):
        # All are in one network namespace; the first one is hidden, others come and go.
        state = _fields(pins.proc, f"{name}/net/sockstat", _SOCKETS)
        if state.get(b"sockets", 0) > MOST_SOCKETS:
            return Excess(Ended.OUT_OF_MEMORY, f"opened more than {MOST_SOCKETS} sockets")
        if state:
            return None
    return None


def host_is_short(pins: Pins) -> Excess | None:
    """Whether the machine itself is about to run out of memory, whoever took it.

    The kernel would kill the job next (its score says so), or something else. It also
    catches memory of the kernel's own that no other look sees.
    """
    available = _fields(pins.proc, "meminfo", _AVAILABLE).get(b"MemAvailable")
    if available is not None and available * 1024 < _HOST_RESERVE_BYTES:
        return Excess(Ended.OUT_OF_MEMORY, "the whole machine was running out of memory")
    return None


def _processes(proc: int) -> Iterator[str]:
    """The sandbox's process ids, as it sees them itself."""
    with contextlib.suppress(OSError):
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
        try:
            yield from filter(str.isdecimal, os.listdir(folder))  # noqa: PTH208
        finally:
            os.close(folder)


def _fields(proc: int, path: str, pattern: re.Pattern[bytes]) -> dict[bytes, int]:
    """Numbers from a file of a process; nothing if the process is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError:
        return {}
    try:
        text = os.read(descriptor, _STATUS_LIMIT)
    except OSError:
        return {}
    finally:
        os.close(descriptor)
    return {key: int(value) for key, value in pattern.findall(text)}


def _bytes_held(folder: int) -> int:
    state = os.statvfs(folder)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
