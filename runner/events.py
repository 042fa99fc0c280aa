"""What happens during a batch, as it happens: for the live display and, as JSON lines, the bot.

Wire form, one object a line: {"event": "stage" | "output" | "result" | "data" | "notice" |
"waiting", ...} with the
fields of the classes below. `OutputEvent.line` is text that the candidate chose.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from runner.result import Measurement, Stage
from runner.text import clean_line

_OUTPUT_INTERVAL_S = 0.2
_KEPT_OUTPUT_BYTES = 4096


@dataclass(frozen=True)
class DataEvent:
    """The task's data is being prepared: `fraction` of the work is done."""

    fraction: float
    message: str


@dataclass(frozen=True)
class NoticeEvent:
    """What a person must not miss: a warning, or what was chosen for them and why."""

    message: str


@dataclass(frozen=True)
class WaitingEvent:
    """Nothing goes on before somebody else has ended; `message` says what is waited for."""

    message: str


@dataclass(frozen=True)
class StageEvent:
    """A stage of a run begins. It is killed after `limit_s`; `budget_s` is what it is told."""

    run: str
    stage: Stage
    group: str | None
    budget_s: float
    limit_s: float


@dataclass(frozen=True)
class OutputEvent:
    """The last line that the training printed, cleaned and bounded."""

    run: str
    line: str


@dataclass(frozen=True)
class ResultEvent:
    """A run is finished."""

    run: str
    measurement: Measurement


Event = DataEvent | NoticeEvent | WaitingEvent | StageEvent | OutputEvent | ResultEvent
Emit = Callable[[Event], None]

_KINDS: dict[str, type[DataEvent | NoticeEvent | WaitingEvent | StageEvent | OutputEvent]] = {
    "data": DataEvent,
    "notice": NoticeEvent,
    "waiting": WaitingEvent,
    "stage": StageEvent,
    "output": OutputEvent,
}


def to_line(event: Event) -> bytes:
    """One line of the wire form, its end included."""
    if isinstance(event, ResultEvent):
        value: dict[str, Any] = {
            "event": "result",
            "run": event.run,
            "measurement": event.measurement.model_dump(mode="json"),
        }
    else:
        kind = next(name for name, known in _KINDS.items() if isinstance(event, known))
        value = {"event": kind, **asdict(event)}
    return json.dumps(value, allow_nan=False).encode() + b"\n"


def from_line(line: bytes) -> Event:
    """The event in one line of the wire form. Raises ValueError when it is none."""
    value = json.loads(line)
    try:
        kind = value.pop("event")
        if kind == "result":
            return ResultEvent(value["run"], Measurement.model_validate(value["measurement"]))
        if kind == "stage":
            value["stage"] = Stage(value["stage"])
        return _KINDS[kind](**value)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an event of the runner: {error}") from None


class EventPipe:
    """Writes events to an inherited file descriptor, and notices when its reader dies.

    The reader is the bot. When it goes away, killed or not, nobody wants the results any
    more: the process sends itself SIGTERM, which ends the sandbox and tidies up.
    """

    def __init__(self, descriptor: int) -> None:
        """Raises OSError when `descriptor` is not open, ValueError when it cannot be written."""
        import fcntl

        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise ValueError("it is open for reading only")
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def __call__(self, event: Event) -> None:
        """Write one event; lost when the reader is gone, which ends the process anyway."""
        data = memoryview(to_line(event))
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except BrokenPipeError:
                os.kill(os.getpid(), signal.SIGTERM)

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # errors only: the other end was closed
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)


class LastLine:
    """Turns a stream of output into events with its last line, a few a second."""

    def __init__(self, run: str, emit: Emit) -> None:
        self._run = run
        self._emit = emit
        self._kept = b""
        self._next = 0.0
        self._shown = ""

    def __call__(self, chunk: bytes) -> None:
        """Take the next piece of output."""
        self._kept = (self._kept + chunk)[-_KEPT_OUTPUT_BYTES:]
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _OUTPUT_INTERVAL_S
        # What follows the last line end may be half a line yet.
        complete = max(self._kept.rfind(b"\n"), self._kept.rfind(b"\r"))
        line = clean_line(self._kept[:complete] if complete >= 0 else self._kept)
        if line and line != self._shown:
            self._shown = line
            self._emit(OutputEvent(self._run, line))
