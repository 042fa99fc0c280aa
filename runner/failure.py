"""What went wrong in a stage: a typed status, from how the job ended and what it printed.

The log is the candidate's own and may lie; all that it can gain is a wrong name for its own
failure. Of the predict stages nothing but that name and a line number leaves this module, and
a name counts only if it could be known without having seen any input.
"""

from __future__ import annotations

import builtins
import re
import signal as signals
from collections.abc import Mapping
from dataclasses import dataclass

from runner.result import CandidateError, Stage, Status
from runner.sandbox.base import Ended, Outcome
from runner.text import clean_line

_LONGEST_LINE = 500
# Where candidates lie: the folder of the default task, or a writable copy of the project; and
# where a project's own scorer does.
_FRAME = re.compile(
    r'^ {2}File "(?:/candidate|/tmp/project|/scorer)/([^"]{1,300})", line (\d{1,9})(?:,|$)'
)
_RAISED = re.compile(r"^((?:[A-Za-z_]\w{0,99}\.){0,9}[A-Za-z_]\w{0,99})(?::|$)", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_MEMORY_ERRORS = {"MemoryError", "OutOfMemoryError", "_ArrayMemoryError"}
_TORCH_MEMORY_ERROR = "DefaultCPUAllocator: can't allocate memory"  # a plain RuntimeError
_LIBRARY_ERRORS = _MEMORY_ERRORS | {
    "AcceleratorError",
    "AxisError",
    "LinAlgError",
    "UFuncTypeError",
}
_BUILTIN_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}


@dataclass(frozen=True)
class Failure:
    """Why a stage did not succeed."""

    status: Status
    message: str  # one line by the runner for a person
    error: CandidateError | None = None


def failure_of(
    outcome: Outcome, stage: Stage, step: str, files: Mapping[str, bytes], *, private: bool
) -> Failure | None:
    """Why the job did not succeed, or None if it did.

    `step` names it for a person ("training"); `files` are the candidate's; `private` says that
    the job saw what no proposer may see.
    """
    if outcome.ended is Ended.TIMED_OUT:
        return Failure(Status.TIMED_OUT, f"{step} was killed after {outcome.wall_s:.1f} s")
    if outcome.ended is Ended.OUT_OF_MEMORY:
        why = "" if private else clean_line(outcome.note.encode(errors="replace"))
        message = f"{step} was killed at the memory limit"
        return Failure(Status.OUT_OF_MEMORY, f"{message}: {why}" if why else message)
    if outcome.ended is Ended.OUTPUT_LIMIT:
        note = "" if private else clean_line(outcome.note.encode(errors="replace"))
        message = f"{step} left more, or other things, than it may"
        return Failure(Status.INVALID_OUTPUT, f"{message}: {note}" if note else message)
    if outcome.exit_code == 0:
        return None
    log = outcome.log_tail.decode("utf-8", errors="replace")
    error = find_error(log, stage, files)
    memory = error is not None and (
        error.type in _MEMORY_ERRORS or (not private and _TORCH_MEMORY_ERROR in log)
    )
    return Failure(
        Status.OUT_OF_MEMORY if memory else Status.CRASHED,
        _crash(outcome, step, error, private=private),
        error,
    )


def find_error(log: str, stage: Stage, files: Mapping[str, bytes]) -> CandidateError | None:
    """The last exception of which `log` shows a traceback through one of `files`.

    The line is that of the innermost frame in the candidate's own files. The type is "Error"
    unless it is a well-known one or a word of the candidate's source.
    """
    raised_name, raised_line = "", None
    place: tuple[str, int] | None = None
    inside = False
    for line in log.split("\n"):
        if line.startswith("Traceback (most recent call last):"):
            place, inside = None, True
        elif frame := _FRAME.match(line[:_LONGEST_LINE]):
            place, inside = _real_place(frame[1], int(frame[2]), files) or place, True
        elif inside and not line.startswith(" ") and (raised := _RAISED.match(line[:1100])):
            raised_name, raised_line = raised[1], place[1] if place else None
            place, inside = None, False
    if not raised_name:
        return None
    # The source is searched once, whatever the log holds: it is the candidate's to fill.
    return CandidateError(type=_known(raised_name, files), line=raised_line, stage=stage)


def _real_place(path: str, line: int, files: Mapping[str, bytes]) -> tuple[str, int] | None:
    """The place, if there is such a line: a number must not carry what the code has seen."""
    if path in files and 1 <= line <= files[path].count(b"\n") + 1:
        return path, line
    return None


def _known(name: str, files: Mapping[str, bytes]) -> str:
    last = name.rpartition(".")[2]
    if last in _BUILTIN_ERRORS or last in _LIBRARY_ERRORS:
        return last
    words = (_WORD.findall(content.decode("utf-8", errors="replace")) for content in files.values())
    return last if any(last in found for found in words) else "Error"


def _crash(outcome: Outcome, step: str, error: CandidateError | None, *, private: bool) -> str:
    if outcome.signal is not None and not private:
        return f"{step} was killed by {_signal_name(outcome.signal)}"
    # An exit code is eight bits that the candidate chooses; of a private job it stays inside.
    message = f"{step} crashed" + ("" if private else f" with exit code {outcome.exit_code}")
    if error is not None:
        message += f": {error.type}" + (f" at line {error.line}" if error.line else "")
    return message


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
