"""Prepared data as a folder: complete or absent, with a manifest of what belongs in it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from runner.errors import DataError

MANIFEST = "manifest.json"
PRIVATE = "private"


class FileRecord(BaseModel):
    """One file as it was when the data was prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str
    modified_ns: int  # equal size and time: taken for unchanged, as git's index does


class Manifest(BaseModel):
    """All files of a data folder but the manifest itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    files: tuple[FileRecord, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the paths and contents of all files."""
        lines = [f"{record.sha256}  {record.path}\n" for record in self.files]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def write_manifest(folder: Path, version: str) -> Manifest:
    """Record every file of `folder`."""
    files = tuple(_record(folder, path) for path in _files(folder))
    manifest = Manifest(version=version, files=files)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def check_folder(folder: Path, version: str, *, thorough: bool = False) -> Manifest:
    """Read the manifest and compare the folder with it.

    Contents are only read where size or time of change differ from the manifest's, or
    everywhere if `thorough`.

    Raises:
        DataError: something is missing, damaged or of another version.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(folder, MANIFEST, "is missing or unreadable") from error
    if manifest.version != version:
        raise _damaged(folder, MANIFEST, f"is of version {manifest.version!r}, not {version!r}")
    found = {path.relative_to(folder).as_posix() for path in _files(folder)}
    for extra in sorted(found - {record.path for record in manifest.files} - {MANIFEST}):
        raise _damaged(folder, extra, "does not belong there")
    for record in manifest.files:
        path = folder / record.path
        try:
            status = path.stat()
            if status.st_size != record.size:
                raise _damaged(
                    folder, record.path, f"has {status.st_size} bytes instead of {record.size}"
                )
            if (thorough or status.st_mtime_ns != record.modified_ns) and (
                _sha256(path) != record.sha256
            ):
                raise _damaged(folder, record.path, "was changed")
        except OSError as error:
            raise _damaged(folder, record.path, f"cannot be read ({error.strerror})") from error
    return manifest


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock among processes, freed even if this one is killed.

    `on_wait` is called before waiting for another holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clean_up(final: Path) -> None:
    """Remove what a killed `new_folder` left; call it under the lock.

    If it was killed in the middle of replacing a folder, the old one is put back.
    """
    partial, old = _neighbours(final)
    if old.exists() and not final.exists():
        old.rename(final)
    for leftover in (partial, old):
        if leftover.exists():
            shutil.rmtree(leftover)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder that becomes `final` if the block ends well, and vanishes otherwise.

    Call it under the lock, after `clean_up`. A folder already at `final` is replaced.
    """
    partial, old = _neighbours(final)
    partial.mkdir(parents=True)
    try:
        yield partial
        if final.exists():
            final.rename(old)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def explained(folder: Path, needed_bytes: int, variable: str = "MERGELAB_CACHE") -> Iterator[None]:
    """Turn errors of the operating system into messages for a person.

    `variable` is the environment variable that chooses where `folder` is.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # of whoever is told the progress: no file of the data is a pipe
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = f"free {needed_bytes / 1e6:,.1f} MB there"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "make it writable"
        else:
            advice = "check the path"
        raise DataError(
            f"the data cannot be written to {folder} ({error.strerror or error}): {advice}, or "
            f"choose another folder with the environment variable {variable}"
        ) from error


def write_json(path: Path, value: list[str] | list[int]) -> None:
    """Write a list as JSON, byte for byte the same everywhere."""
    path.write_text(json.dumps(value, ensure_ascii=True) + "\n", encoding="utf-8")


def _neighbours(final: Path) -> tuple[Path, Path]:
    return final.with_name(f"{final.name}.partial"), final.with_name(f"{final.name}.old")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _record(folder: Path, path: Path) -> FileRecord:
    status = path.stat()
    return FileRecord(
        path=path.relative_to(folder).as_posix(),
        size=status.st_size,
        sha256=_sha256(path),
        modified_ns=status.st_mtime_ns,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(folder: Path, name: str, how: str) -> DataError:
    return DataError(
        f"the prepared data is damaged: {name} in {folder} {how}. Prepare it again with "
        f"`python -m runner prepare --size {folder.name.rpartition('-')[2]} --repair`, which "
        "keeps the salt; "
        "or delete the folder for fresh evaluation scenes"
    )


def make_public(folder: Path) -> None:
    """Let every user read a folder, whatever the process's umask: sandboxes have their own user."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def free_bytes(folder: Path) -> int:
    """Free space on the file system that `folder` is or will be on."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
