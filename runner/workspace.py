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

PREFIX = "mergelab-measure-"
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
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    janitor = subprocess.Popen(
        ["/bin/sh", "-c", _JANITOR, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    try:
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield _inner(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        janitor.communicate()


def remove_abandoned() -> None:
    """Remove workspaces of processes that are no more. Those in use are locked."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            facts = folder.lstat()
            if facts.st_uid == os.getuid() and _abandoned(folder, facts.st_mtime):
                shutil.rmtree(folder, ignore_errors=True)


def _abandoned(folder: Path, changed_at: float) -> bool:
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - changed_at > _UNLOCKED_FOR_S  # it may be just being made
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
