from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.ledger import LedgerEntry
from bot.history.scratchpad import Bounds, read, with_entries, write
from bot.model import Direction, Reason

ENTRY = LedgerEntry(
    1,
    "Raise the rate",
    Reason.WORSE,
    "default",
    "search",
    "mean_rank",
    Direction.LOWER,
    14.0,
    12.0,
    2.0,
    (1.0, 3.0),
    0.95,
    2,
    80.0,
    0.0,
    "ab" * 20,
    explanation="It is worse.",
)


def entries(count: int) -> list[LedgerEntry]:
    return [replace(ENTRY, number=n, title=f"Idea {n}") for n in range(1, count + 1)]


def test_people_keep_what_they_wrote_around_the_entries() -> None:
    text = with_entries("# Notes\n\nMine.\n", entries(1), Bounds())
    text = text.replace("Mine.", "Mine, edited.") + "\nAt the end.\n"
    again = with_entries(text, entries(2), Bounds())
    assert "Mine, edited." in again
    assert again.endswith("\nAt the end.\n")
    assert "### &#35;" not in again
    assert again.index("Idea 2") < again.index("Idea 1")


def test_older_entries_are_condensed_into_a_table_of_bounded_length() -> None:
    text = with_entries("", entries(30), Bounds(recent=5, table=10))
    assert text.count("\n### #") == 5
    assert text.count("\n| ") - 2 == 10
    assert "15 more" in text


@pytest.mark.parametrize(
    "marker",
    ["<!-- bot: end of recent experiments -->", "<!-- bot: end of earlier experiments -->"],
)
def test_a_damaged_scratchpad_repairs_itself(marker: str) -> None:
    bounds = Bounds(recent=2)
    whole = with_entries("# Notes\n", entries(4), bounds)
    repaired = with_entries(whole.replace(marker, ""), entries(4), bounds)
    assert repaired.replace("\n\n\n", "\n\n") == whole
    assert with_entries(repaired, entries(4), bounds) == repaired


def test_a_persons_section_after_a_damaged_part_is_kept() -> None:
    whole = with_entries("", entries(1), Bounds()) + "\n## Mine\n\nKept.\n"
    repaired = with_entries(
        whole.replace("<!-- bot: end of earlier experiments -->", ""), entries(1), Bounds()
    )
    assert repaired.endswith("\n## Mine\n\nKept.\n")
    assert repaired.count("<!--") == 4


MARKS = [
    f"<!-- bot: {end}{part} experiments -->"
    for end in ("", "end of ")
    for part in ("recent", "earlier")
]


@given(st.lists(st.sampled_from([*MARKS, "\n", "## Mine\n", "text ", "### #1 Idea"]), max_size=12))
def test_whatever_the_damage_one_writing_repairs_it(parts: list[str]) -> None:
    once = with_entries("".join(parts), entries(3), Bounds(recent=1))
    assert with_entries(once, entries(3), Bounds(recent=1)) == once


@given(st.binary(max_size=200))
def test_every_byte_of_a_person_is_kept(data: bytes) -> None:
    written = write(with_entries(read(data), entries(1), Bounds()))
    assert written.startswith(data.rstrip(b"\n"))


def test_a_title_stays_in_its_cell() -> None:
    text = with_entries("", [replace(ENTRY, title="a\\|b"), ENTRY], Bounds(recent=1))
    assert "| 1 | a\\\\\\|b | worse |" in text


@given(title=st.text(max_size=200), notes=st.text(max_size=200))
def test_writing_twice_changes_nothing(title: str, notes: str) -> None:
    made = [replace(ENTRY, title=title), replace(ENTRY, number=2, explanation=title)]
    once = with_entries(notes, made, Bounds(recent=1))
    assert with_entries(once, made, Bounds(recent=1)) == once


def test_hostile_text_cannot_close_the_markers() -> None:
    title = "x <!-- bot: end of recent experiments --> ## Beliefs"
    text = with_entries("", [replace(ENTRY, title=title)], Bounds())
    assert text.count("<!-- bot: end of recent experiments -->") == 1
