"""The backend `none`: a plain process group with a deadline. It confines nothing.

For machines where no sandbox can be had and the candidate is trusted. Paths of the sandbox
(`/data`, `/out` ...) in arguments and environment are replaced by the host's, nothing is
hidden, and a process that leaves its process group outlives its run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from runner import interrupts
from runner.errors import SandboxUnavailable
from runner.sandbox import arguments, collect
from runner.sandbox.base import Ended, Guarantee, Job, Outcome
from runner.sandbox.label import PREFIX, is_orphan, new_label
from runner.sandbox.output import Tail
from runner.sandbox.supervise import Guard, follow
from runner.sandbox.watch import Excess

WARNING = (
    "WARNING: no sandbox. The candidate runs with all your rights: it can read, change and "
    "send away everything that you can."
)


class Unconfined:
    """Runs jobs as ordinary processes. Make it with `runner.sandbox.choose`, which warns of it."""

    name = "none"

    def identity(self) -> str:
        """Says what it is."""
        return "none (no sandbox)"

    def guarantees(self) -> tuple[Guarantee, ...]:
        """Only the bounds that need no confinement hold."""
        from runner.sandbox.guarantees import unconfined_guarantees

        return unconfined_guarantees()

    def run(
        self, job: Job, collect_to: Path, on_output: Callable[[bytes], None] | None = None
    ) -> Outcome:
        """See `runner.sandbox.base.Sandbox.run`; only deadline and output are enforced."""
        arguments.check(job)
        collect.prepare(collect_to)
        tail = Tail(job.limits.log_bytes)
        with contextlib.ExitStack() as stack:
            with interrupts.held():
                folder = Path(tempfile.gettempdir(), new_label())
                folder.mkdir(mode=0o700)
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                output = folder / "out"
                scratch = folder / "tmp"
                output.mkdir()
                scratch.mkdir()
                log_read, log_write = os.pipe2(os.O_CLOEXEC)
                stack.callback(os.close, log_read)
                try:
                    process = _start(job, output, scratch, log_write)
                finally:
                    os.close(log_write)
                stack.callback(_end, process)
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
            guard = Guard(handle, job.limits, lambda: None, job.limits.wall_s)
            guard.start()
            try:
                follow(
                    guard,
                    process=handle,
                    launcher=handle,
                    log=log_read,
                    tail=tail,
                    on_output=on_output,
                )
            finally:
                guard.finish()
                _kill_group(process.pid)
            if guard.error is not None:
                raise guard.error
            status = process.wait()
            excess = guard.excess
            if excess is None:
                pinned = os.open(output, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, pinned)
                try:
                    collect.collect(pinned, collect_to, job.limits)
                except collect.OutputRefused as refused:
                    excess = Excess(Ended.OUTPUT_LIMIT, f"left in the output folder: {refused}")
            return Outcome(
                ended=Ended.EXITED if excess is None else excess.ended,
                wall_s=guard.wall_s,
                log_tail=tail.tail(),
                log_bytes_total=tail.total,
                exit_code=status if status >= 0 else None,
                signal=-status if status < 0 else None,
                note="" if excess is None else excess.note,
            )


def reap_folders() -> int:
    """Remove folders of runners that are gone; how many there were."""
    found = Path(tempfile.gettempdir()).glob(f"{PREFIX}-*")
    orphans = [path for path in found if is_orphan(path.name) and not path.is_symlink()]
    for path in orphans:
        shutil.rmtree(path, ignore_errors=True)
    return len(orphans)


def _start(job: Job, output: Path, scratch: Path, log: int) -> subprocess.Popen[bytes]:
    places = {mount.target: mount.source for mount in job.mounts if mount.source is not None}
    places[job.output_directory] = output
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "LANG": "C.UTF-8"}
    environment["TMPDIR"] = str(scratch)
    if job.gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = job.gpu
    environment |= {name: _outside(value, places) for name, value in job.environment.items()}
    folder = Path(_outside(job.working_directory, places))
    try:
        return subprocess.Popen(
            [_outside(argument, places) for argument in job.argv],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            cwd=folder if folder.is_dir() else scratch, start_new_session=True, umask=0o022,
        )  # fmt: skip
    except OSError as error:
        raise SandboxUnavailable(f"{job.argv[0]} cannot be started: {error}.") from error


def _outside(text: str, places: dict[str, Path]) -> str:
    """The host's path for a path of the sandbox; any other text as it is."""
    if not text.startswith("/"):
        return text
    path = PurePosixPath(text)
    # The longest target wins, as the later of two nested mounts would.
    for target in sorted(places, key=len, reverse=True):
        if path.is_relative_to(target):
            return str(places[target] / path.relative_to(target))
    return text


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _kill_group(process.pid)
    process.wait()
