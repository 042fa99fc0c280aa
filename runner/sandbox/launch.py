"""Starting bubblewrap: build its command, wait until the sandbox stands, hold it there.

The sandbox is held back (`--block-fd`) after its file system is complete and its privileges
are gone, and before the job's program is started. In that moment its folders are pinned, its
limits are set, and its first process is put into a control group, all from outside.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import interrupts
from runner.errors import SandboxUnavailable
from runner.sandbox import arguments, orphans, rlimits, seccomp
from runner.sandbox.base import Job
from runner.sandbox.gpu import grant
from runner.sandbox.runtime import etc_files, system
from runner.sandbox.stage import Patience, Program, Stage
from runner.sandbox.watch import Pins

_START_PATIENCE_S = 20.0
_END_PATIENCE_S = 2.0
_POLL_S = 0.0002
_OUT_OF_MEMORY_SCORE = 500  # the host's own killer takes a job before it takes the host


@dataclass
class Started:
    """A sandbox that is held back. The stack given to `start` ends and closes it."""

    launcher: subprocess.Popen[bytes]
    launcher_handle: int  # process descriptors
    process: int
    pid: int
    log: int  # reading end of the output pipe
    gate: int  # writing end of the pipe that holds the sandbox back
    pins: Pins

    def release(self) -> None:
        """Let the job go."""
        os.write(self.gate, b"!")


def start(program: Program, job: Job, label: str, stack: contextlib.ExitStack) -> Started:
    """Start the sandbox for `job` and hold it back. `stack` ends it and closes everything.

    Raises:
        SandboxUnavailable: it does not come up; the message holds bubblewrap's own words.
    """
    try:
        # An interrupt must find everything on the stack that was started until then.
        with interrupts.held() as interrupted, _unless_it_fails(stack, label) as made:
            return _start(program, job, label, made, _patience(interrupted))
    except OSError as error:
        raise SandboxUnavailable(f"The sandbox does not start: {error}.") from error


def _patience(interrupted: Sequence[int]) -> Patience:
    """With a start: for so long, and until there is an interrupt."""
    until = time.monotonic() + _START_PATIENCE_S
    return lambda: not interrupted and time.monotonic() < until


@contextlib.contextmanager
def _unless_it_fails(stack: contextlib.ExitStack, label: str) -> Iterator[contextlib.ExitStack]:
    """A stack of what a start makes: given over to `stack` at its end, else ended at once."""
    try:
        with contextlib.ExitStack() as made:
            yield made
            stack.push(made.pop_all())
    except BaseException:
        # Its first process waits for ever for a bubblewrap that was killed early enough.
        orphans.kill(label.__eq__)
        raise


def _start(
    program: Program,
    job: Job,
    label: str,
    stack: contextlib.ExitStack,
    patience: Patience,
) -> Started:
    files = _Descriptors(stack)
    log_read, log_write = files.pipe()
    gate_read, gate_write = files.pipe()
    info_read, info_write = files.pipe()
    for descriptor in (gate_read, info_write):
        files.inherit(descriptor)
    etc = {path: files.memory(text.encode()) for path, text in etc_files(job.network).items()}
    gpu = None if job.gpu is None else grant(job.gpu)
    stage = Stage() if os.geteuid() == 0 else None
    inner = [
        *arguments.confinement(
            disable_user_namespaces=program.disable_user_namespaces, network=job.network
        ),
        *arguments.environment(job, gpu),
        *arguments.file_system(job, system(), gpu, etc, stage.place if stage else str),
        *("--info-fd", str(info_write), "--block-fd", str(gate_read)),
        *("--seccomp", str(files.memory(seccomp.program()))),
    ]
    # By descriptor, as the job can read the command line of its first process.
    encoded = files.memory(b"".join(os.fsencode(argument) + b"\0" for argument in inner))
    # The label is found on the command line of every bubblewrap process of a killed runner.
    options = [*orphans.marked(label), "--args", str(encoded), "--", *job.argv]
    limits = rlimits.process_limits(job.limits)

    # A runner that is killed before bubblewrap has asked to die with it is no danger: writing
    # to the info pipe then ends bubblewrap (SIGPIPE, restored by Popen) before it lets its
    # first process go on. At most that process stays, waiting, until `orphans.reap`.
    def popen(command: list[str], user: int | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log_write, stderr=log_write, env={},
            cwd="/", pass_fds=files.inherited, start_new_session=True, umask=0o022,
            user=user, group=user, extra_groups=None if user is None else (),
        )  # fmt: skip

    if stage is None:
        launcher = popen([str(program.path), *options])
    else:
        command = stage.command([stage.program(program), *options], limits)
        launcher = stage.start(functools.partial(popen, command, stage.user), stack, patience)
    stack.callback(_end, launcher)
    files.close_inherited(log_write)
    handle = files.own(os.pidfd_open(launcher.pid))
    pid = _first_process(info_read, log_read, launcher, patience)
    process = files.own(os.pidfd_open(pid))
    stack.callback(_end_process, process)
    _wait_until_complete(pid, log_read, launcher, patience)
    pins = _pin(pid, job, files)
    if stage is None:
        rlimits.set_from_outside(pid, limits)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OUT_OF_MEMORY_SCORE))
    return Started(launcher, handle, process, pid, log_read, gate_write, pins)


class _Descriptors:
    """Descriptors of one run: ours, and those that bubblewrap inherits."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._open: set[int] = set()
        self._inherited: list[int] = []
        stack.callback(self._close_all)

    @property
    def inherited(self) -> tuple[int, ...]:
        return tuple(self._inherited)

    def own(self, descriptor: int) -> int:
        self._open.add(descriptor)
        return descriptor

    def pipe(self) -> tuple[int, int]:
        """Both ends of a new pipe."""
        read, write = os.pipe2(os.O_CLOEXEC)
        return self.own(read), self.own(write)

    def inherit(self, descriptor: int) -> int:
        self._inherited.append(descriptor)
        return descriptor

    def memory(self, data: bytes) -> int:
        """An inherited file in memory that is to be read from its beginning."""
        descriptor = self.inherit(self.own(os.memfd_create("arguments", os.MFD_CLOEXEC)))
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)

    def close_inherited(self, *more: int) -> None:
        for descriptor in (*self._inherited, *more):
            self.close(descriptor)

    def _close_all(self) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)


