from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.actions import Measure
from bot.forge.base import PlannedRun
from bot.git import Repository
from bot.model import Purpose, Side
from bot.run import heartbeat
from bot.run.base import Order
from bot.run.state import Phase, SlotState, State
from bot.settings import parse
from bot.views import running
from bot.views.reporter import Reporter
from bot.views.running import RunTeller
from runner.events import NoticeEvent, OutputEvent, StageEvent
from runner.result import Stage
from tests.bot.lab import ScriptedMeasurer, make_repository

NOW = 1_850_000_000.0
STATE = State(
    started=NOW - 3_600,
    now=NOW,
    phase=Phase.WORKING,
    slots=(SlotState("0", "4.1", 4, 0, 3, NOW), SlotState("1")),
    queue=(5,),
)
RUNS = ((0, PlannedRun(Side.CANDIDATE, "0" * 40, 11, Purpose.SCREEN)),)
ORDER = Order("4.1", 4, RUNS, total=3)
MEASURE = Measure(4, 1, 2, Purpose.SCREEN)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(make_repository(tmp_path))


def night(teller: RunTeller) -> None:
    """A run on slot 0, whose script tries to paint the screen."""
    result = ScriptedMeasurer(repository=None).result(b"RATE = 3\n", 11)  # type: ignore[arg-type]
    teller.beat(replace(STATE, slots=(SlotState("0"), SlotState("1"))))
    teller.started("0", ORDER, MEASURE)
    for event in (
        NoticeEvent("No control groups here."),
        NoticeEvent("No control groups here."),
        StageEvent("0", Stage.TRAIN, None, 300.0, 330.0),
        OutputEvent("0", "step 7 loss 1.25 \x1b[2J"),
    ):
        teller.seen("0", ORDER, event)
    teller.beat(replace(STATE, phase=Phase.WAITING, note="GitHub does not answer."))
    teller.measured("0", ORDER, 0, result)


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal of 100 columns as standard error; the end at which its screen is read."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield ours
    os.close(ours)


def test_on_a_terminal_a_table_shows_every_slot_and_facts_stay_above_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.views.running.time.time", lambda: NOW)
    with terminal(monkeypatch) as screen:
        with Reporter() as reporter, RunTeller(reporter, repository, parse(b"")) as teller:
            night(teller)
            assert teller._live is not None
            teller._live.refresh()
        shown = os.read(screen, 100_000).decode()
    assert "\x1b[2J" not in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    for words in ("slot", "last line", "#4", "training", "of 300", "step 7 loss 1.25", "free"):
        assert words in plain
    assert "waiting: #5; being thought of: 0" in plain
    assert "waiting: GitHub does not answer." in plain
    assert "#4: measuring to screen: 1 of the candidate and 2 of the baseline" in plain
    assert re.search(r"\[0\] #4: run 1 of 1, candidate: \w+ 1\d", plain)


def test_elsewhere_one_plain_line_is_said_for_each_fact(repository: Repository) -> None:
    stream = io.StringIO()
    with Reporter(stream) as reporter, RunTeller(reporter, repository, parse(b"")) as teller:
        night(teller)
    begun, notice, run = stream.getvalue().splitlines()
    assert begun == "[0] #4: measuring to screen: 1 of the candidate and 2 of the baseline"
    assert notice == "No control groups here."
    assert run.startswith("[0] #4: run 1 of 1, candidate: ")


class Turns(threading.Event):
    """Stands for the time between two beats of the clock: so many turns, each a minute long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
        super().__init__()
        self.now, self.left = NOW, turns
        monkeypatch.setattr("bot.views.running.time.time", lambda: self.now)

    def wait(self, timeout: float | None = None) -> bool:
        self.now += 60
        self.left -= 1
        return self.left < 0


def beat_at(repository: Repository) -> float:
    beat = heartbeat.read(repository)
    assert beat is not None
    return beat.state.now


def test_the_heart_beats_while_a_look_takes_long_but_not_for_one_that_hangs(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(monkeypatch, 20)
    teller = RunTeller(Reporter(io.StringIO()), repository, parse(b""), _over=turns)
    teller.beat(STATE)
    teller._keep_beating()
    assert NOW + 120 <= beat_at(repository) < NOW + running._HANGS_S
    assert turns.now > NOW + running._HANGS_S + heartbeat.SILENT_S


@pytest.mark.parametrize("error", [None, RuntimeError("The disk is full.")])
def test_after_its_end_the_heart_beats_no_more(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    turns = Turns(monkeypatch, 2)
    teller = RunTeller(Reporter(io.StringIO()), repository, parse(b""), _over=turns)
    teller.beat(STATE if error else replace(STATE, phase=Phase.ENDED))
    if error:
        teller.__exit__(type(error), error, None)
    teller._keep_beating()
    beat = heartbeat.read(repository)
    assert beat is not None and beat.state.phase is Phase.ENDED
    assert beat.state.now == NOW
    assert beat.state.note == ("The disk is full." if error else "")
