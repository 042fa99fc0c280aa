from __future__ import annotations

import io

from bot.views.reporter import Reporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_said_is_safe_on_a_terminal() -> None:
    stream = io.StringIO()
    Reporter(stream).say("#1 \x1b[2Jtitle\u202e")
    assert stream.getvalue() == "#1 title\n"


def test_a_pipe_gets_plain_lines_when_something_changes() -> None:
    stream = io.StringIO()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        reporter.stage("training", 30)
        reporter.output("step 1 loss 2.0")
        reporter.say("done")
    assert stream.getvalue() == "  training (up to 30 s)\ndone\n"


def test_a_terminal_shows_elapsed_and_remaining_time_and_the_last_line() -> None:
    stream, now = Terminal(), iter([0.0, 0.0, *[12.0] * 9])
    with Reporter(stream, clock=lambda: next(now)) as reporter:
        reporter.stage("training", 30)
        reporter.output("step 1 loss 2.0")
    assert "training  12 s, 18 s left  | step 1 loss 2.0" in stream.getvalue()


def test_a_terminal_line_is_erased_before_anything_lasting_is_said() -> None:
    stream = Terminal()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        reporter.stage("training")
        reporter.say("done")
    assert stream.getvalue().endswith("\r\x1b[2Kdone\n")


def test_what_a_candidate_printed_cannot_steer_the_terminal() -> None:
    stream = Terminal()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        reporter.stage("training")
        reporter.output("\x1b[2Jgone\x07")
    assert "\x1b[2J" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_progress_is_a_bar() -> None:
    stream = Terminal()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        reporter.progress("preparing the data", 0.5, "scenes")
    assert "[##########          ] 50% scenes" in stream.getvalue()


def test_a_pipe_gets_one_line_for_a_long_preparation() -> None:
    stream = io.StringIO()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        for share in range(10):
            reporter.progress("preparing the data", share / 10)
    assert stream.getvalue() == "  preparing the data\n"


def test_a_stage_whose_result_was_told_does_not_come_back() -> None:
    stream = Terminal()
    with Reporter(stream, clock=lambda: 0.0) as reporter:
        reporter.stage("training")
        reporter.say("done")
        reporter.tick()
    assert stream.getvalue().count("training") == 1
