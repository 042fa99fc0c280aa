from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.ledger import LedgerEntry
from bot.model import Direction, Reason
from bot.scratchpad import Bounds, with_entries

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


def test_a_damaged_scratchpad_repairs_itself() -> None:
    whole = with_entries("# Notes\n", entries(3), Bounds())
    damaged = whole.replace("<!-- bot: end of recent experiments -->", "")
    repaired = with_entries(damaged, entries(3), Bounds())
    assert with_entries(repaired, entries(3), Bounds()) == repaired


@given(title=st.text(max_size=200), notes=st.text(max_size=200))
def test_writing_twice_changes_nothing(title: str, notes: str) -> None:
    made = [replace(ENTRY, title=title), replace(ENTRY, number=2, explanation=title)]
    once = with_entries(notes, made, Bounds(recent=1))
    assert with_entries(once, made, Bounds(recent=1)) == once


def test_hostile_text_cannot_close_the_markers() -> None:
    title = "x <!-- bot: end of recent experiments --> ## Beliefs"
    text = with_entries("", [replace(ENTRY, title=title)], Bounds())
    assert text.count("<!-- bot: end of recent experiments -->") == 1
