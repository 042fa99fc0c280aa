"""Reads a candidate's allowed files, from a git tree or a folder, and lays them out to be run.

Whatever else is in the tree or folder is not looked at. Only regular files within the size
limit count: links, submodules and devices are refused before a byte is read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from runner.errors import RequestError
from runner.settings import CandidateTable

_REGULAR = {"100644", "100755"}
_GIT_TIMEOUT_S = 60


def read_tree(repository: Path, tree: str, table: CandidateTable) -> dict[str, bytes]:
    """The allowed files in the git tree (or commit) `tree`, by path.

    Raises:
        RequestError: there is no such tree, the entry is missing, or a file is not allowed.
    """
    listing = run_git(repository, "ls-tree", "-z", "-l", "--full-tree", tree, "--", *table.paths)
    files = {}
    for entry in listing.decode("utf-8", errors="replace").split("\0"):
        if not entry:
            continue
        facts, path = entry.split("\t", 1)
        mode, _kind, blob, size = facts.split()
        if mode not in _REGULAR:
            raise RequestError(f"{path} in {tree[:12]} is not a regular file (mode {mode}).")
        _check_size(path, int(size), table)
        files[path] = run_git(repository, "cat-file", "blob", blob)
    return _complete(files, f"tree {tree[:12]}", table)


def read_folder(place: Path, table: CandidateTable) -> dict[str, bytes]:
    """The allowed files in the folder `place`; or `place` itself, a file, as the entry.

    Raises:
        RequestError: the entry is missing, or a file is not allowed or cannot be read.
    """
    if not place.is_dir():
        content = _read(place.parent, place.name, str(place), table)
        return _complete({table.entry: content}, str(place), table)
    files = {}
    for path in table.paths:
        with contextlib.suppress(_NoSuchFile):
            files[path] = _read(place, path, path, table)
    return _complete(files, str(place), table)


def lay_out(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write `files` below the new folder `folder`, readable for everybody; returns `folder`."""
    folder.mkdir()
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


class _NoSuchFile(RequestError):
    pass


def _read(folder: Path, path: str, name: str, table: CandidateTable) -> bytes:
    try:
        descriptor = _open(folder, PurePosixPath(path))
    except FileNotFoundError as error:
        raise _NoSuchFile(f"{name} cannot be read: {error.strerror}.") from None
    except OSError as error:
        reason = f"{error.strerror} (links are not followed)"
        raise RequestError(f"{name} cannot be read: {reason}.") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise RequestError(f"{name} is not a regular file.")
    with os.fdopen(descriptor, "rb") as file:
        _check_size(name, facts.st_size, table)
        return file.read(table.max_bytes)


def _open(folder: Path, path: PurePosixPath) -> int:
    """A descriptor of the file `path` below `folder`, on the way to which no link is followed."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts[:-1]:
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | flags, dir_fd=parent)
            os.close(parent)
            parent = inner
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        return os.open(path.name, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=parent)
    finally:
        os.close(parent)


def _check_size(name: str, size: int, table: CandidateTable) -> None:
    if size > table.max_bytes:
        raise RequestError(
            f"{name} has {size:,} bytes; "
            f"candidate.max_bytes in bot.toml allows {table.max_bytes:,}."
        )


def _complete(files: dict[str, bytes], where: str, table: CandidateTable) -> dict[str, bytes]:
    if table.entry not in files:
        raise RequestError(
            f"{where} has no {table.entry}, which candidate.entry in bot.toml names."
        )
    return files


def run_git(repository: Path, *arguments: str) -> bytes:
    """What git prints. Raises RequestError when it fails or takes too long.

    Object names must be checked before, and paths follow `--`.
    """
    try:
        done = subprocess.run(
            [
                "git",
                "--literal-pathspecs",
                "--no-replace-objects",
                "-C",
                str(repository),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RequestError(f"git could not be run in {repository}: {error}") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[:300]
        raise RequestError(f"git {arguments[0]} failed in {repository}: {reason}")
    return done.stdout
