from __future__ import annotations

import pytest

from bot.views.output import print_table, say


def test_a_table_is_safe_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("#", "title"), [("1", "a\tb\x1b[2J\nc\u202e\u3164")], "none")
    assert capsys.readouterr().out == "#\ttitle\n1\ta b [2J c\n"


def test_what_is_said_is_safe_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("Opened #1 \x1b]0;x\x07title\u202e")
    assert capsys.readouterr().out == "Opened #1 title\n"
