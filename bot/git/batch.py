"""Many objects from one `git cat-file --batch` process."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from bot.git.process import Git, GitFailed

_HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (blob|tree|commit|tag) (\d+)\n")
_CHUNK = 1 << 20
_FITS = 4096  # bytes that any pipe takes at once: no thread is needed to write them


@dataclass(frozen=True)
class GitObject:
    """One object as it is stored. `data` is None when it is larger than was asked for."""

    id: str
    kind: str  # "blob", "tree", "commit" or "tag"
    size: int  # bytes
    data: bytes | None


def read_objects(
    git: Git, names: Sequence[bytes], limit: int | None = None
) -> Iterator[GitObject | None]:
    """The objects that `names` mean (`<object id>` or `<commit>:<path>`), in that order.

    None stands for a name without an object. Objects above `limit` bytes come without data.
    """
    if not names:
        return
    process = git.start("cat-file", "--batch", "-z")
    assert process.stdin and process.stdout and process.stderr  # noqa: S101 (pipes, for mypy)
    feeder: threading.Thread | None = None
    if sum(len(name) + 1 for name in names) <= _FITS:
        _feed(process.stdin, names)
    else:
        feeder = threading.Thread(target=_feed, args=(process.stdin, names), daemon=True)
        feeder.start()
    try:
        for name in names:
            answer = _read_one(process.stdout, name, limit)
            if isinstance(answer, bytes):
                stderr = (answer + process.stderr.read()).decode("utf-8", "replace")
                raise GitFailed("cat-file --batch", process.wait(), stderr, git.place)
            yield answer
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
        process.wait()
        if feeder is not None:
            feeder.join()


def _feed(pipe: IO[bytes], names: Sequence[bytes]) -> None:
    with suppress(BrokenPipeError, ValueError):
        for name in names:
            pipe.write(name + b"\0")
    with suppress(BrokenPipeError):
        pipe.close()


def _read_one(pipe: IO[bytes], name: bytes, limit: int | None) -> GitObject | bytes | None:
    """One answer; bytes are what came instead of one."""
    line = pipe.readline()
    header = _HEADER.fullmatch(line)
    if header is None:
        # A name is repeated as it was given, line breaks included.
        line += b"".join(pipe.readline() for _ in range(name.count(b"\n")))
        return None if line == name + b" missing\n" else line
    size = int(header[3])
    data = None
    if limit is not None and size > limit:
        left = size
        while left > 0:
            left -= len(pipe.read(min(left, _CHUNK))) or left
    else:
        data = pipe.read(size)
    pipe.read(1)
    return GitObject(header[1].decode(), header[2].decode(), size, data)
