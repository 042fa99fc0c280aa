"""Reading back a job's output as the tar stream that an engine makes of it.

The engine made the stream, after the job was dead, so that its form can be trusted; names,
kinds and sizes in it are the job's. Nothing is extracted: member by member is checked like in
`runner.sandbox.collect`, and regular files are copied with the same counts.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any, Protocol

from urllib3.exceptions import HTTPError

from runner.errors import RunnerError
from runner.sandbox.base import Limits
from runner.sandbox.collect import (
    DEEPEST,
    Budget,
    OutputRefused,
    check_name,
    empty,
    write_all,
    writing,
)
from runner.sandbox.docker.engine import ENGINE_ERRORS, PATIENCE_S, Engine, said

_CHUNK = 1 << 18
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link", tarfile.FIFOTYPE: "a named pipe",
    tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device",
}  # fmt: skip


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Interrupted(Exception):
    """The stream broke off."""


def fetch(engine: Engine, keeper: str, folder: str, collect_to: Path, limits: Limits) -> None:
    """Copy the tree below `folder` in the container `keeper` into the empty `collect_to`.

    Unix sockets do not appear in what the engine sends, and are left out.

    Raises:
        OutputRefused: as `runner.sandbox.collect.collect`.
        RunnerError: the engine does not answer, or `collect_to` cannot be written.
    """
    client: Any = engine.client
    url = f"{client.base_url}/v{client.api_version}/containers/{keeper}/archive"
    try:
        # Not get_archive(), which would wait without an end for an engine that hangs.
        with client.get(
            url,
            params={"path": f"{folder}/."},
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=PATIENCE_S,
        ) as response:
            if response.status_code != 200:
                raise _lost(response.text)
            take(response.raw, collect_to, limits)
    except _Interrupted as broken:
        if not engine.try_to(client.ping):
            raise _lost(str(broken)) from broken
        raise OutputRefused(f"the engine cannot pack it: {broken}") from broken
    except ENGINE_ERRORS as error:
        raise _lost(said(error)) from error


def take(stream: _Readable, collect_to: Path, limits: Limits) -> None:
    """The same from a stream. All or nothing: on any error `collect_to` is left empty."""
    budget = Budget(limits.output_files, limits.output_bytes, limits)
    try:
        try:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive:  # type: ignore[call-overload]
                for member in archive:
                    archive.members.clear()  # it would keep every one
                    _take_member(archive, member, collect_to, budget)
        except (tarfile.TarError, HTTPError) as error:
            raise _Interrupted(said(error)) from error
    except BaseException:
        empty(collect_to)
        raise


def _take_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, collect_to: Path, budget: Budget
) -> None:
    # "./a/b" for what lies in the folder, and "./" for the folder itself.
    parts = member.name.removeprefix("./").rstrip("/").split("/")
    if parts in ([""], ["."]):
        return
    budget.take_file()
    path = ""
    for part in parts:
        check_name(part, path)
        path += f"{part}/"
    path = path.rstrip("/")
    if len(parts) > DEEPEST:
        raise OutputRefused(f"folders more than {DEEPEST} deep")
    if member.isdir():
        with writing():
            collect_to.joinpath(*parts).mkdir(mode=0o755)
        return
    if member.islnk():
        raise OutputRefused(f"a file with 2 links or more: {path}")
    if not member.isreg() or member.issparse():
        raise OutputRefused(f"{_KINDS.get(member.type, 'not a file')}: {path}")
    budget.take_bytes(member.size)
    _copy(archive, member, collect_to.joinpath(*parts))


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    reader = archive.extractfile(member)
    if reader is None:
        raise OutputRefused(f"not a file: {target.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with writing():
        writer = os.open(target, flags, 0o644)
    try:
        os.fchmod(writer, 0o644)
        left = member.size
        while left:
            chunk = reader.read(min(left, _CHUNK))
            if not chunk:
                raise tarfile.ReadError("unexpected end of data")
            left -= len(chunk)
            with writing():
                write_all(writer, chunk)
    finally:
        os.close(writer)


def _lost(reason: str) -> RunnerError:
    return RunnerError(
        f"The output of the job cannot be read from the Docker engine: {reason[:300]}. "
        "Look at the engine's log and run it again."
    )
