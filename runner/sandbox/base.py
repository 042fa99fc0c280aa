"""What every sandbox backend offers: run one job, enforce its limits, hand back its output.

The caller is `runner.measure` (and the self-check and red team). A backend never decides
what a result means; it only reports how the job ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Ended(StrEnum):
    """How a job came to its end, as seen from outside the sandbox."""

    EXITED = "exited"  # by itself: see exit_code, or signal
    TIMED_OUT = "timed-out"  # killed at the deadline
    OUT_OF_MEMORY = "out-of-memory"  # killed at the memory limit
    OUTPUT_LIMIT = "output-limit"  # left more, or other things, than it may leave behind


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host that the job may read. Never writable.

    `source` None hides what an earlier mount shows at `target` behind an empty folder.
    When the runner is root the job runs as another user, so that sources must be readable
    for everybody (`chmod -R o+rX`). `runtime` marks what the interpreter needs and nothing
    else: a backend whose image brings the interpreter leaves it out.
    """

    source: Path | None
    target: str
    runtime: bool = False


@dataclass(frozen=True)
class Limits:
    """Bounds that are enforced from outside the job."""

    wall_s: float
    memory_bytes: int = 8 << 30
    processes: int = 256  # processes and threads together
    output_bytes: int = 512 << 20  # size of the writable output folder
    output_files: int = 1_000
    scratch_bytes: int = 512 << 20  # size of /tmp
    shared_memory_bytes: int = 256 << 20  # size of /dev/shm
    log_bytes: int = 256 << 10  # how much of the end of the output is kept


@dataclass(frozen=True)
class Job:
    """One process tree to run to its end.

    `environment` is complete: nothing of the caller's environment is added except what
    a backend must set itself (PATH, HOME=/tmp, LANG, PWD, and CUDA_VISIBLE_DEVICES with a
    gpu). `gpu` is a device index or uuid. `argv[0]` is an absolute path inside the sandbox;
    what a Python interpreter needs comes from `runner.sandbox.runtime.runtime_mounts`.

    `network` shares this machine's network, local services included. Never set for a
    candidate: it is for a coding agent whose recipe a person granted it.
    """

    argv: tuple[str, ...]
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/candidate"
    output_directory: str = "/out"
    gpu: str | None = None
    network: bool = False


@dataclass(frozen=True)
class Outcome:
    """How the job went. `log_tail` is the merged standard output and error, bytes as written.

    `wall_s` is the time between letting the job go and its last process being dead. A job
    that ended by signal N and one that exited with 128 + N cannot be told apart; both are
    reported as `signal` N. `peak_memory_bytes` includes temporary files and, under a control
    group, cached pages of files that were read.
    """

    ended: Ended
    wall_s: float
    log_tail: bytes
    log_bytes_total: int
    exit_code: int | None = None
    signal: int | None = None
    peak_memory_bytes: int | None = None
    note: str = ""  # for example which file broke the output rules


@dataclass(frozen=True)
class Guarantee:
    """One promise of a backend, as it stands on this machine."""

    name: str  # "memory", "processes", "network", ...
    held: bool
    how: str  # "control group v2", "watcher every 50 ms", ...


class Sandbox(Protocol):
    """A backend. Instances hold no state of a run; several runs may go on at once."""

    name: str

    def identity(self) -> str:
        """Name and version of what confines the job, for the runner class."""
        ...

    def guarantees(self) -> tuple[Guarantee, ...]:
        """What holds on this machine and what does not, for `runner doctor`."""
        ...

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        """Run `job` to its end and copy what it left in its output folder to `collect_to`.

        `collect_to` is made if it is missing, and must be empty. Only the output of a job
        that ended by itself is copied: regular files with one link, without following
        links, within the limits of count and size; anything else there makes the outcome
        OUTPUT_LIMIT and nothing is copied. When `run` returns, or raises (KeyboardInterrupt
        included), no process of the job is alive.

        `on_output` is called in the calling thread with chunks of output, as they come.
        Whatever it raises ends the job and is raised again.

        Raises:
            SandboxUnavailable: the sandbox could not be started; the message says what to do.
            ValueError: the job contradicts itself (a relative path, a mount over /proc ...).
        """
        ...
