"""Scripts that print their own metric: any language, started as their users start them.

The script runs in a writable copy of the project, at `/tmp/project`, with its data mounted
read-only and linked to where it expects them. Whatever it prints is its own word: every result
says `self_reported`.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from runner.digests import scorer_digest
from runner.errors import InvalidOutput, RequestError, RunnerError
from runner.interpreter import Interpreter
from runner.kinds import mounts
from runner.kinds.base import Evidence, Launch, Numbers, Staged
from runner.result import Split
from runner.sandbox.base import Mount
from runner.sandbox.runtime import runtime_mounts
from runner.settings import MetricTable, RunnerSettings

LOG_BYTES = 4 << 20
"""How much of the end of the output is searched for the metric."""
LONGEST_LINE = 2_000
PATIENCE_S = 20.0
"""How long the output is searched."""
_ENDS_OF_LINES = re.compile(r"[\r\n]+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SEARCH_PATH = "/usr/bin:/bin"  # of every sandbox

# $1: the candidate's files; then pairs of a mount and the place that it is linked to; after --
# the working folder and the command. HOME is the sandbox's folder for temporary files.
_START = """
set -e
project=$HOME/project
cp -R "$1" "$project"
cd "$project"
shift
while [ "$1" != -- ]; do
  mkdir -p "./$(dirname "$2")"
  ln -s "$1" "./$2"
  shift 2
done
mkdir -p "./$2"
cd "./$2"
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class ReportedTask:
    """A project with a script that prints its metric (`runner.kinds.base.Task`)."""

    settings: RunnerSettings
    interpreter: Interpreter
    data: tuple[mounts.Data, ...]
    digest: str
    self_reported = True

    @classmethod
    def open(
        cls,
        repository: Path,
        settings: RunnerSettings,
        interpreter: Interpreter,
        cache: Path,
        on_progress: Callable[[float, str], None],
    ) -> ReportedTask:
        """Find the data and tell it by its content. Raises DataError."""
        data = mounts.find(repository, settings.mount, cache)
        digest = mounts.digest(data, cache, on_progress)
        return cls(settings, interpreter, data, digest)

    @property
    def version(self) -> str:
        """That the data is the project's own, and a digest of it."""
        return f"own-{self.digest[:12]}" if self.data else "own"

    @property
    def scorer(self) -> str:
        """SHA-256 of the code that reads the metric."""
        return scorer_digest("reported")

    def runtime(self) -> tuple[Mount, ...]:
        """The interpreter. Other programs belong to the bare system, or are mounted."""
        return runtime_mounts(self.interpreter.path) if self._python else ()

    @property
    def _python(self) -> bool:
        command = self.settings.candidate.command
        return not command or command[0] == "python"

    def check(self, files: Mapping[str, bytes]) -> None:
        """Refuse data that would lie over the candidate's own files."""
        for place in (data.place for data in self.data if not data.place.startswith("/")):
            clash = next((path for path in files if f"{path}/".startswith(f"{place}/")), None)
            above = next((path for path in files if place.startswith(f"{path}/")), None)
            if found := clash or above:
                raise RequestError(
                    f"The mount at {place} in bot.toml lies over {found}, which the candidate "
                    "brings itself. Give it another target, or take the file from "
                    "candidate.paths and candidate.needs."
                )

    def full(self, split: Split, folder: Path) -> Staged:
        """The whole budget; `split` and `folder` mean nothing here."""
        del split, folder
        stop = self.settings.task.stop_at_budget
        slack_s = 0.0 if stop else self.settings.budget.grace_s
        return Staged(self._launch(), {}, self._judge, slack_s, stoppable=stop)

    def sealed(self, folder: Path) -> Staged | None:
        """There is none: only the script knows what it evaluates on."""
        del folder
        return None

    def smoke(self, folder: Path) -> Staged:
        """The first seconds: scripts that know no budget still run then, which is fine."""
        del folder

        def judge(evidence: Evidence) -> Numbers | None:
            return None if evidence.stopped else self._judge(evidence)

        return Staged(self._launch(), {}, judge, self.settings.budget.grace_s, stoppable=True)

    def _judge(self, evidence: Evidence) -> Numbers:
        # Half a number reads as another one.
        log = _whole_lines(evidence.log) if evidence.stopped else evidence.log
        return read(log, self.settings.metric)

    def _launch(self) -> Launch:
        inside = [data for data in self.data if not data.place.startswith("/")]
        places = {data: f"/mounts/{number}" for number, data in enumerate(inside)}
        links = [word for data in inside for word in (places[data], data.place)]
        start = ("/bin/sh", "-c", _START, "sh", "/candidate", *links, "--")
        return Launch(
            argv=(*start, self.settings.candidate.folder, *self._command()),
            environment={
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                **self.settings.candidate.environment,
            },
            mounts=tuple(Mount(data.source, places.get(data, data.place)) for data in self.data),
            log_bytes=LOG_BYTES,
        )

    def _command(self) -> tuple[str, ...]:
        table = self.settings.candidate
        if not table.command:
            entry = os.path.relpath(table.entry, table.folder)
            return (str(self.interpreter.path), entry)
        first = str(self.interpreter.path) if self._python else table.command[0]
        return (first, *table.command[1:])


