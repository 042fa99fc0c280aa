"""What `python -m bot run` shows: a live table on a terminal, plain lines elsewhere, a heartbeat.

All of it comes from the scheduler's own thread; a clock beside it redraws the table.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.actions import Action
from bot.git import Repository
from bot.run import heartbeat
from bot.run.base import Concluded, Order
from bot.run.state import Phase, SlotState, State
from bot.settings import Settings
from bot.text.figures import number
from bot.text.plain import for_terminal, one_line
from bot.views.reporter import Reporter
from bot.views.telling import begun, result_line, stage_of
from runner.events import Event, NoticeEvent, OutputEvent, StageEvent, WaitingEvent

_BEAT_S = 10.0  # at most so long between two heartbeats
_SOON_S = 1.0  # at least so long
_HANGS_S = 300.0  # a scheduler that told nothing for so long; a look takes seconds


@dataclass
class _Running:
    """What a slot shows of the run in flight."""

    title: str = ""
    since: float = 0.0
    limit_s: float | None = None
    line: str = ""


@dataclass
class RunTeller:
    """Tells people and monitors how a run goes (`bot.run.teller.Teller`). A context manager."""

    reporter: Reporter
    repository: Repository
    settings: Settings
    state: State | None = None
    _slots: dict[str, _Running] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _live: Live | None = None
    _beaten: float = 0.0
    _heard: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> RunTeller:
        threading.Thread(target=self._keep_beating, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._live:
            self._live.stop()
        if self.state and self.state.phase is not Phase.ENDED:
            note = one_line(str(error), 300) if error else ""
            self.state = _ended(self.state, note)
            self._write()

    # What the scheduler tells

    def say(self, text: str) -> None:
        """A fact that stays on the screen."""
        if self._live:
            self._live.console.print(Text(for_terminal(text)))
        else:
            self.reporter.say(text)

    def thinking(self, count: int) -> None:
        """The table shows it."""

    def started(self, slot: str, order: Order, action: Action) -> None:
        """Runs begin on a slot."""
        del order
        self._slots[slot] = _Running("starting", time.time())
        if words := begun(action):
            self.say(f"[{slot}] {words}")

    def seen(self, slot: str, order: Order, event: Event) -> None:
        """Something happened in a run."""
        running = self._slots.setdefault(slot, _Running())
        match event:
            case StageEvent():
                stage = stage_of(order, event)
                running.title, running.limit_s = stage.title, stage.limit_s
                running.since, running.line = time.time(), ""
            case OutputEvent():
                running.line = event.line
            case WaitingEvent():
                running.title = event.message
            case NoticeEvent() if event.message not in self._told:
                self._told.add(event.message)  # every runner gives the same warnings
                self.say(event.message)

    def measured(self, slot: str, order: Order, index: int, result: Mapping[str, Any]) -> None:
        """A run is finished."""
        what = f"#{order.number}" if order.number is not None else order.attempt
        self.say(f"[{slot}] {what}: {result_line(order, index, result, self._metric)}")

    def ended(self, slot: str, order: Order) -> None:
        """The slot is free again."""
        del order
        self._slots.pop(slot, None)

    def concluded(self, done: Concluded) -> None:
        """An experiment has its verdict."""
        pull, verdict = done.pull, done.verdict
        first = (verdict.explanation.splitlines() or [""])[0]
        outcome = f"{verdict.outcome}: {verdict.reason}"
        self.say(f"#{pull.number} {pull.title}\n  {outcome}. {first}")

    def beat(self, state: State) -> None:
        """How everything stands."""
        self.state, self._heard = state, time.time()
        if self._live is None and not self._over.is_set() and self.reporter.live:
            self._live = Live(
                get_renderable=self._table,
                console=Console(stderr=True),
                refresh_per_second=2,
                transient=True,
            )
            self._live.start()
        if state.phase is Phase.ENDED or state.now - self._beaten >= _SOON_S:
            self._write()

    # Heartbeat and table

    @property
    def _metric(self) -> str:
        return self.settings.metric_shown

    def _keep_beating(self) -> None:
        """In a thread of its own: a look may take a while. One that hangs is not covered up."""
        while not self._over.wait(_BEAT_S):
            now = time.time()
            if now - self._heard < _HANGS_S:
                self._write(now)

    def _write(self, now: float | None = None) -> None:
        """Write the latest state, as it was told or as it is `now`, never an older one."""
        with self._lock, contextlib.suppress(OSError):
            state = self.state
            if state is None or (now is not None and state.phase is Phase.ENDED):
                return
            state = state if now is None else _at(state, now)
            self._beaten = state.now
            heartbeat.write(self.repository, state)

    def _table(self) -> Group:
        state = self.state
        if state is None:
            return Group()
        now = time.time()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for header in ("slot", "experiment", "run", "time"):
            table.add_column(header, no_wrap=True, overflow="ellipsis")
        table.add_column("last line")  # what is cut off first on a narrow terminal
        for slot in state.slots:
            *facts, line = self._row(slot, now)
            table.add_row(*map(Text, facts), Text(line, no_wrap=True, overflow="ellipsis"))
        return Group(table, *map(Text, summary_lines(_at(state, now), self._metric)))

    def _row(self, slot: SlotState, now: float) -> tuple[str, str, str, str, str]:
        if not slot.attempt:
            return slot.name, "-", "free", "", ""
        running = self._slots.get(slot.name, _Running())
        what = f"#{slot.experiment}" if slot.experiment is not None else slot.attempt
        elapsed = f"{now - running.since:.0f} s"
        if running.limit_s:
            elapsed += f" of {running.limit_s:.0f}"
        return slot.name, what, running.title, elapsed, for_terminal(one_line(running.line, 80))


def summary_lines(state: State, metric: str) -> list[str]:
    """The lines below the table: queue, best, spend, busy share, caps."""
    hours = (state.now - state.started) / 3600
    busy = "-" if state.busy is None else f"{state.busy:.0%}"
    best = "-" if state.best is None else number(state.best)
    queue = ", ".join(f"#{one}" for one in state.queue[:8]) or "none"
    lines = [
        f"waiting: {queue}; being thought of: {state.thinking}",
        f"{state.concluded} verdicts, {state.merged} merged in {hours:.1f} h; baseline's {metric}: "
        f"{best}; slots busy {busy}; spent ${state.usd:.2f}",
    ]
    if state.caps:
        used = (f"{cap.name} {cap.used:.4g} of {cap.limit:.4g}" for cap in state.caps)
        lines.append("caps: " + ", ".join(used))
    if state.phase is not Phase.WORKING:
        lines.append(f"{state.phase}{': ' + one_line(state.note, 120) if state.note else ''}")
    return lines


def _at(state: State, now: float) -> State:
    return replace(state, now=now)


def _ended(state: State, note: str) -> State:
    return replace(state, now=time.time(), phase=Phase.ENDED, note=note or state.note)
