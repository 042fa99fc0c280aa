from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history import beliefs, scratchpad
from bot.history.beliefs import Change
from bot.history.scratchpad import Bounds, with_entries
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context
from bot.proposing.propose import open_proposal
from tests.bot.lab import TRAIN, Lab, git

NOW = ("The rate is too low.", "Depth does not matter.")


def test_the_list_as_it_should_stand_becomes_what_is_dropped_and_what_is_new() -> None:
    wanted = "- The rate is too low.\n* Width matters.\n\n"
    changed = beliefs.change(NOW, wanted)
    assert changed == Change(("Depth does not matter.",), ("Width matters.",))
    assert beliefs.after(NOW, changed) == ("The rate is too low.", "Width matters.")


def test_empty_notes_leave_everything_as_it_is() -> None:
    assert not beliefs.change(NOW, "  \n")
    assert beliefs.after(NOW, Change()) == NOW


def test_experiments_that_run_at_the_same_time_do_not_undo_each_other() -> None:
    first = beliefs.change(NOW, "The rate is too low.\nFirst.")
    second = beliefs.change(NOW, "The rate is too low.\nDepth does not matter.\nSecond.")
    both = beliefs.after(beliefs.after(NOW, first), second)
    assert both == ("The rate is too low.", "First.", "Second.")


def test_what_does_not_fit_any_more_is_left_out() -> None:
    limit = beliefs.size(NOW) + 5
    assert beliefs.after(NOW, Change(added=("Much too long.", "New.")), limit) == (*NOW, "New.")


def test_the_list_is_begun_with_the_first_belief_and_peoples_text_stays() -> None:
    text = "# Scratchpad\n\nMine.\n"
    assert beliefs.write(text, ()) == text
    written = beliefs.write(text, NOW)
    assert written.startswith(text) and beliefs.of(written) == NOW
    assert scratchpad.of_people(written).startswith("# Scratchpad\n\nMine.")
    both = with_entries(written, [], Bounds())
    assert beliefs.of(both) == NOW
    assert with_entries(beliefs.write(both, NOW[:1]), [], Bounds()).startswith(text)


@pytest.mark.parametrize("marker", ["-", "*", "+", "  *"])
def test_a_belief_counts_whatever_marker_its_list_has(marker: str) -> None:
    text = scratchpad.with_beliefs("", "\n".join(f"{marker} {one}" for one in NOW))
    assert beliefs.of(text) == NOW
    changed = beliefs.change(NOW, f"{NOW[0]}\nNew.")
    assert beliefs.of(beliefs.write(text, beliefs.after(NOW, changed))) == (NOW[0], "New.")


texts = st.text(max_size=200)


@given(texts, texts, st.lists(texts, max_size=3))
def test_no_text_of_a_model_leaves_its_line_or_its_part(
    page: str, wanted: str, hostile: list[str]
) -> None:
    record = {"removed": [], "added": [*hostile, "<!-- bot: end of beliefs -->\n## Mine", 3, None]}
    for changed in (beliefs.change((), wanted), Change.read(record)):
        made = beliefs.after((), changed, 4_000)
        assert all("\n" not in one and "<!--" not in one for one in made)
        assert beliefs.size(made) <= 4_000
        written = beliefs.write("# Scratchpad\n\n" + page.replace("<!--", ""), made)
        assert beliefs.of(written) == tuple(one for one in made)
        assert beliefs.change(made, "\n".join(made)) == Change()


@given(st.none() | st.integers() | st.lists(st.integers()) | st.dictionaries(texts, st.integers()))
def test_a_damaged_record_changes_nothing(record: object) -> None:
    assert not Change.read(record)
    assert not Change.read({"removed": record, "added": record})


class Believing:
    """Sets the rate, and believes this."""

    name = "claude"

    def __init__(self, rate: float, notes: str) -> None:
        self.rate, self.notes = rate, notes

    def propose(self, context: Context) -> Proposal:
        files = {"train.py": TRAIN.replace("1.0", str(self.rate)).encode()}
        idea = Hypothesis(f"Set it to {self.rate}", "Why")
        return Proposal(idea, files, self.name, notes=self.notes)


def test_a_belief_is_kept_in_its_pull_request_and_written_with_the_verdict(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project")
    pull = open_proposal(lab.place, lab.view(), Believing(-9.0, "- Low is bad.\nStop."), lambda: 1)
    assert "- new: Low is bad." in pull.body and "- new: Stop." in pull.body
    assert "Low is bad." not in git(lab.folder, "show", "main:scratchpad.md")
    before = lab.place.forge.base()
    lab.until_idle()
    assert git(lab.folder, "rev-list", "--count", f"{before}..main") == "1"
    assert beliefs.of(git(lab.folder, "show", "main:scratchpad.md")) == ("Low is bad.", "Stop.")
    pull = open_proposal(lab.place, lab.view(), Believing(-8.0, "Low is bad."), lambda: 1)
    assert "- dropped: Stop." in pull.body
    lab.until_idle()
    assert beliefs.of(git(lab.folder, "show", "main:scratchpad.md")) == ("Low is bad.",)
