"""What a person sees on standard error while a batch runs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.events import (
    DataEvent,
    Emit,
    Event,
    NoticeEvent,
    OutputEvent,
    ResultEvent,
    StageEvent,
    WaitingEvent,
)
from runner.result import Measurement

if TYPE_CHECKING:
    from rich.progress import Progress

_PLAIN_OUTPUT_EVERY_S = 10.0


@contextlib.contextmanager
def display(metric: str) -> Iterator[Emit]:
    """Shows events: live if standard error is a terminal, as plain lines otherwise."""
    if not sys.stderr.isatty():
        yield Plain(metric)
        return
    with _progress() as progress:
        yield Live(metric, progress)


def summary(run: str, result: Measurement, metric: str) -> str:
    """A finished run in one line."""
    took = f"trained {result.train_s:.1f} s, predicted {result.predict_s:.1f} s"
    if result.metric is None:
        return f"{run}: {result.status}: {result.message}"
    more = ", ".join(f"{name} {value:.4g}" for name, value in sorted(result.secondary.items()))
    return f"{run}: {metric} {result.metric:.4g} ({more}); seed {result.seed}, {took}"


def describe(event: StageEvent) -> str:
    """What is happening, in a few words."""
    what = f"{event.stage}" + (f" {event.group}" if event.group else "")
    return f"{event.run}: {what}"


class Plain:
    """One line for each stage and result; training's own last line now and then."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._next_output = 0.0
        self._last_tenth = -1

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case DataEvent():
                self._data(event)
            case NoticeEvent() | WaitingEvent():
                _say(event.message)
            case StageEvent():
                _say(f"{describe(event)} (at most {event.limit_s:g} s)")
                self._next_output = time.monotonic() + _PLAIN_OUTPUT_EVERY_S
            case OutputEvent():
                if time.monotonic() >= self._next_output:
                    self._next_output = time.monotonic() + _PLAIN_OUTPUT_EVERY_S
                    _say(f"{event.run}: | {event.line}")
            case ResultEvent():
                _say(summary(event.run, event.measurement, self._metric))

    def _data(self, event: DataEvent) -> None:
        tenth = int(event.fraction * 10)
        if tenth != self._last_tenth:
            self._last_tenth = tenth
            _say(f"preparing data: {event.fraction:.0%} {event.message}")


class Live:
    """A progress bar for what is going on now, with training's own last line beside it."""

    def __init__(self, metric: str, progress: Progress) -> None:
        self._metric = metric
        self._progress = progress
        self._task = progress.add_task("starting", total=None, said="")

    def __call__(self, event: Event) -> None:
        """Show one event."""
        from rich.text import Text

        match event:
            case DataEvent():
                self._progress.update(
                    self._task,
                    description="preparing data",
                    total=1.0,
                    completed=event.fraction,
                    said=event.message,
                )
            case NoticeEvent():
                self._progress.console.print(Text(event.message))
            case WaitingEvent():
                self._progress.reset(self._task, description=event.message, total=None, said="")
            case StageEvent():
                # Training is told its budget and uses it up; predicting ends when it is done.
                self._progress.reset(
                    self._task, description=describe(event), total=event.budget_s, said=""
                )
            case OutputEvent():
                self._progress.update(self._task, said=event.line)
            case ResultEvent():
                line = summary(event.run, event.measurement, self._metric)
                self._progress.console.print(Text(line))


def _progress() -> Progress:
    """Bars that move by themselves: how much of the stage's time has passed."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Clock(ProgressColumn):
        """Elapsed time and what is left, in seconds."""

        def render(self, task: Task) -> Text:
            elapsed, total = task.elapsed or 0.0, task.total
            if not total or total <= 1.0:  # preparing data: a share, not seconds
                return Text(f"{elapsed:.0f} s")
            task.completed = min(elapsed, total)
            return Text(f"{elapsed:.0f} s, {max(total - elapsed, 0):.0f} s left")

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=10),
        Clock(table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[said]}",
            markup=False,
            style="dim",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        console=Console(stderr=True),
        refresh_per_second=4,
        transient=True,
        expand=True,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
