from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import Sample, mean_text, number_text, share_text, table, write_between
from runner.errors import RequestError


def test_a_mean_is_told_with_its_interval() -> None:
    assert mean_text(Sample((1.0, 2.0, 3.0))) == "2 (-0.4841 to 4.484)"  # t = 4.303 at 2 df
    assert mean_text(Sample((5.0,))) == "5 (one run)"


def test_what_was_not_measured_is_called_so() -> None:
    told = [mean_text(None), number_text(None), share_text(None)]
    assert told == ["not measured"] * 3


def test_a_document_gets_a_text_between_its_markers_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n")
    for text in ("new\n", table(("x", "y"), [("1", "2")])):
        write_between(page, "a", text)
    told = "| x | y |\n| --- | ---: |\n| 1 | 2 |"
    assert page.read_text() == f"before\n<!-- a: begin -->\n\n{told}\n\n<!-- a: end -->\nafter\n"
    with pytest.raises(RequestError, match="b: begin"):
        write_between(page, "b", "text")
