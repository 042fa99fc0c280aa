"""How the bot has runs measured: the runner as a process of its own, watched by its events.

The runner gets a session of its own, so that Ctrl-C in a terminal reaches the bot alone, which
then ends the runner in an orderly way. When the bot is killed, the runner notices by its end of
the events' pipe, ends the sandbox and tidies up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from runner import interrupts
from runner.errors import RunnerError
from runner.events import Emit, Event, NoticeEvent, ResultEvent, from_line
from runner.request import BatchRequest, Conditions
from runner.result import Comparability, Measurement
from runner.settings import RunnerSettings
from runner.text import clean_line

_MOMENT_S = 10.0  # for an orderly end
_OUTPUT_BYTES = 10_000
_NOTICE_CHARACTERS = 1_000


class RunnerStopped(RunnerError):
    """The runner was told to end, from another thread."""


class Stop:
    """Ends a runner from another thread: first asked, so that it tidies up, then forced."""

    def __init__(self) -> None:
        self.asked = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """End the runner that is running, or that would be started. Returns at once."""
        with self._lock:
            if self.asked:
                return
            self.asked = True
            if self._process:
                threading.Thread(target=end, args=(self._process,), daemon=True).start()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """This is the runner."""
        with self._lock:
            if self.asked:
                raise RunnerStopped("The runner was told to end before it began.")
            self._process = process


def run_batch(
    request: BatchRequest,
    on_event: Emit,
    *,
    unconfined: bool = False,
    gpu: str | None = None,
    stop: Stop | None = None,
) -> dict[str, Measurement]:
    """Measure a batch; results by run id, in the order of the runs.

    `on_event` is called for everything that happens, a finished run among it, so that nothing
    is lost when the batch is interrupted. `unconfined` allows the backend `none`; `gpu` is the
    one to use, as in CUDA_VISIBLE_DEVICES; `stop` ends it from another thread.

    Raises:
        RunnerStopped: `stop` was called.
        RunnerError: the runner failed (never a candidate); the message says what to do.
        KeyboardInterrupt: and whatever `on_event` raises; the runner is gone by then.
    """
    results: dict[str, Measurement] = {}

    def collect(event: Event) -> None:
        if isinstance(event, ResultEvent):
            results[event.run] = event.measurement
        on_event(event)

    way = _Way(unconfined, gpu, stop or Stop())
    _call(["measure", "--runs", "-"], request, collect, way)
    missing = [run.id for run in request.runs if run.id not in results]
    if missing:
        raise RunnerError(f"The runner gave no result for {', '.join(missing[:5])}. Run it again.")
    return {run.id: results[run.id] for run in request.runs}


def current_class(
    repository: Path,
    settings: RunnerSettings,
    on_event: Emit,
    *,
    unconfined: bool = False,
    gpu: str | None = None,
    base: str | None = None,
) -> Comparability:
    """With which numbers a measurement made here and now could be compared.

    Prepares the data if that was not done yet, which `on_event` is told about. `base` is the
    branch whose scorer counts, see `Conditions`. Raises what `run_batch` raises.
    """
    conditions = Conditions(repository=str(repository), settings=settings, base=base)
    way = _Way(unconfined, gpu, Stop())
    told = _call(["class", "--request", "-", "--json"], conditions, on_event, way)
    try:
        return Comparability.model_validate_json(told)
    except ValidationError as error:
        raise RunnerError(f"The runner said something unreadable ({error}).") from None


@dataclass(frozen=True)
class _Way:
    """How a runner is called."""

    unconfined: bool
    gpu: str | None
    stop: Stop

    def environment(self) -> dict[str, str] | None:
        return None if self.gpu is None else {**os.environ, "CUDA_VISIBLE_DEVICES": self.gpu}


def _call(command: list[str], conditions: Conditions, emit: Emit, way: _Way) -> bytes:
    """Run the runner to its end; what it wrote to its standard output."""
    # Relative paths count from where this process was started, wherever the runner's starts.
    repository = str(Path(conditions.repository).resolve())
    if not _is_text(repository):
        raise RunnerError(
            f"The runner cannot work in {repository!r}: this name is no text in the character "
            "set in use. Rename the folder, or choose a locale such as LC_ALL=C.UTF-8."
        )
    request = conditions.model_copy(update={"repository": repository})
    command = [*command, "--i-know-this-is-not-a-sandbox"] if way.unconfined else command
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as pipe:
            try:
                command = [*command, "--events-fd", str(writing)]
                process = _start(command, writing, output, errors, way.environment())
            finally:
                os.close(writing)
            try:
                way.stop.watch(process)
                _send(process, request.model_dump_json(exclude_none=True).encode())
                for line in pipe:
                    if line.endswith(b"\n"):  # else it was killed in the middle of it
                        emit(_read(line))
                code = process.wait()
            except BaseException:
                end(process)
                raise
        said = _text(errors).strip()
        if way.stop.asked:
            raise RunnerStopped("The runner was told to end.")
        if code != 0:
            # It ends with its error; what libraries said before that is not the reason.
            reason = f"\n{said}".rpartition("\nerror: ")[2].strip()
            raise RunnerError(reason or f"The runner ended with code {code} and said nothing.")
        for warning in filter(None, said.splitlines()):
            emit(NoticeEvent(clean_line(warning.encode(), _NOTICE_CHARACTERS)))
        return _text(output).encode()


def _is_text(path: str) -> bool:
    """Whether it holds none of the stand-ins for bytes that could not be decoded."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _start(
    command: list[str],
    pipe: int,
    output: IO[bytes],
    errors: IO[bytes],
    environment: dict[str, str] | None,
) -> subprocess.Popen[bytes]:
    # Where this package is not in the working folder, nothing there may be taken for it.
    elsewhere = Path(__file__).resolve().parents[1] != Path.cwd()
    safely = ["-P"] if elsewhere else []
    return subprocess.Popen(
        [sys.executable, *safely, "-m", "runner", *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        pass_fds=(pipe,),
        env=environment,
        start_new_session=True,
    )


def _text(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _OUTPUT_BYTES))
    return file.read().decode(errors="replace")


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(data)


def _read(line: bytes) -> Event:
    try:
        return from_line(line)
    except ValueError as error:
        raise RunnerError(f"The runner said something unreadable ({error}).") from None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a runner and everything that it started, and wait until that is so.

    First asked, so that it can tidy up; after a moment forced. Further interrupts from an
    impatient keyboard are put off until the process is gone.
    """
    with interrupts.held():
        process.terminate()
        try:
            process.wait(_MOMENT_S)
        except subprocess.TimeoutExpired:
            # Not reaped yet, so that the number still names this group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            from runner.sandbox.choose import reap_orphans

            reap_orphans()  # it had no time to end a sandbox that it was just starting
