"""Reading back what a job left behind: the one place where its files meet the host.

The job's processes are dead by now, so that nothing changes while it is read; still every
step is taken by directory descriptor, without following links, without blocking, and with
counts that do not trust what the file system claims.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.sandbox.base import Limits

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@ -]{0,127}")
DEEPEST = 8
_CHUNK = 1 << 20


class OutputRefused(Exception):
    """The job left something that it may not leave; the message says what."""


@dataclass
class Budget:
    """What may still be read."""

    files: int
    size: int
    limits: Limits

    def take_file(self) -> None:
        """Count a file or folder; raises OutputRefused when it is one too many."""
        self.files -= 1
        if self.files < 0:
            raise OutputRefused(f"more than {self.limits.output_files} files and folders")

    def take_bytes(self, count: int) -> None:
        """Count bytes of files; raises OutputRefused when they are too many."""
        self.size -= count
        if self.size < 0:
            raise OutputRefused(f"more than {self.limits.output_bytes} bytes of files")


def collect(folder: int, collect_to: Path, limits: Limits) -> None:
    """Copy the tree at the descriptor `folder` into the empty folder `collect_to`.

    Files get mode 0644 and folders 0755, whatever they had. All or nothing: when something
    is refused, `collect_to` is left empty.

    Raises:
        OutputRefused: there is something that is not a plain file or folder with a plain
            name, or too much of it.
        RunnerError: `collect_to` cannot be written (a full disk).
    """
    try:
        # First a look, which costs little and finds nearly everything, then the copy.
        _walk(folder, None, Budget(limits.output_files, limits.output_bytes, limits), "")
        with _open_folder(collect_to) as target:
            budget = Budget(limits.output_files, limits.output_bytes, limits)
            _walk(folder, target.descriptor, budget, "")
    except BaseException:
        empty(collect_to)
        raise


def prepare(collect_to: Path) -> None:
    """Make sure that `collect_to` is an empty folder.

    Raises:
        ValueError: it is something else, or not empty.
    """
    collect_to.mkdir(exist_ok=True)
    if any(collect_to.iterdir()):
        raise ValueError(f"the folder for the output, {collect_to}, is not empty")


def _walk(source: int, target: int | None, budget: Budget, where: str) -> None:
    """Check one folder, and copy it when there is a `target`."""
    if where.count("/") >= DEEPEST:
        raise OutputRefused(f"folders more than {DEEPEST} deep")
    with _reading(where or "the output folder"):
        folder = _open_folder(source)
    with folder, os.scandir(folder.descriptor) as entries:
        # Entry by entry: a listing of millions of names must not be held in memory.
        for entry in entries:
            budget.take_file()
            name = entry.name
            check_name(name, where)
            _take(folder.descriptor, name, target, budget, where)


def _take(source: int, name: str, target: int | None, budget: Budget, where: str) -> None:
    path = where + name
    with _reading(path):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with _reading(path):
            inner = os.open(name, flags, dir_fd=source)
        try:
            if target is None:
                _walk(inner, None, budget, path + "/")
            else:
                with writing():
                    os.mkdir(name, 0o755, dir_fd=target)
                    copy = os.open(name, flags, dir_fd=target)
                    os.fchmod(copy, 0o755)
                try:
                    _walk(inner, copy, budget, path + "/")
                finally:
                    os.close(copy)
        finally:
            os.close(inner)
        return
    _check_file(found, path)
    if target is None:
        budget.take_bytes(found.st_size)
    else:
        _copy(source, name, target, budget, path)


def check_name(name: str, where: str) -> None:
    """Refuse a name that a person or a program could take for something else."""
    if not _PLAIN_NAME.fullmatch(name) or name != name.strip():
        raise OutputRefused(f"a name that is not plain: {where}{_shown(name)}")


def _check_file(found: os.stat_result, path: str) -> None:
    kinds = {
        stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device", stat.S_IFCHR: "a device",
    }  # fmt: skip
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise OutputRefused(f"{kinds.get(kind, 'not a file')}: {path}")
    if found.st_nlink != 1:
        raise OutputRefused(f"a file with {found.st_nlink} links: {path}")


def _copy(source: int, name: str, target: int, budget: Budget, path: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with _reading(path):
        reader = os.open(name, flags, dir_fd=source)
    try:
        _check_file(os.fstat(reader), path)
        with writing():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            writer = os.open(name, flags, 0o644, dir_fd=target)
        try:
            os.fchmod(writer, 0o644)
            while True:
                with _reading(path):
                    chunk = os.read(reader, _CHUNK)
                if not chunk:
                    break
                budget.take_bytes(len(chunk))
                with writing():
                    write_all(writer, chunk)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class _Folder:
    """An open folder, closed at the end of a `with`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _open_folder(folder: int | Path) -> _Folder:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if isinstance(folder, int):
        # A new description: the given one may be a mere place (O_PATH), or half read.
        return _Folder(os.open(".", flags, dir_fd=folder))
    return _Folder(os.open(folder, flags | os.O_NOFOLLOW))


class _reading:  # noqa: N801 - reads as a statement
    """Errors while reading are the job's doing (mode 000 on a file of its own)."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            what = errno.errorcode.get(error.errno or 0, "error")
            raise OutputRefused(f"cannot be read ({what}): {self.path}") from error


class writing:  # noqa: N801 - reads as a statement
    """Errors while writing are the host's."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise RunnerError(
                f"The output of the job cannot be kept: {error.strerror}. "
                "Make room on the disk and run it again."
            ) from error


def _shown(name: str) -> str:
    return ascii(name)[:100]


def empty(folder: Path) -> None:
    """Remove everything in `folder`."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
