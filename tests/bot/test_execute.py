"""Whole experiments on a real repository and forge; only the numbers are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.actions import Conclude, Measure, Propose, Resume
from bot.decide import decide
from bot.forge.base import Conflict, State, WorktreeDirty
from bot.history import ledger
from bot.model import Outcome, Purpose, Reason, Side
from bot.proposing.propose import open_proposal
from bot.snapshot import View
from runner.result import Status
from tests.bot.lab import TRAIN, Lab, ListProposer, git, rate

WIN = TRAIN.replace("RATE = 1.0", "RATE = 3.0")
LOSS = TRAIN.replace("RATE = 1.0", "RATE = -9.0")


def propose(lab: Lab, value: float) -> int:
    return open_proposal(lab.place, lab.view(), ListProposer([value]), lambda: 1).number


def act(lab: Lab, view: View | None = None) -> object:
    """Carry out the first action on an open experiment; the action."""
    view = view or lab.view()
    action = decide(view.snapshot)[0]
    match action:
        case Measure():
            lab.executor.measure(action, view)
        case Resume():
            lab.executor.resume(action, view)
        case Conclude():
            lab.executor.conclude(action, view)
        case _:
            lab.act(action)
    return action


def finish(lab: Lab) -> Conclude:
    for _ in range(30):
        action = act(lab)
        if isinstance(action, Conclude):
            return action
    raise AssertionError("no verdict after 30 actions")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def test_a_winner_is_merged_exactly_as_it_was_measured(lab: Lab) -> None:
    before = lab.place.forge.base()
    number = propose(lab, 3.0)
    assert finish(lab).verdict.reason is Reason.IMPROVEMENT
    repository, forge = lab.place.repository, lab.place.forge
    base, pull = forge.base(), forge.pull(number)
    measured = {tree for tree, source in lab.measurer.measured if rate(source) == 3.0}
    assert {repository.read_file(tree, "train.py") for tree in measured} == {WIN.encode()}
    assert repository.changed_paths(measured.pop(), base) == ("scratchpad.md",)
    assert git(lab.folder, "rev-list", "--parents", "-1", base).split()[1:] == [before, pull.head]
    assert pull.state is State.MERGED
    assert (lab.folder / "train.py").read_text() == WIN
    assert git(lab.folder, "status", "--porcelain") == ""


def test_a_loser_is_closed_and_leaves_only_its_entry_on_the_base_branch(lab: Lab) -> None:
    before = lab.place.forge.base()
    number = propose(lab, -9.0)
    assert finish(lab).verdict.reason is Reason.WORSE
    base = lab.place.forge.base()
    assert lab.place.repository.changed_paths(before, base) == ("scratchpad.md",)
    assert lab.place.forge.pull(number).state is State.CLOSED
    assert f"### #{number} Set RATE to -9.0" in (lab.folder / "scratchpad.md").read_text()


def test_the_ledger_tells_what_the_pull_request_tells(lab: Lab) -> None:
    number = propose(lab, 3.0)
    done = finish(lab)
    (entry,) = ledger.read(lab.folder, "main")
    assert entry.number == number
    assert entry.outcome is Outcome.MERGED
    assert done.verdict.estimate
    assert entry.difference == pytest.approx(done.verdict.estimate.difference, rel=1e-4)
    assert len(entry.runs()) == len(lab.measurer.measured)


def test_the_claimed_gain_comes_from_the_confirmation_runs_alone(lab: Lab) -> None:
    propose(lab, 3.0)
    estimate = finish(lab).verdict.estimate
    (entry,) = ledger.read(lab.folder, "main")
    confirmed = [
        run.value
        for side, run in entry.runs()
        if side is Side.CANDIDATE and run.purpose is Purpose.CONFIRM and run.value is not None
    ]
    assert estimate
    assert estimate.candidate_runs == len(confirmed) >= 2
    assert estimate.candidate_mean == pytest.approx(sum(confirmed) / len(confirmed))


def test_the_confirmation_of_a_winner_is_the_first_of_the_new_baseline(lab: Lab) -> None:
    propose(lab, 3.0)
    finish(lab)
    baseline = lab.view().snapshot.baseline
    assert baseline
    assert all(run.purpose is Purpose.CONFIRM for run in baseline)


def test_a_second_experiment_reuses_the_runs_of_the_baseline(lab: Lab) -> None:
    propose(lab, -9.0)
    finish(lab)
    propose(lab, -8.0)
    action = decide(lab.view().snapshot)[0]
    assert isinstance(action, Measure)
    assert action.baseline_runs == 0


def test_a_crash_is_closed_with_a_failed_check(lab: Lab) -> None:
    lab.measurer.metric = lambda source: Status.CRASHED if rate(source) == 7 else 10.0
    number = propose(lab, 7.0)
    assert finish(lab).verdict.reason is Reason.CRASHED
    (check,) = lab.place.forge.pull(number).checks
    assert check.conclusion == "failure"


def test_seeds_are_shared_by_the_sides_and_never_repeat(lab: Lab) -> None:
    number = propose(lab, 3.0)
    finish(lab)
    for side in Side:
        seeds = [
            run.seed
            for attempt in lab.place.forge.pull(number).attempts
            for run in attempt.runs
            if run.side is side
        ]
        assert len(seeds) == len(set(seeds))


def test_an_interrupted_attempt_makes_only_its_missing_runs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(lab, 3.0)
    original, calls = lab.measurer.result, []

    def interrupted(source: bytes, seed: int) -> dict[str, object]:
        calls.append(seed)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(source, seed)

    monkeypatch.setattr(lab.measurer, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        act(lab)
    kept = len(calls) - 1
    action = act(lab)
    assert isinstance(action, Resume)
    pull = lab.place.forge.pulls(State.OPEN)[0]
    assert pull.attempts[0].complete
    assert len(calls) == len(pull.attempts[0].runs) + 1
    assert kept == 1


def test_a_base_that_moved_for_other_reasons_keeps_the_measurements(lab: Lab) -> None:
    propose(lab, -9.0)
    act(lab)
    (lab.folder / "README.md").write_text("Other words.\n")
    git(lab.folder, "commit", "-qam", "Reword")
    measured = len(lab.measurer.measured)
    assert isinstance(act(lab), Conclude)
    assert len(lab.measurer.measured) == measured


def test_a_base_whose_candidate_changed_is_measured_anew(lab: Lab) -> None:
    propose(lab, 3.0)
    act(lab)
    (lab.folder / "train.py").write_text(TRAIN + "# a new last line\n")
    git(lab.folder, "commit", "-qam", "Edit by hand")
    action = decide(lab.view().snapshot)[0]
    assert isinstance(action, Measure)
    assert action.baseline_runs >= 2
    assert action.candidate_runs == 1


def test_a_conflict_with_the_base_closes_as_stale(lab: Lab) -> None:
    number = propose(lab, 3.0)
    (lab.folder / "train.py").write_text(TRAIN.replace("RATE = 1.0", "RATE = 2.0"))
    git(lab.folder, "commit", "-qam", "Edit by hand")
    assert finish(lab).verdict.reason is Reason.STALE
    assert lab.place.forge.pull(number).state is State.CLOSED


def test_a_base_that_moves_between_decision_and_merge_wins(lab: Lab) -> None:
    propose(lab, -9.0)
    act(lab)
    view = lab.view()
    git(lab.folder, "commit", "-q", "--allow-empty", "-m", "Somebody else")
    with pytest.raises(Conflict):
        act(lab, view)
    assert finish(lab).verdict.reason is Reason.WORSE


def test_dirty_files_in_question_make_the_merge_wait(lab: Lab) -> None:
    number = propose(lab, 3.0)
    while not isinstance(decide(lab.view().snapshot)[0], Conclude):
        act(lab)
    (lab.folder / "train.py").write_text("mine\n")
    before = lab.place.forge.base()
    with pytest.raises(WorktreeDirty, match=r"train\.py"):
        act(lab)
    assert lab.place.forge.base() == before
    assert lab.place.forge.pull(number).state is State.OPEN
    assert (lab.folder / "train.py").read_text() == "mine\n"
    git(lab.folder, "checkout", "train.py")
    assert isinstance(act(lab), Conclude)
    assert lab.place.forge.pull(number).state is State.MERGED
    assert len(lab.place.forge.pull(number).checks) == 1


def test_other_dirty_files_stay_as_they_are(lab: Lab) -> None:
    propose(lab, 3.0)
    (lab.folder / "README.md").write_text("my draft\n")
    finish(lab)
    assert (lab.folder / "README.md").read_text() == "my draft\n"
    assert (lab.folder / "train.py").read_text() == WIN


def test_another_branch_that_is_checked_out_is_left_alone(lab: Lab) -> None:
    git(lab.folder, "switch", "-qc", "elsewhere")
    propose(lab, 3.0)
    finish(lab)
    assert git(lab.folder, "show", "main:train.py") == WIN.strip()
    assert (lab.folder / "train.py").read_text() == TRAIN
    assert git(lab.folder, "status", "--porcelain") == ""


def test_a_person_who_merges_by_hand_is_recorded_as_unmeasured(lab: Lab) -> None:
    number = propose(lab, 3.0)
    git(lab.folder, "merge", "-q", "--no-ff", "-m", "I like it", "exp/set-rate-to-3-0")
    assert finish(lab).verdict.reason is Reason.UNMEASURED
    assert lab.place.forge.pull(number).state is State.MERGED
    (entry,) = ledger.read(lab.folder, "main")
    assert entry.reason is Reason.UNMEASURED
    assert (lab.folder / "train.py").read_text() == WIN


def test_a_person_who_deletes_the_branch_closes_the_experiment(lab: Lab) -> None:
    propose(lab, 3.0)
    git(lab.folder, "branch", "-qD", "exp/set-rate-to-3-0")
    assert finish(lab).verdict.reason is Reason.BY_HUMAN


def test_a_forbidden_change_pushed_later_is_never_measured(lab: Lab) -> None:
    number = propose(lab, 3.0)
    pull = lab.place.forge.pull(number)
    git(lab.folder, "switch", "-q", pull.branch)
    (lab.folder / "README.md").write_text("smuggled\n")
    git(lab.folder, "commit", "-qam", "More")
    git(lab.folder, "switch", "-q", "main")
    assert finish(lab).verdict.reason is Reason.FORBIDDEN_CHANGE
    assert lab.measurer.measured == []


def test_two_bots_on_one_clone_cannot_both_conclude(lab: Lab) -> None:
    propose(lab, -9.0)
    act(lab)
    view = lab.view()
    act(lab, view)
    with pytest.raises(Conflict):
        act(lab, view)
    assert len(ledger.read(lab.folder, "main")) == 1


def test_proposes_first_when_nothing_is_open(lab: Lab) -> None:
    assert decide(lab.view().snapshot) == (Propose(),)
