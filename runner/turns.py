"""Measurements on one device take turns, whoever starts them: other clones, other users.

Two at once would share the device, and under a wall-clock budget both would be worse without
anybody seeing why. A turn is a lock (flock) on a file in /tmp, which, unlike the folder for
temporary files, is one place for all users of a machine. The file is only ever opened for
reading and nothing is read from it, so that whoever made it gains nothing by it but the right
that every user has: to hold the lock. It ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.errors import RunnerError

SHARE_VARIABLE = "MERGELAB_SHARE_MACHINE"
_PLACE = Path("/tmp")  # noqa: S108
_held: set[str] = set()  # by this process, for which a second turn would wait for the first


@contextlib.contextmanager
def turn(device: str, on_wait: Callable[[], None], place: Path | None = None) -> Iterator[None]:
    """Hold `device`, a plain name like `cpu`, alone on this machine (the lock is in `place`).

    `on_wait` is called before waiting for another process, which Ctrl-C ends. Inside a turn of
    this process another one is free. With MERGELAB_SHARE_MACHINE=1 there are no turns.

    Raises:
        RunnerError: the lock cannot be used; the message says what to do.
    """
    if device in _held or os.environ.get(SHARE_VARIABLE, "0") not in {"", "0"}:
        yield
        return
    place = place or _PLACE
    path = place / f"mergelab-{device}.lock"
    try:
        descriptor = _locked(path, on_wait)
    except OSError as error:
        raise RunnerError(
            f"{path}, by which the measurements on a machine take turns, cannot be used "
            f"({error.strerror or error}). Remove it or make {place} writable; or set "
            f"{SHARE_VARIABLE}=1, if nothing else measures here."
        ) from None
    _held.add(device)
    try:
        yield
    finally:
        _held.discard(device)
        os.close(descriptor)


def _locked(path: Path, on_wait: Callable[[], None]) -> int:
    """A descriptor of the file at `path` that holds its lock. Raises OSError."""
    told = False
    while True:
        descriptor = _open(path)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    on_wait()
                told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed while it was waited for; another one may be there


def _open(path: Path) -> int:
    """The regular file at `path`, for reading, made if it is missing; no link is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, flags)
            break
        # Exclusively: the kernel may forbid to open another user's file with O_CREAT here.
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444)
            os.fchmod(descriptor, 0o444)  # whatever the umask: others must be able to open it
            break
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
