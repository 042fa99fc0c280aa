"""The data of a project that lies outside of git: where it is, and a digest of what is in it.

Numbers measured on other data are not comparable, so that the content counts. Reading much data
takes a while: a digest is kept, until name, size or time of change of a file are others.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.digests import data_digest
from runner.errors import DataError
from runner.task_tables import MountTable

_CHUNK = 1 << 22
_DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_FILES = 1_000_000


@dataclass(frozen=True)
class Data:
    """A file or folder that candidates read."""

    source: Path
    place: str  # where they find it: relative to the project, or absolute


def find(
    repository: Path, tables: Sequence[MountTable], cache: Path, key: str = "a [[mount]]"
) -> tuple[Data, ...]:
    """The data that bot.toml names under `key`, on this machine.

    Raises DataError, which says what to do.
    """
    found = []
    for table in tables:
        source = Path(os.path.realpath(repository / Path(table.source).expanduser()))
        if not source.exists():
            raise DataError(
                f"{source}, which {key} of bot.toml names, is not there. Prepare the data, or "
                "correct the path."
            )
        _check_shows_no_secret(source, repository.resolve(), cache.resolve(), key)
        found.append(Data(source, table.place))
    return tuple(found)


def _check_shows_no_secret(source: Path, repository: Path, cache: Path, key: str) -> None:
    """Refuse what holds, or is a part of, something that no candidate may see."""
    home = Path(os.path.realpath(Path.home()))
    wholes = (one for one in (repository, cache, home) if one.is_relative_to(source))
    parts = (one for one in (repository / ".git", cache) if source.is_relative_to(one))
    private = next(wholes, None) or next(parts, None)
    if private:
        raise DataError(
            f"{key[0].upper()}{key[1:]} of bot.toml shows {source}, and with it {private} or a "
            "part of it. Name the folder that holds the data and nothing else."
        )


def digest(
    data: Sequence[Data], cache: Path, on_progress: Callable[[float, str], None] | None = None
) -> str:
    """SHA-256 over the places, names and contents of all data; links are told by their target."""
    whole = hashlib.sha256(b"mounts 1\n")
    for one in data:
        whole.update(data_digest({"place": one.place}).encode())
        whole.update(_of_source(one.source, cache, on_progress).encode())
    return whole.hexdigest()


def _of_source(source: Path, cache: Path, on_progress: Callable[[float, str], None] | None) -> str:
    files = list(_files(source))
    # The time of change of an inode cannot be set back by what only wants to look unchanged.
    facts = [
        [name, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
        for name, _, facts in files
    ]
    key = data_digest({"source": str(source), "files": facts})
    remembered = cache / "mounts" / key[:32]
    try:
        known = remembered.read_text().strip()
        if _DIGEST.fullmatch(known):
            return known
    except OSError:
        pass
    value = _read_all(source, files, on_progress)
    remembered.parent.mkdir(parents=True, exist_ok=True)
    partial = remembered.with_name(f"{remembered.name}.{os.getpid()}")
    partial.write_text(value)
    partial.replace(remembered)
    return value


def _read_all(
    source: Path,
    files: Sequence[tuple[str, Path, os.stat_result]],
    on_progress: Callable[[float, str], None] | None,
) -> str:
    total, done = sum(facts.st_size for _, _, facts in files) or 1, 0
    whole = hashlib.sha256()
    for name, path, _ in files:
        one = hashlib.sha256()
        try:
            if path.is_symlink():
                one.update(b"link " + os.fsencode(path.readlink()))
            elif not path.is_file():  # a pipe would be waited for without end
                raise DataError(
                    f"{path}, which a [[mount]] of bot.toml shows to candidates, is no regular "
                    "file. Take it out of the data."
                )
            else:
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        one.update(chunk)
                        done += len(chunk)
                        if on_progress:
                            on_progress(min(1.0, done / total), f"reading {source.name}")
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Make it readable.") from None
        whole.update(json.dumps([name, one.hexdigest()]).encode())
    return whole.hexdigest()


def _files(source: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Name below the source, path and facts of every file, in one order everywhere."""
    if not source.is_dir():
        yield "", source, source.stat()
        return
    count = 0
    for folder, folders, names in os.walk(source):
        folders.sort()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder) / name
            count += 1
            if count > MOST_FILES:
                raise DataError(
                    f"{source} holds more than {MOST_FILES:,} files. Name a smaller folder in "
                    "[[mount]], or pack them."
                )
            yield str(path.relative_to(source)), path, path.lstat()
