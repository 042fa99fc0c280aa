from __future__ import annotations

import os
import pty
import re
import sys

import pytest

from runner.display import display
from runner.events import DataEvent, NoticeEvent, OutputEvent, StageEvent, WaitingEvent
from runner.result import Stage

SHOW = """
import time
from runner.display import display
from runner.events import NoticeEvent, OutputEvent, StageEvent, WaitingEvent
from runner.result import Stage
with display("mean_rank") as emit:
    emit(NoticeEvent("a [bold]warning[/bold]"))
    emit(WaitingEvent("waiting for another"))
    time.sleep(0.3)
    emit(StageEvent("r1", Stage.TRAIN, None, 30.0, 40.0))
    emit(OutputEvent("r1", "step 7 [bold]loss[/bold] 1.5 " + "x" * 300))
    time.sleep(0.6)
"""


def test_without_a_terminal_there_are_plain_lines_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with display("mean_rank") as emit:
        for share in range(101):
            emit(DataEvent(share / 100, "drawing"))
        emit(NoticeEvent("a warning"))
        emit(WaitingEvent("waiting for another"))
        emit(StageEvent("r1", Stage.PREDICT, "images", 60.0, 60.0))
        emit(OutputEvent("r1", "too early to show"))
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[11:13] == ["a warning", "waiting for another"]
    assert len(output.err.splitlines()) == 14
    assert output.err.endswith("r1: predict images (at most 60 s)\n")


def test_on_a_terminal_stage_time_and_last_line_stay_on_one_line() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm", "COLUMNS": "80"}
        os.execv(sys.executable, [sys.executable, "-c", SHOW])  # the child ends here
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0, shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    every = [line.strip() for line in re.split(r"[\r\n]", text)]
    assert "a [bold]warning[/bold]" in every
    assert any("waiting for another" in line for line in every)
    lines = [line for line in re.split(r"[\r\n]", text) if "step 7" in line]
    assert lines, text
    assert "r1: train" in lines[-1]
    assert "s left" in lines[-1]
    assert "[bold]loss[/bold]" in lines[-1]
    assert len(lines[-1].rstrip()) <= 80
