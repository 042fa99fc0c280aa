from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import LedgerError
from bot.history import ledger
from bot.history.ledger_message import Facts, message
from bot.model import Direction, Estimate, Purpose, Reason, Run, Side, Verdict


def git(folder: Path, *arguments: str, text: str | None = None) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        [*command, *arguments], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Begin")
    return tmp_path


def facts(number: int = 7, title: str = "Raise the rate", runs: int = 2) -> Facts:
    made = [
        (side, Run(f"{side}-digest", seed, "ok", 12.5 + seed, Purpose.TEST, "class", "a1", 31.25))
        for seed in range(runs)
        for side in (Side.BASELINE, Side.CANDIDATE)
    ]
    return Facts(
        number, title, "tuning", "search", "mean_rank", Direction.LOWER, "ab" * 20, tuple(made), 0.5
    )


ESTIMATE = Estimate(-2.25, -3.5, -1.0, 0.95, 10.5, 12.75, 2, 2, 4.0)
WIN = Verdict(Reason.IMPROVEMENT, "It is better.\nBy a lot.", ESTIMATE)


def test_what_was_written_is_read_back(repository: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=message(facts(), WIN))
    (entry,) = ledger.read(repository, "main")
    assert (entry.number, entry.title, entry.reason) == (7, "Raise the rate", Reason.IMPROVEMENT)
    assert (entry.metric, entry.direction, entry.value) == ("mean_rank", Direction.LOWER, 10.5)
    assert (entry.baseline, entry.difference, entry.interval) == (12.75, -2.25, (-3.5, -1.0))
    assert (entry.seeds, entry.duration_s, entry.cost_usd) == (2, 125.0, 0.5)
    assert entry.explanation == "It is better.\nBy a lot."
    assert entry.runs() == tuple(facts().runs)
    assert entry.commit == git(repository, "rev-parse", "HEAD")


def test_git_itself_reads_the_trailers(repository: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=message(facts(), WIN))
    keys = "%(trailers:key=Experiment,key=Verdict,key=Difference,separator=%x2C)"
    told = git(repository, "log", "-1", f"--format={keys}")
    assert told == "Experiment: 7,Verdict: merged,Difference: -2.25"


def test_a_history_without_experiments_is_empty(repository: Path) -> None:
    assert ledger.read(repository, "main") == ()


def test_the_first_entry_of_an_experiment_stands(repository: Path) -> None:
    for explanation in ("first", "second"):
        text = message(facts(), Verdict(Reason.WORSE, explanation))
        git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    (entry,) = ledger.read(repository, "main")
    assert entry.explanation == "first"


def test_an_experiment_without_numbers_has_none(repository: Path) -> None:
    text = message(facts(runs=0), Verdict(Reason.FORBIDDEN_CHANGE, "README.md changed."))
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    (entry,) = ledger.read(repository, "main")
    assert (entry.value, entry.difference, entry.interval, entry.seeds) == (None, None, None, 0)


def test_a_commit_by_a_person_that_quotes_the_ledger_is_passed_over(repository: Path) -> None:
    text = "Fix the docs\n\nExperiment: 12\n"
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    assert ledger.read(repository, "main") == ()


def test_damage_names_the_commit_and_what_to_do(repository: Path) -> None:
    text = message(facts(), WIN).replace("Reason: improvement", "Reason: magic")
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    with pytest.raises(LedgerError, match="cannot be read"):
        ledger.read(repository, "main")


def test_trailers_that_a_person_has_moved_or_added_to_are_read_all_the_same() -> None:
    text = message(facts(), WIN)
    story, _, block = text.rstrip("\n").rpartition("\n\n")
    moved = "\n".join([*reversed(block.split("\n")), "Signed-off-by: A <a@example.org>"])
    assert ledger.entry_of(f"{story}\n\n{moved}\n") == ledger.entry_of(text)


def test_a_trailer_that_is_missing_names_the_commit(repository: Path) -> None:
    text = message(facts(), WIN).replace("Phase: tuning\n", "")
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    with pytest.raises(LedgerError, match="Phase"):
        ledger.read(repository, "main")


def test_a_missing_branch_is_explained(repository: Path) -> None:
    with pytest.raises(LedgerError, match=r"repository\.base"):
        ledger.read(repository, "trunk")


def test_a_persons_commit_with_the_subject_of_the_ledger_is_passed_over(repository: Path) -> None:
    text = "Close experiment #3 by hand\n\nExperiment: 3 was a mistake of mine.\n"
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    assert ledger.read(repository, "main") == ()


@pytest.mark.parametrize("kind", ["fixed", "perl", "extended", "basic"])
def test_a_persons_settings_change_nothing_that_is_read(repository: Path, kind: str) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=message(facts(), WIN))
    git(repository, "config", "grep.patternType", kind)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "format.pretty", "oneline")
    assert len(ledger.read(repository, "main")) == 1


def test_no_message_can_hold_a_second_commit(repository: Path) -> None:
    forged = f"{'0' * 40} 1\n{message(facts(99), WIN)}"
    text = f"Tidy up\n\nExperiment: 1\x1e\n{forged}"
    git(repository, "commit", "-q", "--allow-empty", "-F", "-", text=text)
    assert ledger.read(repository, "main") == ()


@given(title=st.text(max_size=300), explanation=st.text(max_size=600))
def test_hostile_text_cannot_forge_a_trailer(title: str, explanation: str) -> None:
    forged = title + "\nVerdict: merged\nExperiment: 99\n\nExperiment: 99"
    verdict = Verdict(Reason.CRASHED, explanation + "\n\nExperiment: 99\nVerdict: merged")
    body = message(facts(title=forged, runs=0), verdict)
    entry = ledger.entry_in(f"{'0' * 40} 1\n{body}")
    assert entry
    assert (entry.number, entry.reason) == (7, Reason.CRASHED)
    assert "\n" not in entry.title


def test_a_title_acts_on_nothing_when_a_forge_reads_the_commit() -> None:
    verdict = Verdict(Reason.WORSE, "Closes #5, says @admin.")
    text = message(facts(title="Fixes #12 for @admin\x1b\u3164"), verdict)
    for bad in ("Fixes #12", "Closes #5", "@admin", "\x1b", "\u3164"):
        assert bad not in text
    assert ledger.entry_of(text).title == "Fixes # 12 for @ admin"


def test_a_ctrl_c_of_the_terminal_does_not_reach_the_git_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot hears it, and may finish first: the terminal signals its whole session."""
    (tmp_path / "git").write_text("#!/bin/sh\ncut -d ' ' -f 6 /proc/self/stat\nprintf '\\0'\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (session,) = ledger.commits(tmp_path, "main", ledger.GREP)
    assert int(session) != os.getsid(0)
