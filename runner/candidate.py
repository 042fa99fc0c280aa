"""Reads a candidate's files, from a git tree or a folder, and lays them out to be run.

They are those that an experiment may change and, beside them, what `candidate.needs` names.
Whatever else is in the tree or folder is not looked at. Only regular files within the size
limit count: links, submodules and devices are refused before a byte is read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from runner.errors import RequestError
from runner.settings import CandidateTable

_REGULAR = {"100644", "100755"}
_GIT_TIMEOUT_S = 60
MOST_NEEDED_FILES = 2_000
MOST_NEEDED_BYTES = 64 << 20


def read_tree(repository: Path, tree: str, table: CandidateTable) -> dict[str, bytes]:
    """The candidate's files in the git tree (or commit) `tree`, by path.

    Raises:
        RequestError: there is no such tree, the entry is missing, or a file is not allowed.
    """
    listed = _listed(repository, tree, table.paths)
    for path, (size, _) in listed.items():
        _check_size(path, size, table)
    if table.needs:
        needed = _listed(repository, tree, table.needs, "-r")
        _check_needs({path: size for path, (size, _) in needed.items()}, table, f"tree {tree[:12]}")
        listed |= needed
    files = _blobs(repository, {path: blob for path, (_, blob) in listed.items()})
    return _complete(files, f"tree {tree[:12]}", table)


def read_folder(place: Path, table: CandidateTable, beside: Path | None = None) -> dict[str, bytes]:
    """The candidate's files in the folder `place`; or `place` itself, a file, as the entry.

    What `candidate.needs` names comes from there too, or, for a single file, together with the
    other allowed files from the folder `beside`, if there is one.

    Raises:
        RequestError: the entry is missing, or a file is not allowed or cannot be read.
    """
    single = not place.is_dir()
    folder = beside if single else place
    files = {}
    for path in table.paths if folder else ():
        with contextlib.suppress(_NoSuchFile):
            files[path] = _read(folder or place, path, path, table)
    if folder:
        files |= _read_needs(folder, table)
    if single:
        files[table.entry] = _read(place.parent, place.name, str(place), table)
    return _complete(files, str(place), table)


def _read_needs(folder: Path, table: CandidateTable) -> dict[str, bytes]:
    """What the candidate needs, as it is in the working tree: tracked or not, but no links."""
    found: dict[str, int] = {}
    for name in table.needs:
        top = folder / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = path.relative_to(folder)
            if "__pycache__" in inside.parts or path.is_dir() or not path.exists():
                continue
            found[inside.as_posix()] = path.stat().st_size
            if len(found) > MOST_NEEDED_FILES:
                break
    _check_needs(found, table, str(folder))
    whole = table.model_copy(update={"max_bytes": MOST_NEEDED_BYTES})
    return {path: _read(folder, path, path, whole) for path in found}


def _check_needs(sizes: Mapping[str, int], table: CandidateTable, where: str) -> None:
    for name in table.needs:
        if not any(path == name or path.startswith(f"{name}/") for path in sizes):
            raise RequestError(
                f"{where} has no {name}, which candidate.needs in bot.toml names. Only committed "
                "files count; for data that is not in git use [[mount]]."
            )
    total = sum(sizes.values())
    if len(sizes) > MOST_NEEDED_FILES or total > MOST_NEEDED_BYTES:
        raise RequestError(
            f"What candidate.needs in bot.toml names has {len(sizes):,} files and {total:,} bytes "
            f"in {where}; {MOST_NEEDED_FILES:,} and {MOST_NEEDED_BYTES:,} are allowed. Name less, "
            "and give data to the script by [[mount]]."
        )


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


def _listed(
    repository: Path, tree: str, paths: Sequence[str], *options: str
) -> dict[str, tuple[int, str]]:
    """Size (bytes) and blob of each file that `paths` name in a tree; all must be regular."""
    found = {}
    listing = run_git(
        repository, "ls-tree", "-z", "-l", "--full-tree", *options, tree, "--", *paths
    )
    for entry in listing.split(b"\0"):
        if not entry:
            continue
        facts, name = entry.split(b"\t", 1)
        mode, _kind, blob, size = facts.decode().split()
        path = name.decode("utf-8", errors="backslashreplace")
        if mode not in _REGULAR:
            raise RequestError(f"{path} in {tree[:12]} is not a regular file (mode {mode}).")
        # No commit of git's own has `..` in a path, but trees can be made without its checks.
        odd = path.encode() != name or not path.isprintable() or ".." in path.split("/")
        if odd:
            raise RequestError(f"{path!a} in {tree[:12]} has an odd name. Rename it.")
        found[path] = (int(size), blob)
    return found


def _blobs(repository: Path, blobs: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of files of a tree, read by one process."""
    if not blobs:
        return {}
    names = "".join(f"{blob}\n" for blob in blobs.values()).encode()
    output = run_git(repository, "cat-file", "--batch", told=names)
    files, at = {}, 0
    for path in blobs:
        end = output.index(b"\n", at)
        size = int(output[at:end].split()[2])
        files[path] = output[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return files


def run_git(repository: Path, *arguments: str, told: bytes = b"") -> bytes:
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
            input=told,
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