def find_program(name: str) -> Interpreter:
    """The program that a command begins with, told by its content. Raises RunnerError."""
    path = Path(shutil.which(name, path=_SEARCH_PATH) or name)
    if not path.is_absolute():
        raise RunnerError(
            f"There is no program {name!r} in {_SEARCH_PATH.replace(':', ' or ')}, where "
            "candidates look for it. Install it there, or show its folder to them by [[mount]] and "
            "name it with its whole path in candidate.command."
        )
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise RunnerError(
            f"candidate.command in bot.toml names {path}, which cannot be read: {error.strerror}."
        ) from None
    return Interpreter(path, f"{path.name} sha256:{digest}", torch="")


def read(log: bytes, table: MetricTable) -> Numbers:
    """The metric and the numbers beside it in what a script printed.

    Raises:
        InvalidOutput: the metric is missing, is no finite number, or takes too long to find.
    """
    with _within(PATIENCE_S):
        return _read(log, table)


def _read(log: bytes, table: MetricTable) -> Numbers:
    lines = list(_lines(log))
    metric = _last(lines, table.pattern or "")
    if metric is None:
        raise InvalidOutput(
            f"{table.name} was not found: no line of the output fits metric.pattern"
        )
    secondary = {name: _last(lines, pattern) for name, pattern in table.secondary.items()}
    return Numbers(
        _number(table.name, metric),
        {name: _number(name, text) for name, text in secondary.items() if text is not None},
    )


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """End what takes longer: there are lines on which an innocent pattern takes hours.

    Only in the main thread, which is where the runner judges: others get no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise InvalidOutput("the metric was not found in time: the output is too hard to search")

    before = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _whole_lines(log: bytes) -> bytes:
    """An output without the line that was still being written when its script was stopped."""
    return log[: max(log.rfind(b"\n"), log.rfind(b"\r")) + 1]


def _lines(log: bytes) -> Iterator[str]:
    """The lines of an output, without colours; progress bars write over theirs."""
    for line in _ENDS_OF_LINES.split(log.decode("utf-8", errors="replace")):
        yield _COLOUR.sub("", line[:LONGEST_LINE])


def _last(lines: list[str], pattern: str) -> str | None:
    """What the group holds in the last line that fits; of several places in it, the last."""
    expression = re.compile(pattern)
    for line in reversed(lines):
        found = [match[1] for match in expression.finditer(line) if match[1] is not None]
        if found:
            return found[-1]
    return None


def _number(name: str, text: str) -> float:
    try:
        value = float(text.strip().rstrip(",;.%)]}").replace("_", "x"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidOutput(f"{name} was printed as {text[:40]!a}, which is no finite number")
    return value
