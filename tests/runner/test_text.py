from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.text import clean_line, clean_text

HOSTILE = [
    (b"\x1b[31mred\x1b[0m", "red"),
    (b"\x1b]0;new title\x07text", "text"),
    (b"\x1b]8;;http://host\x1b\\link\x1b]8;;\x1b\\", "link"),
    (b"\x1b(Bplain", "plain"),
    (b"a\x00b\x08c", "abc"),
    ("safe \u202egnp.exe\u2066".encode(), "safe gnp.exe"),
    ("zero\u200bwidth\ufeff".encode(), "zerowidth"),
    (b"10%\r20%\r\n30%", "10%\n20%\n30%"),
    (b"bad \xff byte", "bad \ufffd byte"),
    (b"\x9b31mC1".decode("latin-1").encode(), "C1"),
]


@pytest.mark.parametrize(("raw", "text"), HOSTILE)
def test_what_could_mislead_a_reader_is_removed(raw: bytes, text: str) -> None:
    assert clean_text(raw, 1000) == text


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_any_bytes_become_bounded_text_without_control_or_format_characters(
    raw: bytes, limit: int
) -> None:
    text = clean_text(raw, limit)
    assert len(text.encode()) <= limit
    categories = {unicodedata.category(character) for character in text if character != "\n"}
    assert not categories & {"Cc", "Cf", "Cs", "Co"}
    assert "\n" not in clean_line(raw, limit)
    assert len(clean_line(raw, limit)) <= limit


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=300))
def test_the_end_of_plain_text_is_kept_as_it_is(text: str) -> None:
    assert clean_text(text.encode(), 2000) == text
    assert text.endswith(clean_text(text.encode(), 20))


def test_the_last_line_skips_blank_lines_and_is_cut() -> None:
    assert clean_line(b"first\nsecond\n\n   \n") == "second"
    assert clean_line(b"x" * 1000, 10) == "x" * 10
    assert clean_line(b"\n\n") == ""


@pytest.mark.parametrize(
    "character", ["\ufe0f", "\U000e0106", "\u3164", "\u115f", "\u2800", "\u034f"]
)
def test_invisible_characters_carry_nothing_to_a_reader(character: str) -> None:
    assert clean_text(f"ok{character}!".encode(), 100) == "ok!"


def test_marks_cannot_be_stacked_without_end() -> None:
    assert clean_text(("e" + "\u0301" * 500).encode(), 2_000) == "e\u0301\u0301"
