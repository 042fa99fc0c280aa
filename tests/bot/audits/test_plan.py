"""Audits from the first merge to the last revert, on a real repository and forge."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.actions import AskPerson, Conclude, Propose
from bot.audits import ledger as auditlog
from bot.audits.ledger import AuditEntry
from bot.audits.plan import AuditState, BeginAudit, ConcludeAudit, ContinueAudit, OpenAudit, Revert
from bot.audits.plan import next_action as next_action_of
from bot.audits.report import AUDIT_KEYS
from bot.cli import cli
from bot.decide import decide
from bot.forge.base import Conflict, PullRequest, State
from bot.forge.git import GitForge
from bot.history import ledger
from bot.model import Direction, Outcome, Purpose, Reason
from bot.proposing.context import context
from bot.standing import NEEDS_HUMAN
from bot.verdict import VerdictRule
from bot.views.texts import UNAPPLIED
from runner.result import Status
from tests.bot.lab import TRAIN, Lab, git, quadratic, rate

SETTINGS = "[audit]\nevery = 1\nruns = 3\n"
SEALED = 7312.625  # a number that occurs nowhere by itself


def with_rate(value: float, text: str = TRAIN) -> dict[str, str]:
    return {"train.py": re.sub(r"RATE = .+", f"RATE = {value}", text)}


@pytest.fixture
def lab(tmp_path: Path, git_in_memory: None) -> Lab:
    return Lab.build(tmp_path / "project", SETTINGS)


@pytest.fixture
def clone(tmp_path: Path) -> Lab:
    """The same with the real git, and with the base branch checked out."""
    return Lab.build(tmp_path / "project", SETTINGS)


def merge(lab: Lab, value: float = 3.0) -> int:
    """An improvement, merged by its verdict."""
    number = lab.experiment(with_rate(value), f"Set the rate to {value}")
    while lab.place.forge.pull(number).state is State.OPEN:
        lab.act()
    verdict = lab.place.forge.pull(number).verdict
    assert verdict and verdict.reason is Reason.IMPROVEMENT
    return number


def fluke(lab: Lab) -> int:
    """A winner that will turn out to be worse than what it replaced."""
    number = merge(lab)
    lab.measurer.metric = lambda source: 16.0 if rate(source) == 3.0 else quadratic(source)
    return number


def audits(lab: Lab) -> tuple[AuditEntry, ...]:
    return auditlog.read(lab.folder, "main")[1]


def reverts(lab: Lab) -> list[PullRequest]:
    return [pull for pull in lab.place.forge.pulls() if "reverts" in pull.record]


def test_an_audit_begins_after_so_many_merges_and_not_before(
    tmp_path: Path, git_in_memory: None
) -> None:
    lab = Lab.build(tmp_path / "project", "[audit]\nevery = 2\nruns = 3\n")
    first = merge(lab, 2.0)
    assert decide(lab.view().snapshot) == (Propose(),)
    second = merge(lab, 3.0)
    assert decide(lab.view().snapshot) == (BeginAudit((first, second)),)


def test_zero_leaves_audits_to_people(tmp_path: Path, git_in_memory: None) -> None:
    lab = Lab.build(tmp_path / "project", "[audit]\nevery = 0\n")
    merge(lab)
    assert decide(lab.view().snapshot) == (Propose(),)


def test_a_winner_that_replicates_is_written_down_and_nothing_else_changes(clone: Lab) -> None:
    number = merge(clone)
    before = clone.place.forge.base()
    assert [type(done) for done in clone.until_idle()] == [BeginAudit, ConcludeAudit]
    (entry,) = audits(clone)
    assert (entry.number, entry.replicated, entry.runs) == (number, True, 3)
    assert entry.claimed and entry.claimed.value == pytest.approx(4.0, abs=0.3)
    assert entry.confirmed and entry.confirmed.value == pytest.approx(4.0, abs=0.3)
    base = clone.place.forge.base()
    assert git(clone.folder, "rev-list", "--parents", "-1", base).split()[1:] == [before]
    assert clone.place.repository.changed_paths(before, base) == ()
    assert git(clone.folder, "status", "--porcelain") == ""
    assert decide(clone.view().snapshot) == (Propose(),)


def test_the_log_of_experiments_does_not_list_audits(lab: Lab) -> None:
    number = merge(lab)
    lab.until_idle()
    assert [entry.number for entry in ledger.read(lab.folder, "main")] == [number]


def test_winners_and_what_they_replaced_are_interleaved_on_shared_fresh_seeds(
    tmp_path: Path, git_in_memory: None
) -> None:
    lab = Lab.build(tmp_path / "project", "[audit]\nevery = 2\nruns = 3\n")
    merge(lab, 2.0)
    merge(lab, 3.0)
    measured = len(lab.measurer.measured)
    lab.act()
    order = [rate(source) for _, source in lab.measurer.measured[measured:]]
    assert order == [1.0, 2.0, 3.0] * 3  # the first winner is the parent of the second
    (audit,) = lab.place.forge.audits.read()
    seeds = [run.seed for run in audit.runs]
    assert len(set(seeds)) == 3
    assert seeds == sorted(seeds, key=seeds.index)
    assert {run.purpose for run in audit.runs} == {Purpose.AUDIT}
    lab.until_idle()
    first, second = audits(lab)
    assert first.confirmed and first.confirmed.value == pytest.approx(3.0, abs=0.3)
    assert second.confirmed and second.confirmed.value == pytest.approx(1.0, abs=0.3)


def test_a_winner_that_does_not_replicate_is_taken_back(clone: Lab) -> None:
    number = fluke(clone)
    done = clone.until_idle()
    assert sum(isinstance(action, Revert) for action in done) == 1
    (entry,) = audits(clone)
    assert not entry.replicated
    (pull,) = reverts(clone)
    assert pull.branch == f"exp/revert-{number}"
    assert pull.verdict and pull.verdict.reason is Reason.DID_NOT_REPLICATE
    assert (clone.folder / "train.py").read_text() == TRAIN
    assert git(clone.folder, "status", "--porcelain") == ""
    written = ledger.read(clone.folder, "main")[-1]
    assert written.reverts == (number, entry.session)
    assert written.outcome is Outcome.MERGED
    assert decide(clone.view().snapshot) == (Propose(),)


def test_a_revert_carries_its_evidence(lab: Lab) -> None:
    fluke(lab)
    lab.until_idle()
    (pull,) = reverts(lab)
    assert "| claimed | +4" in pull.body
    assert re.search(r"\| confirmed \| -(2|1\.9)", pull.body)
    assert "did not replicate" in pull.body


def test_a_revert_is_measured_anew_and_its_runs_are_no_runs_of_the_new_baseline(lab: Lab) -> None:
    fluke(lab)
    lab.until_idle()
    (pull,) = reverts(lab)
    own = [run for run in ledger.read(lab.folder, "main")[-1].runs() if run[0] == "candidate"]
    assert own and pull.attempts
    baseline = lab.view().snapshot.baseline
    assert not {run.seed for _, run in own} & {run.seed for run in baseline}


def test_a_winner_that_fails_its_audit_did_not_replicate(lab: Lab) -> None:
    merge(lab)
    lab.measurer.metric = lambda source: (
        Status.CRASHED if rate(source) == 3.0 else quadratic(source)
    )
    lab.act()
    action = lab.act()
    assert isinstance(action, ConcludeAudit)
    assert not action.result.replicated


LONG = TRAIN + "\n".join(f"# line {number}" for number in range(20)) + "\nprint(1)\n"


def test_a_revert_leaves_alone_what_came_later(tmp_path: Path, git_in_memory: None) -> None:
    lab = Lab.build(tmp_path / "project", "[audit]\nevery = 0\nruns = 3\n")
    lab.commit({"train.py": LONG}, "Longer")
    number = lab.experiment(with_rate(3.0, LONG))
    lab.until_idle()
    later = LONG.replace("print(1)", "print(2)")
    lab.commit(with_rate(3.0, later), "By hand")
    lab.measurer.metric = lambda source: 16.0 if rate(source) == 3.0 else quadratic(source)
    lab.act(BeginAudit((number,)))
    lab.until_idle()
    assert lab.file() == later


def conflicting(lab: Lab) -> int:
    """A fluke whose revert does not apply, because a person has changed the same line since."""
    number = fluke(lab)
    lab.commit(with_rate(2.5), "By hand")
    return number


def test_a_revert_that_conflicts_waits_for_a_person_while_work_goes_on(lab: Lab) -> None:
    conflicting(lab)
    done = lab.until_idle()
    assert sum(isinstance(action, AskPerson) for action in done) == 1
    (pull,) = reverts(lab)
    assert pull.state is State.OPEN
    assert NEEDS_HUMAN in pull.labels
    (comment,) = pull.comments
    assert "train.py" in comment.body
    assert f"git branch -D {pull.branch}" in comment.body
    assert decide(lab.view().snapshot) == (Propose(),)
    other = lab.experiment(with_rate(-9.0))
    lab.until_idle()
    assert lab.place.forge.pull(other).state is State.CLOSED
    assert lab.place.forge.pull(pull.number).state is State.OPEN


@pytest.mark.parametrize("write", ["comment", "set_labels"])
def test_killed_while_a_person_is_asked_the_question_is_asked_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    conflicting(lab)
    while not isinstance(decide(lab.view().snapshot)[0], AskPerson):
        lab.act()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(GitForge, write, killed)
        with pytest.raises(KeyboardInterrupt):
            lab.act()
    assert isinstance(lab.act(), AskPerson)
    (pull,) = reverts(lab)
    assert NEEDS_HUMAN in pull.labels
    assert [comment.body.startswith(UNAPPLIED) for comment in pull.comments] == [True]


def test_a_person_who_resolves_the_conflict_has_it_measured(lab: Lab) -> None:
    conflicting(lab)
    lab.until_idle()
    (pull,) = reverts(lab)
    lab.measurer.metric = lambda source: quadratic(source) if rate(source) == 1.5 else 16.0
    repository, parents = lab.place.repository, [pull.head, lab.place.forge.base()]
    tree = repository.tree_with(pull.head, {"train.py": with_rate(1.5)["train.py"].encode()})
    who = repository.identity()
    lab.push(pull.branch, repository.commit_tree(tree, parents, "Resolve", who, 1_700_000_000))
    lab.until_idle()
    verdict = lab.place.forge.pull(pull.number).verdict
    assert verdict and verdict.reason is Reason.DID_NOT_REPLICATE


def test_a_person_who_deletes_the_branch_keeps_the_winner(lab: Lab) -> None:
    conflicting(lab)
    lab.until_idle()
    (pull,) = reverts(lab)
    lab.delete(pull.branch)
    lab.until_idle()
    verdict = lab.place.forge.pull(pull.number).verdict
    assert verdict and verdict.reason is Reason.BY_HUMAN
    assert len(reverts(lab)) == 1


def test_a_revert_that_is_worse_is_closed_and_not_proposed_again(lab: Lab) -> None:
    number = fluke(lab)
    while not reverts(lab):
        lab.act()
    lab.measurer.metric = quadratic  # now the winner is good again
    lab.until_idle()
    (pull,) = reverts(lab)
    assert pull.verdict and pull.verdict.reason is Reason.NO_EVIDENCE
    assert rate(lab.file().encode()) == 3.0
    assert decide(lab.view().snapshot) == (Propose(),)
    assert number not in {audit.number for audit in lab.view().snapshot.audits.open}


def test_nothing_to_take_back_is_closed_as_stale(lab: Lab) -> None:
    fluke(lab)
    lab.commit({"train.py": TRAIN}, "Take it back by hand")
    lab.until_idle()
    (pull,) = reverts(lab)
    assert pull.verdict and pull.verdict.reason is Reason.STALE


def test_a_crash_in_the_middle_of_an_audit_costs_one_run(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(lab)
    original, calls = lab.measurer.result, []

    def interrupted(source: bytes, seed: int) -> dict[str, object]:
        calls.append(seed)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(source, seed)

    monkeypatch.setattr(lab.measurer, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.act()
    (audit,) = lab.place.forge.audits.read()
    assert len(audit.results) == 3
    assert isinstance(lab.act(), ContinueAudit)
    assert calls[4:] == [run.seed for run in audit.runs[3:]]
    assert isinstance(lab.act(), ConcludeAudit)
    assert len(audits(lab)) == 1


def test_a_crash_between_two_winners_of_a_session_loses_neither(
    tmp_path: Path, git_in_memory: None
) -> None:
    lab = Lab.build(tmp_path / "project", "[audit]\nevery = 2\nruns = 3\n")
    merge(lab, 2.0)
    merge(lab, 3.0)
    lab.act()
    assert isinstance(lab.act(), ConcludeAudit)
    assert len(audits(lab)) == 1  # killed here
    assert isinstance(lab.act(), ConcludeAudit)
    assert [audit.number for audit in audits(lab)] == [1, 2]
    assert decide(lab.view().snapshot) == (Propose(),)


def test_two_bots_cannot_begin_or_conclude_the_same_audit(lab: Lab) -> None:
    merge(lab)
    view = lab.view()
    action = decide(view.snapshot)[0]
    assert isinstance(action, BeginAudit)
    lab.auditor.measure(lab.auditor.begin(action, view), view)
    with pytest.raises(Conflict):
        lab.auditor.begin(action, view)
    view = lab.view()
    end = decide(view.snapshot)[0]
    assert isinstance(end, ConcludeAudit)
    lab.auditor.conclude(end, view)
    with pytest.raises(Conflict):
        lab.auditor.conclude(end, view)


def test_an_audit_of_another_runner_class_is_left_alone() -> None:
    state = AuditState(winners=(1,), open=())
    assert next_action_of(state, VerdictRule(), Direction.LOWER) is None


def test_what_was_begun_is_finished_before_anything_else_of_audits() -> None:
    part = OpenAudit(session=4, number=1, runs=3, complete=False)
    state = AuditState(winners=(1, 2), merges_since=9, open=(part,), refuted=((2, 3),))
    assert next_action_of(state, VerdictRule(), Direction.LOWER) == ContinueAudit(4)


def everything_but_the_audits(lab: Lab) -> dict[str, str]:
    """All that a proposer could read, by where it comes from."""
    read: dict[str, str] = {}
    for pull in lab.place.forge.pulls():
        shown = CliRunner().invoke(cli, ["show", str(pull.number), "--json"])
        assert shown.exit_code == 0, shown.output
        read[f"show {pull.number}"] = shown.output
        people = CliRunner().invoke(cli, ["show", str(pull.number)])
        read[f"show {pull.number} for people"] = people.output
    read["log"] = CliRunner().invoke(cli, ["log", "--json"]).output
    read["context"] = repr(context(lab.place, lab.view()))
    read["view"] = repr(lab.view())
    read["branches"] = git(lab.folder, "log", "-p", "--branches", "--format=%B")
    read["pull requests"] = git(lab.folder, "log", "-p", "--format=%B", "--glob=refs/forge/pulls")
    read["scratchpad"] = (lab.folder / "scratchpad.md").read_text()
    return read


def test_sealed_numbers_reach_people_and_nothing_else(
    clone: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    clone.measurer.sealed = lambda source: SEALED + rate(source)
    fluke(clone)
    clone.until_idle()
    planted = re.compile(r"731[35]\.6")
    found = [
        where for where, text in everything_but_the_audits(clone).items() if planted.search(text)
    ]
    assert found == []
    kept = git(clone.folder, "log", "-p", "--format=%B", "--glob=refs/forge/audits")
    assert planted.search(kept)
    done = CliRunner().invoke(cli, ["audit", "--report", "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    (audit,) = told["audits"]
    assert audit["sealed"] == pytest.approx(-2.0)  # lower is better, and the winner is higher
    assert audit["claimed"] == pytest.approx(4.0, abs=0.3)
    assert audit["confirmed"] == pytest.approx(-2.0, abs=0.3)
    assert audit["replicated"] is False
    assert told["total"]["sealed"] == audit["sealed"]


def test_the_report_has_exactly_the_documented_keys(
    clone: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    merge(clone)
    clone.until_idle()
    told = json.loads(CliRunner().invoke(cli, ["audit", "--report", "--json"]).stdout)
    keys = {"audits", "total", *(f"total.{key}" for key in told["total"])}
    keys |= {f"audits[].{key}" for key in told["audits"][0]}
    assert keys == set(AUDIT_KEYS)


def test_the_report_for_people_puts_the_confirmed_beside_the_claimed_gain(
    clone: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    empty = CliRunner().invoke(cli, ["audit", "--report"])
    assert "No winner was audited yet." in empty.output
    merge(clone)
    clone.until_idle()
    lines = CliRunner().invoke(cli, ["audit", "--report"]).stdout.splitlines()
    assert lines[0].split("\t")[2:5] == ["claimed", "confirmed", "sealed"]
    assert lines[1].split("\t")[1] == "Set the rate to 3.0"
    assert lines[2].split("\t")[1] == "in total"


def test_a_session_that_is_not_in_this_clone_has_no_sealed_numbers(
    clone: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    merge(clone)
    clone.until_idle()
    git(clone.folder, "update-ref", "-d", "refs/forge/audits/1")
    told = json.loads(CliRunner().invoke(cli, ["audit", "--report", "--json"]).stdout)
    assert told["audits"][0]["sealed"] is None
    lines = CliRunner().invoke(cli, ["audit", "--report"]).stdout.splitlines()
    assert [line.split("\t")[4] for line in lines[1:]] == ["not known", "not known"]
    clone.act(BeginAudit((1,)))  # and its number is not given again
    assert clone.place.forge.audits.numbers() == (2,)


def test_conclude_of_experiments_is_not_disturbed_by_an_open_session(lab: Lab) -> None:
    merge(lab)
    lab.act()
    other = lab.experiment(with_rate(-9.0))
    while not isinstance(lab.act(), Conclude):
        pass
    assert lab.place.forge.pull(other).state is State.CLOSED
    assert isinstance(lab.act(), ConcludeAudit)