def _first_process(
    info: int, log: int, launcher: subprocess.Popen[bytes], patience: Patience
) -> int:
    """The sandbox's first process, from the JSON object that may come in pieces."""
    text = b""
    while patience():
        if not _readable(info, 0.1):
            continue
        piece = os.read(info, 4096)
        text += piece
        with contextlib.suppress(ValueError):
            return int(json.loads(text)["child-pid"])
        if not piece:
            break
    raise _failed(log, launcher)


def _readable(descriptor: int, timeout_s: float) -> bool:
    # Not select(), which breaks down at descriptors above 1023.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _wait_until_complete(
    pid: int, log: int, launcher: subprocess.Popen[bytes], patience: Patience
) -> None:
    """Wait until the first process has given up all capabilities.

    bubblewrap does so after its last mount, so that from then on the file system is what it
    will be, and it is the job's own root that `/proc/<pid>/root` leads to.
    """
    while patience() and launcher.poll() is None:
        status = _read_status(pid)
        sets = re.findall(r"^Cap(?:Prm|Eff):\s*([0-9a-f]+)$", status, re.M)
        if len(sets) == 2 and not any(int(one, 16) for one in sets):
            return
        time.sleep(_POLL_S)
    raise _failed(log, launcher)


def _read_status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return ""


def _failed(log: int, launcher: subprocess.Popen[bytes]) -> SandboxUnavailable:
    """What bubblewrap said. Nothing of the job has run yet, so that the words are its own."""
    launcher.kill()
    launcher.wait()
    os.set_blocking(log, False)
    try:
        words = os.read(log, 4096).decode(errors="replace").strip()
    except BlockingIOError:
        words = ""
    return SandboxUnavailable(f"The sandbox does not start: {words or 'no reason given'}.")


def _pin(pid: int, job: Job, files: _Descriptors) -> Pins:
    """Hold on to the sandbox's folders: they live as long as the descriptors do."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    root = files.own(os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    pinned = {
        path: files.own(os.open(path.lstrip("/"), flags, dir_fd=root))
        for path in ("/proc", *arguments.writable_folders(job))
    }
    host = Path("/").stat()
    if (os.fstat(root).st_dev, os.fstat(root).st_ino) == (host.st_dev, host.st_ino):
        raise SandboxUnavailable("The sandbox did not leave the host's file system. Report this.")
    proc = pinned.pop("/proc")
    return Pins(proc, pinned, pinned[job.output_directory])


def _end_process(process: int) -> None:
    """Kill the sandbox and wait until all of it is dead."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    _readable(process, _START_PATIENCE_S)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """Wait until bubblewrap is gone, which it is soon after its sandbox; else kill it."""
    if launcher.poll() is None:
        handle = os.pidfd_open(launcher.pid)
        try:
            if not _readable(handle, _END_PATIENCE_S):
                launcher.kill()
        finally:
            os.close(handle)
    launcher.wait()
