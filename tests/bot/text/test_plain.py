from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.plain import for_terminal, inert_cell, inert_markdown, one_line, quiet
from runner.characters import is_hidden, is_odd_space

FILLERS = "\u3164\uffa0\u115f\u1160\ufe0f\u034f\u2800\u00ad\U000e0100"


@pytest.mark.parametrize("character", [*FILLERS, "\u202e", "\u200b", "\x1b", "\u2028", "\ue000"])
def test_a_character_that_is_not_seen_is_hidden(character: str) -> None:
    assert is_hidden(character)


@pytest.mark.parametrize("character", [*"a é東🙂\t\n\r", "\u00a0", "\u3000"])
def test_what_is_seen_is_not_hidden(character: str) -> None:
    assert not is_hidden(character)


def test_only_the_common_space_is_common() -> None:
    assert [c for c in " a\t\u00a0\u2003\u3000" if is_odd_space(c)] == [
        "\u00a0",
        "\u2003",
        "\u3000",
    ]


def test_one_line_is_one_line_and_bounded() -> None:
    assert one_line("  a\r\n\tb\x1b[31m\u2028c\u202e\u200bd ") == "a b [31m cd"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"


@given(st.text(), st.integers(1, 50))
def test_one_line_never_hides_anything(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not any(is_hidden(c) or c in "\t\n\r" for c in line)
    assert one_line(line, limit) == line


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("thanks @admin", "thanks @ admin"),
        ("(@org/team)", "(@ org/team)"),
        ("\\@admin", "\\@ admin"),
        ("recall@5 of a@b.org", "recall@5 of a@b.org"),
        ("fixes #12", "fixes # 12"),
        ("Closed: org/repo#3", "Closed: org/repo# 3"),
        ("**resolves** GH-7", "**resolves** GH- 7"),
        ("fix https://example.org/o/r/issues/4", "fix https://example.org/o/r/issues/ 4"),
        ("like #12, which prefixes #3", "like #12, which prefixes #3"),
    ],
)
def test_a_commit_message_calls_nobody_and_closes_nothing(text: str, harmless: str) -> None:
    assert quiet(text) == harmless


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("<img src=x>", "&lt;img src=x>"),
        ("<!-- bot: x -->", "&lt;!-- bot: x -->"),
        ("&#64;admin", "&amp;# 64;admin".replace("# ", "#")),
        ("![x](http://x)", "!\\[x\\](http://x)"),
        ("[safe](http://evil)", "[safe\\](http://evil)"),
        ("# Verdict: merged", "\\# Verdict: merged"),
        ("---", "\\---"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("```", "\\```"),
        ("| a | b |", "\\| a | b |"),
        ("-2.1 against 12.5 (`x`): #3", "-2.1 against 12.5 (`x`): #3"),
        ("a\n\n# b", "a # b"),
    ],
)
def test_markdown_from_outside_is_only_text(text: str, inert: str) -> None:
    assert inert_markdown(text) == inert


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "a\\\\|b", "|", "\\|"])
def test_a_cell_of_a_table_stays_one_cell(text: str) -> None:
    cell = inert_cell(text)
    # In a table, a bar is part of the cell when an odd number of backslashes is before it.
    for place, character in enumerate(cell):
        if character == "|":
            before = cell[:place]
            assert (len(before) - len(before.rstrip("\\"))) % 2 == 1


@given(st.text())
def test_inert_markdown_holds_no_html_and_no_mention(text: str) -> None:
    inert = inert_markdown(text)
    assert "<" not in inert
    assert "\n" not in inert
    assert quiet(inert) == inert


def test_a_terminal_gets_text_and_no_orders() -> None:
    assert for_terminal("a\x1b[2Jb\x1b]0;title\x07\nc\td\u202e\u3164\x08") == "ab\nc   d"
    assert for_terminal("né 東京 🙂") == "né 東京 🙂"


@given(st.text())
def test_a_terminal_never_sees_a_hidden_character(text: str) -> None:
    shown = for_terminal(text)
    assert not any(is_hidden(c) or c == "\r" for c in shown)
