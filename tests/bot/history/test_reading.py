from __future__ import annotations

from pathlib import Path

import pytest

from bot.audits import ledger as auditlog
from bot.git import Repository
from bot.history import ledger, reading
from bot.people import programme
from bot.phases import marks
from tests.bot.lab import Lab, git


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def anew(lab: Lab) -> reading.Ledger:
    entries, audits = auditlog.read(lab.folder, "main")
    phases, paused = marks.read(lab.folder, "main"), programme.read(lab.folder, "main")
    return reading.Ledger(entries, audits, phases, paused)


def experiment(lab: Lab, rate: float) -> None:
    source = (lab.folder / "train.py").read_text()
    lab.experiment({"train.py": source.replace("RATE = ", f"RATE = {rate} or ", 1)}, f"Try {rate}")
    lab.measurer.metric = lambda source: 10.0 + len(source)
    lab.until_idle()


def test_what_was_read_before_is_not_read_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment(lab, 1.5)
    first = reading.read(lab.place.repository, "main")
    assert len(first.entries) == 1
    parsed: list[str] = []
    whole = ledger.entry_in

    def counting(chunk: str) -> ledger.LedgerEntry | None:
        parsed.append(chunk)
        return whole(chunk)

    monkeypatch.setattr(ledger, "entry_in", counting)
    assert reading.read(lab.place.repository, "main") == first
    assert parsed == []
    experiment(lab, 2.5)
    assert reading.read(lab.place.repository, "main").entries[0] is first.entries[0]
    monkeypatch.undo()
    assert reading.read(lab.place.repository, "main") == anew(lab)


def test_commits_of_people_in_between_change_nothing(lab: Lab) -> None:
    experiment(lab, 1.5)
    before = reading.read(lab.place.repository, "main")
    (lab.folder / "README.md").write_text("More.\n")
    git(lab.folder, "commit", "-qam", "Write\n\nExperiment: 7 is quoted here")
    assert reading.read(lab.place.repository, "main") == before == anew(lab)


def test_a_rewritten_base_branch_is_read_anew(lab: Lab) -> None:
    start = git(lab.folder, "rev-parse", "main")
    experiment(lab, 1.5)
    assert len(reading.read(lab.place.repository, "main").entries) == 1
    git(lab.folder, "reset", "-q", "--hard", start)
    assert reading.read(lab.place.repository, "main") == anew(lab)
    assert reading.read(lab.place.repository, "main").entries == ()


def test_a_merge_that_moves_the_old_line_aside_is_noticed(lab: Lab) -> None:
    start = git(lab.folder, "rev-parse", "main")
    experiment(lab, 1.5)
    assert len(reading.read(lab.place.repository, "main").entries) == 1
    # A person merges main into a branch of theirs, and main then moves to that merge.
    git(lab.folder, "switch", "-q", "--detach", start)
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", "Mine")
    git(lab.folder, "merge", "-q", "--no-ff", "-m", "Merge main into mine", "main")
    git(lab.folder, "branch", "-f", "main", "HEAD")
    assert reading.read(Repository(lab.folder), "main") == anew(lab)


def test_a_pause_is_known_without_reading_all_again(lab: Lab) -> None:
    assert reading.read(lab.place.repository, "main").programme.paused_by is None
    for paused, by in ((True, "alice"), (False, "bob")):
        text = programme.message(paused=paused, by=by, number=1, comment=by)
        git(lab.folder, "commit", "-q", "--allow-empty", "-m", text)
        found = reading.read(lab.place.repository, "main")
        assert found == anew(lab)
        assert found.programme.paused_by == ("alice" if paused else None)
    assert found.programme.comments == {"alice", "bob"}
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", "Talk\n\nProgramme: paused\nComment: c")
    assert reading.read(lab.place.repository, "main").programme == found.programme
