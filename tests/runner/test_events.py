from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.events import (
    DataEvent,
    Event,
    LastLine,
    NoticeEvent,
    OutputEvent,
    StageEvent,
    WaitingEvent,
    from_line,
    to_line,
)
from runner.result import Stage

TEXT = st.text(max_size=20)
NUMBER = st.floats(0, 1e6)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(DataEvent, NUMBER, TEXT),
    st.builds(NoticeEvent, TEXT),
    st.builds(WaitingEvent, TEXT),
    st.builds(OutputEvent, TEXT, TEXT),
    st.builds(StageEvent, TEXT, st.sampled_from(Stage), st.none() | TEXT, NUMBER, NUMBER),
)


@given(EVENTS)
def test_an_event_survives_its_wire_form_of_one_line(event: Event) -> None:
    line = to_line(event)
    assert line.count(b"\n") == 1
    assert from_line(line) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b'{"event": "x"}',
        b'{"event": "data"}',
        b'{"event": []}',
        b'{"event": "stage", "stage": "x"}',
        b'{"event": "result", "run": 1, "measurement": {}}',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_line(line)


def test_a_flood_of_output_makes_few_short_clean_events() -> None:
    events: list[Event] = []
    watch = LastLine("r", events.append)
    for number in range(10_000):
        watch(b"\x1b[31mstep %d\x1b[0m\n" % number + b"x" * 100)
    assert 1 <= len(events) < 100
    assert events[0] == OutputEvent("r", "step 0")


def test_half_a_line_waits_for_its_end() -> None:
    events: list[Event] = []
    LastLine("r", events.append)(b"step 1\nstep 2 lo")
    assert events == [OutputEvent("r", "step 1")]


WRITER = """
import sys, time
from runner.events import EventPipe
EventPipe(int(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_process_ends_when_the_reader_of_its_events_goes_away() -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(writing)], pass_fds=(writing,), stdout=subprocess.PIPE
    )
    os.close(writing)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.close(reading)
    assert process.wait(30) == -signal.SIGTERM
    process.stdout.close()
