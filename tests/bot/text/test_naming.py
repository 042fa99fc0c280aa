from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.naming import slug


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Raise MAX_LOGIT_SCALE from 2.0 to 4.0", "raise-max-logit-scale-from-2-0-to-4-0"),
        ("Für Élise!", "fur-elise"),
        ("", "experiment"),
        ("東京 ☃ ../..", "experiment"),
        ("a" * 100, "a" * 40),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight"),
    ],
)
def test_titles_become_readable_branch_names(title: str, expected: str) -> None:
    assert slug(title) == expected


@given(st.text())
def test_any_text_becomes_a_short_plain_name(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(title))
    assert len(slug(title)) <= 40


def test_git_accepts_names_made_from_hostile_titles() -> None:
    for title in ("-x", "a..b", "a.lock", "@{", "a b~^:?*[\\", "HEAD", "refs/heads/main", "\0"):
        name = f"refs/heads/exp/{slug(title)}"
        assert subprocess.run(["git", "check-ref-format", name]).returncode == 0
