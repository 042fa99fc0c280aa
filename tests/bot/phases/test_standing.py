from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.ledger import LedgerEntry
from bot.model import Direction, Reason
from bot.phases.marks import PhaseMark
from bot.phases.standing import PhaseStanding, grant, split_program, standing
from bot.phases.tables import DEFAULT_PROGRAMME, PhaseTable

PROGRAMME = (
    PhaseTable(name="tune", patience=3, max_experiments=5),
    PhaseTable(name="build", patience=2),
    PhaseTable(name="dream"),
)


def entry(number: int, reason: Reason = Reason.WORSE, phase: str = "tune") -> LedgerEntry:
    return LedgerEntry(
        number=number,
        title="Try it",
        reason=reason,
        phase=phase,
        proposer="search",
        metric="loss",
        direction=Direction.LOWER,
        value=None,
        baseline=None,
        difference=None,
        interval=None,
        level=None,
        seeds=1,
        duration_s=1.0,
        cost_usd=0.0,
        head="h",
    )


def after(*reasons: Reason, phase: str = "tune") -> PhaseStanding:
    return standing(PROGRAMME, [entry(i, r, phase) for i, r in enumerate(reasons, 1)], ())


def test_the_first_phase_holds_from_the_start() -> None:
    now = standing(PROGRAMME, (), ())
    assert now.phase.name == "tune"
    assert (now.position, now.of, now.next) == (1, 3, "build")
    assert (now.budget_left, now.patience_left, now.over) == (5, 3, "")


def test_patience_ends_a_phase_after_so_many_experiments_without_a_win() -> None:
    assert not after(Reason.WORSE, Reason.CRASHED).over
    assert "3 experiments in a row" in after(Reason.WORSE, Reason.CRASHED, Reason.NO_EVIDENCE).over


@pytest.mark.parametrize("win", [Reason.IMPROVEMENT, Reason.SIMPLER])
def test_a_win_gives_the_whole_patience_back(win: Reason) -> None:
    assert after(Reason.WORSE, Reason.WORSE, win, Reason.WORSE).patience_left == 2


@pytest.mark.parametrize(
    "reason", [Reason.STALE, Reason.DUPLICATE, Reason.BY_HUMAN, Reason.UNMEASURED]
)
def test_what_says_nothing_of_the_idea_uses_up_no_patience(reason: Reason) -> None:
    assert after(reason, reason, reason).patience_left == 3


def test_the_budget_ends_a_phase_whatever_it_won_and_counts_what_is_open() -> None:
    entries = [entry(number, Reason.IMPROVEMENT) for number in range(4)]
    assert standing(PROGRAMME, entries, ()).budget_left == 1
    assert "has had its 5 experiments" in standing(PROGRAMME, entries, (), ["tune"]).over
    assert not standing(PROGRAMME, entries, (), ["build"]).over


def test_the_mark_that_came_last_says_which_phase_holds_and_its_counts_start_anew() -> None:
    entries = [entry(1), entry(2), entry(3), entry(4, phase="build")]
    marks = [PhaseMark("build", "Mergelab", "over", 3)]
    now = standing(PROGRAMME, entries, marks)
    assert (now.phase.name, now.experiments, now.without_win) == ("build", 1, 1)
    back = standing(PROGRAMME, entries, [*marks, PhaseMark("tune", "Ann", "again", 4)])
    assert (back.phase.name, back.experiments) == ("tune", 0)


def test_an_experiment_of_an_earlier_phase_that_ends_late_does_not_count() -> None:
    marks = [PhaseMark("build", "Mergelab", "over", 1)]
    assert standing(PROGRAMME, [entry(1), entry(2)], marks).experiments == 0


def test_a_phase_that_bot_toml_no_longer_has_is_passed_over() -> None:
    marks = [PhaseMark("build", "Mergelab", "over", 0), PhaseMark("gone", "Ann", "", 0)]
    assert standing(PROGRAMME, (), marks).phase.name == "build"
    assert standing(PROGRAMME[:1], (), marks).phase.name == "tune"


def test_the_default_programme_goes_from_values_to_parts_to_bold_ideas_without_end() -> None:
    assert [p.name for p in DEFAULT_PROGRAMME] == ["hyperparameters", "architecture", "moonshot"]
    assert DEFAULT_PROGRAMME[-1].patience is None and DEFAULT_PROGRAMME[-1].max_experiments is None


reasons = st.lists(st.sampled_from(list(Reason)), max_size=30)
names = st.sampled_from(["tune", "build", "dream", "gone", "default"])


@given(reasons, st.lists(names, max_size=30), st.lists(st.tuples(names, st.integers(-3, 40))))
def test_every_history_has_a_phase(
    ends: list[Reason], phases: list[str], begun: list[tuple[str, int]]
) -> None:
    entries = [entry(i, *pair) for i, pair in enumerate(zip(ends, phases, strict=False))]
    marks = [PhaseMark(name, "Ann", "why", at) for name, at in begun]
    now = standing(PROGRAMME, entries, marks)
    assert now.phase in PROGRAMME
    assert now.without_win <= now.experiments <= len(entries)
    assert str(now)


PROGRAM = """# Programme
Lower it.

## Phase: tune
Only values.
### A detail
Really.

## What is known
Little.
## Phase: dream
Fly.
"""


def test_sections_of_program_md_are_told_in_their_own_phase_only() -> None:
    rest, sections = split_program(PROGRAM)
    assert sections == {"tune": "Only values.\n### A detail\nReally.", "dream": "Fly."}
    assert "values" not in rest and "Fly" not in rest
    assert "Lower it." in rest and "## What is known\nLittle." in rest
    phase = replace_scope(PROGRAMME[0], "Tune.")
    assert grant(phase, PROGRAM).scope == "Tune.\n\nOnly values.\n### A detail\nReally."
    assert grant(PROGRAMME[1], PROGRAM).scope == ""


def replace_scope(phase: PhaseTable, scope: str) -> PhaseTable:
    return phase.model_copy(update={"scope": scope})


@given(st.text())
def test_any_programme_can_be_split(text: str) -> None:
    rest, sections = split_program(text)
    assert len(rest) + sum(map(len, sections.values())) <= len(text)


def test_a_standing_says_what_is_left_in_words() -> None:
    now = after(Reason.WORSE)
    assert str(now) == "tune (1 of 3): 1 experiment, 4 left; 2 more without a win end it"
    assert replace(now, phase=PROGRAMME[2]).patience_left is None
