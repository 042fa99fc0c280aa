"""Scripts that print their own metric: any language, started as their users start them.

Whatever such a script prints is its own word: every result says `self_reported`.
"""

from __future__ import annotations

import contextlib
import math
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from runner.digests import scorer_digest
from runner.errors import InvalidOutput
from runner.interpreter import Interpreter
from runner.kinds import mounts, project
from runner.kinds.base import Evidence, Launch, Numbers, Staged
from runner.result import Split
from runner.sandbox.base import Mount
from runner.settings import MetricTable, RunnerSettings

LONGEST_LINE = 2_000
PATIENCE_S = 20.0
"""How long the output is searched."""
_ENDS_OF_LINES = re.compile(r"[\r\n]+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


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
        return project.runtime(self.settings, self.interpreter)

    def check(self, files: Mapping[str, bytes]) -> None:
        """Refuse data that would lie over the candidate's own files."""
        project.check_places(self.data, files)

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
        return project.launch(self.settings, self.interpreter, self.data)


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
