"""A temporary folder that is gone afterwards, however the process ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from runner import interrupts
from runner.sandbox.label import is_orphan, new_label

PREFIX = "mergelab-measure-"
_UNFINISHED = "mergelab-new-"  # until it is locked
_LOCK = "lock"
_UNLOCKED_FOR_S = 3600
# Waits until the runner closes its end of the pipe, by dying if need be, and then removes the
# folder; again for some seconds, because a sandbox that is just being killed may still write.
_JANITOR = (
    'cat >/dev/null; n=0; while [ -e "$1" ] && [ "$n" -lt 50 ]; do '
    'rm -rf -- "$1"; n=$((n+1)); [ -e "$1" ] && sleep 0.1; done'
)


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A new folder below the system's temporary folder, removed on exit.

    A small shell process in a session of its own removes it even when this process is killed;
    should that be killed too, the next `workspace` finds the folder unlocked and removes it.
    """
    remove_abandoned()
    with contextlib.ExitStack() as stack:
        with interrupts.held():
            folder = stack.enter_context(_locked_folder())
            stack.enter_context(_janitor(folder))
        yield _inner(folder)


@contextlib.contextmanager
def _locked_folder() -> Iterator[Path]:
    """A new folder that is locked by the time it has the name of a workspace."""
    unfinished = Path(tempfile.gettempdir(), _UNFINISHED + new_label())
    unfinished.mkdir(mode=0o700)
    name = PREFIX + secrets.token_hex(8)
    with (unfinished / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield unfinished.rename(unfinished.with_name(name))


@contextlib.contextmanager
def _janitor(folder: Path) -> Iterator[None]:
    janitor = subprocess.Popen(
        ["/bin/sh", "-c", _JANITOR, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        janitor.communicate()


def remove_abandoned() -> None:
    """Remove workspaces of processes that are no more. Those in use are locked."""
    place = Path(tempfile.gettempdir())
    for folder in (*place.glob(PREFIX + "*"), *place.glob(_UNFINISHED + "*")):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and _abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    old = time.time() - folder.lstat().st_mtime > _UNLOCKED_FOR_S
    if folder.name.startswith(_UNFINISHED):
        return old or is_orphan(folder.name.removeprefix(_UNFINISHED))
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return old  # it may be just being removed
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _inner(folder: Path) -> Path:
    """The folder to work in. A sandbox started by root runs as another user and must get in.

    Others can pass but not list, and cannot guess the name.
    """
    inner = folder / secrets.token_hex(16)
    inner.mkdir()
    if os.getuid() == 0:
        folder.chmod(0o711)
        inner.chmod(0o711)
    return inner
