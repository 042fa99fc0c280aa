"""What crashes, people and other machines leave behind: each history ends, in the right verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.actions import Conclude, Measure, Propose, Resume
from bot.decide import decide
from bot.errors import BaselineFails
from bot.forge.base import Conclusion, PlannedRun, State, WorktreeDirty
from bot.forge.git.worktree import Worktree
from bot.history import ledger
from bot.model import Purpose, Reason
from bot.open import open_branch
from bot.people.plan import Review
from bot.proposing.propose import open_proposal
from bot.snapshot import take
from bot.views.pull import pull_text
from runner.result import Status
from tests.bot.lab import COMPARABLE, TRAIN, Lab, ListProposer, git, quadratic, rate

MOST_ACTIONS = 25


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def idea(lab: Lab, value: float, branch: str = "idea") -> int:
    lab.branch(branch, {"train.py": TRAIN.replace("1.0", str(value))})
    number = open_branch(lab.place, branch, None, "").number
    lab.act(Review(number))
    return number


def act(lab: Lab, runner_class: str = COMPARABLE) -> object:
    view = take(lab.place.repository, lab.place.forge, lab.place.settings, runner_class)
    action = decide(view.snapshot)[0]
    match action:
        case Measure():
            lab.executor.measure(action, view)
        case Resume():
            lab.executor.resume(action, view)
        case Conclude():
            lab.executor.conclude(action, view)
        case Propose():
            open_proposal(lab.place, view, ListProposer([0.5]), lambda: 1)
        case _:
            lab.act(action)
    return action


def finish(lab: Lab, runner_class: str = COMPARABLE) -> Conclude:
    for _ in range(MOST_ACTIONS):
        action = act(lab, runner_class)
        if isinstance(action, Conclude):
            return action
    raise AssertionError(f"no verdict after {MOST_ACTIONS} actions")


class Killed(BaseException):
    """The process is gone."""


def test_several_merge_bases_cannot_smuggle_a_change_past_the_policy(lab: Lab) -> None:
    folder = lab.folder
    (folder / "score.py").write_text("old\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Score")
    git(folder, "switch", "-qc", "fix")
    (folder / "score.py").write_text("FIXED\n")
    git(folder, "commit", "-qam", "Fix the scorer")
    git(folder, "switch", "-q", "main")
    (folder / "README.md").write_text("more\n")
    git(folder, "commit", "-qam", "Move on")
    before = git(folder, "rev-parse", "HEAD")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge fix", "fix")
    git(folder, "switch", "-qc", "evil", before)
    git(folder, "merge", "-q", "-s", "ours", "-m", "Merge", "fix")
    (folder / "train.py").write_text(TRAIN.replace("1.0", "2.5"))
    git(folder, "commit", "-qam", "Set the rate")
    git(folder, "switch", "-q", "main")
    open_branch(lab.place, "evil", None, "")
    assert finish(lab).verdict.reason in {Reason.FORBIDDEN_CHANGE, Reason.STALE}
    assert git(folder, "show", "main:score.py") == "FIXED"
    assert lab.measurer.measured == []


def test_a_kill_between_merge_and_files_is_finished_by_the_next_step(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Worktree, new: str) -> bool:
        raise Killed

    idea(lab, 2.5)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Worktree, "advance", killed)
        finish(lab)
    assert git(lab.folder, "status", "--porcelain") != ""
    assert lab.stepper(ListProposer([2.7])).step().verdict
    assert git(lab.folder, "status", "--porcelain") == ""
    assert rate(lab.folder.joinpath("train.py").read_bytes()) in {2.5, 2.7}


def test_a_confirmation_that_was_cut_in_half_and_moved_to_another_machine_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    idea(lab, 1.5)
    lab.measurer.noise = 0.2
    whole = lab.measurer.measure

    def cut(
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
    ) -> None:
        def once(index: int, result: Mapping[str, Any]) -> None:
            on_result(index, result)
            raise Killed

        whole(runs, once if runs[0][1].purpose is Purpose.CONFIRM else on_result)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(lab.measurer, "measure", cut)
        finish(lab)
    monkeypatch.setattr("tests.bot.lab.HARNESS", "k" * 64)
    assert finish(lab, "class-a-" + "k" * 12)


def test_a_base_that_takes_half_of_the_change_during_confirmation_still_ends(lab: Lab) -> None:
    spaced = TRAIN.replace("print(RATE)", "\n\n\n\n\n\nprint(1)\n\n\n\n\n\nprint(RATE)")
    (lab.folder / "train.py").write_text(spaced)
    git(lab.folder, "commit", "-qam", "Space")
    changed = spaced.replace("print(1)", "print(2)")
    lab.branch("idea", {"train.py": changed.replace("RATE = 1.0", "RATE = 2.5")})
    open_branch(lab.place, "idea", None, "")
    while not isinstance(decide(lab.view().snapshot)[0], Conclude):
        act(lab)
    (lab.folder / "train.py").write_text(changed)
    git(lab.folder, "commit", "-qam", "Take half of it")
    assert finish(lab)


def test_a_baseline_that_fails_stops_for_a_person_and_is_tried_again(lab: Lab) -> None:
    number = idea(lab, 2.5)
    lab.measurer.metric = lambda source: (
        Status.OUT_OF_MEMORY if rate(source) == 1.0 else quadratic(source)
    )
    for _ in range(10):
        with pytest.raises(BaselineFails, match="out-of-memory"):
            act(lab)
    assert lab.place.forge.pull(number).state is State.OPEN
    lab.measurer.metric = quadratic
    assert finish(lab).verdict.reason is Reason.IMPROVEMENT


def test_an_idea_that_was_closed_unjudged_may_be_opened_again(lab: Lab) -> None:
    idea(lab, 2.5)
    act(lab)
    git(lab.folder, "switch", "-q", "idea")
    git(lab.folder, "commit", "-q", "--amend", "-m", "Better words")
    git(lab.folder, "switch", "-q", "main")
    assert finish(lab).verdict.reason is Reason.BY_HUMAN
    open_branch(lab.place, "idea", None, "")
    assert finish(lab).verdict.reason is Reason.IMPROVEMENT


def test_an_idea_that_was_judged_is_a_duplicate(lab: Lab) -> None:
    idea(lab, -9)
    finish(lab)
    idea(lab, -9, "again")
    assert finish(lab).verdict.reason is Reason.DUPLICATE


def test_the_last_check_tells_what_really_became_of_it(lab: Lab) -> None:
    number = idea(lab, 2.5)
    while not isinstance(decide(lab.view().snapshot)[0], Conclude):
        act(lab)
    (lab.folder / "train.py").write_text("x = 1\n")
    with pytest.raises(WorktreeDirty):
        act(lab)
    git(lab.folder, "checkout", "-q", "train.py")
    git(lab.folder, "branch", "-qD", "idea")
    assert finish(lab).verdict.reason is Reason.BY_HUMAN
    assert lab.place.forge.pull(number).checks[-1].conclusion is Conclusion.CANCELLED


def test_the_check_is_put_right_although_an_earlier_one_said_the_same(lab: Lab) -> None:
    number = idea(lab, 2.5)
    while not isinstance(decide(lab.view().snapshot)[0], Conclude):
        act(lab)
    head = lab.place.forge.pull(number).head
    for path, in_between in (("train.py", ("-qD", "idea")), ("scratchpad.md", ("idea", head))):
        (lab.folder / path).write_text("x = 1\n")
        with pytest.raises(WorktreeDirty):  # as if killed between the check and the verdict
            act(lab)
        git(lab.folder, "checkout", "-q", path)
        git(lab.folder, "branch", *in_between)
    said = [check.conclusion for check in lab.place.forge.pull(number).checks]
    assert said == [Conclusion.SUCCESS, Conclusion.CANCELLED]
    assert finish(lab).verdict.reason is Reason.IMPROVEMENT
    assert lab.place.forge.pull(number).checks[-1].conclusion is Conclusion.SUCCESS


def test_a_squash_by_hand_is_recorded_as_unmeasured(lab: Lab) -> None:
    number = idea(lab, 2.5)
    git(lab.folder, "merge", "-q", "--squash", "idea")
    git(lab.folder, "commit", "-qm", "Squashed by a person")
    assert finish(lab).verdict.reason is Reason.UNMEASURED
    assert lab.place.forge.pull(number).state is State.MERGED


def test_a_second_pull_request_of_a_winner_is_no_merge_by_hand(lab: Lab) -> None:
    first = idea(lab, 2.5)
    finish(lab)
    git(lab.folder, "branch", "copy", lab.place.forge.pull(first).head)
    lab.place.forge.open(
        _reopened(lab, first, "copy")  # the same head under another name
    )
    assert finish(lab).verdict.reason in {Reason.DUPLICATE, Reason.STALE}


def _reopened(lab: Lab, number: int, branch: str) -> Any:
    from bot.forge.base import NewPull

    pull = lab.place.forge.pull(number)
    return NewPull(branch, pull.head, pull.title, pull.body, pull.author, pull.record)


def test_results_of_another_version_of_the_runner_stand_in_nobodys_way(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = idea(lab, 2.5)
    original = lab.measurer.result
    with monkeypatch.context() as patch:
        patch.setattr(
            lab.measurer, "result", lambda s, seed: {**original(s, seed), "schema_version": 9}
        )
        with pytest.raises(ValueError, match="schema_version"):
            act(lab)
    assert finish(lab).verdict.reason is Reason.IMPROVEMENT
    assert pull_text(lab.place.forge.pull(number), "mean_rank", "")


def test_a_crash_says_what_went_wrong_where_people_look(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = idea(lab, 0.5)
    lab.measurer.metric = lambda s: Status.CRASHED if rate(s) == 0.5 else quadratic(s)
    original = lab.measurer.result
    more = {
        "message": "training crashed with exit code 1: ValueError at line 7",
        "log_tail": "Traceback ...\nValueError: shapes do not match\n",
    }
    monkeypatch.setattr(lab.measurer, "result", lambda s, seed: {**original(s, seed), **more})
    verdict = finish(lab).verdict
    assert "ValueError at line 7" in verdict.explanation
    (entry,) = ledger.read(lab.folder, "main")
    assert "ValueError at line 7" in entry.explanation
    shown = pull_text(lab.place.forge.pull(number), "mean_rank", "")
    assert "ValueError: shapes do not match" in shown
