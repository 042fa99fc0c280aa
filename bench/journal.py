"""What a benchmark has measured: one JSON line for each run, so that it can go on from there.

A line is written, and on the disk, before the next run begins. What a kill leaves of a line is
dropped when the journal is opened again; anything else that cannot be read is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from bot.history.reduce import class_of
from runner.errors import RunnerError
from runner.result import Measurement, Strict

Value = bool | int | float | str
_LOG_CHARACTERS = 500


class Line(Strict):
    """One run."""

    version: Literal[1] = 1
    study: str
    """What it was made for: runs of one study are compared with each other."""
    arm: str
    """Which code: a name within the study."""
    number: int = 0
    """The trial of a search, or the repetition of the same code and seed; from 0."""
    values: dict[str, Value] = Field(default_factory=dict)
    """Constants that were set otherwise than in the file that the study begins with."""
    finished_at: int = Field(ge=0)
    """Seconds since 1970, UTC."""
    measurement: Measurement

    @property
    def place(self) -> str:
        """What two lines must share to be compared: the runner class and the harness."""
        return class_of(self.measurement)


class JournalError(RunnerError):
    """The journal cannot be used; the message says what to do."""

    exit_code = 2


class Journal:
    """The lines so far, and a file to which more are appended."""

    def __init__(self, path: Path, lines: Sequence[Line], file: int) -> None:
        self.path = path
        self.lines = list(lines)
        self._file = file

    def append(self, line: Line) -> None:
        """Keep a line, for good. The candidate's output is cut to its end."""
        short = {"log_tail": line.measurement.log_tail[-_LOG_CHARACTERS:], "curve": []}
        kept = line.model_copy(update={"measurement": line.measurement.model_copy(update=short)})
        os.write(self._file, kept.model_dump_json().encode() + b"\n")
        os.fsync(self._file)
        self.lines.append(kept)


@contextlib.contextmanager
def journal(path: Path) -> Iterator[Journal]:
    """Open a journal to go on with it, alone; made if it is missing.

    Raises:
        JournalError: it cannot be read, or another process writes to it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written ({error.strerror}).") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"{path}: another benchmark is writing to it. Wait for its end, or name another "
                "journal with --journal."
            ) from None
        data = path.read_bytes()
        whole = data.rpartition(b"\n")[0] + b"\n" if b"\n" in data else b""
        lines = parse(whole, str(path))
        os.ftruncate(file, len(whole))
        yield Journal(path, lines, file)
    finally:
        os.close(file)


def read(path: Path) -> list[Line]:
    """The lines of a journal, which may be written to at the same time; none if it is missing.

    Raises JournalError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror}).") from None
    return parse(data[: data.rfind(b"\n") + 1], str(path))


def parse(data: bytes, where: str) -> list[Line]:
    """Whole lines. Raises JournalError, which names the one that is none."""
    lines = []
    for number, text in enumerate(data.splitlines(), 1):
        try:
            lines.append(Line.model_validate_json(text))
        except ValidationError as error:
            what = error.errors(include_url=False)[0]["msg"]
            raise JournalError(
                f"{where}, line {number}: is no run of this version ({what}). Delete the line, "
                "or begin another journal with --journal."
            ) from None
    return lines
