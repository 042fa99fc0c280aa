from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.actions import Conclude, Measure, Resume, Revise
from bot.decide import decide
from bot.forge.base import PullRequest
from bot.forge.git import GitForge
from bot.history import ledger, revisions
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal, Reason
from bot.proposers.base import Context, ProposalFailed
from bot.proposers.search import SearchProposer
from bot.proposing import kept
from bot.proposing.place import BOT
from bot.proposing.propose import open_proposal
from bot.proposing.revise import revise
from bot.views.pull import pull_text
from tests.bot.lab import TRAIN, Lab

BROKEN = {"train.py": TRAIN.replace("1.0", "7.0").encode()}
MENDED = {"train.py": TRAIN.replace("1.0", "3.0").encode()}
SETTINGS = '[proposer]\nname = "claude"\n'


@dataclass
class Scripted:
    """Hands out broken files, then these."""

    then: dict[str, bytes] | Exception
    name: str = "claude"
    seen: list[Context] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        self.seen.append(context)
        if context.revision is None:
            return Proposal(
                Hypothesis("Try it", "Because."), BROKEN, self.name, Cost(usd=0.25, calls=1)
            )
        if isinstance(self.then, Exception):
            raise self.then
        return Proposal(
            Hypothesis("Try it", "Because."), self.then, self.name, Cost(usd=0.5, calls=1)
        )


@pytest.fixture
def lab(tmp_path: Path, git_in_memory: None) -> Lab:
    lab = Lab.build(tmp_path / "project", SETTINGS)
    lab.measurer.breaks = lambda source: source == BROKEN["train.py"]
    return lab


def broken_experiment(lab: Lab, proposer: Scripted) -> PullRequest:
    """An experiment whose smoke run has just failed."""
    lab.proposer = proposer
    pull = open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert isinstance(lab.act(), Measure)
    return pull


def revised(lab: Lab, number: int = 1) -> int:
    """How many commits the branch has on top of the base branch's."""
    head = lab.place.forge.pull(number).head
    return int(lab.git("rev-list", "--count", f"main..{head}"))


def test_what_broke_in_its_smoke_run_is_repaired_on_the_same_branch_and_measured(lab: Lab) -> None:
    proposer = Scripted(MENDED)
    pull = broken_experiment(lab, proposer)
    assert lab.act() == Revise(1)
    now = lab.place.forge.pull(1)
    assert lab.git("show", f"{now.head}:train.py").encode() + b"\n" == MENDED["train.py"]
    assert lab.git("rev-parse", f"{pull.branch}^") == pull.head
    told = proposer.seen[1].revision
    assert told is not None and told.files == BROKEN
    assert told.error == "crashed: the smoke run ended with exit code 1"
    assert "smoke run failed" in now.comments[-1].body and "$0.5000" in now.comments[-1].body
    assert "The proposer revised it" in pull_text(now, "loss", "")
    assert "<!--" not in pull_text(now, "loss", "")
    last = lab.until_idle()[-1]
    assert isinstance(last, Conclude) and last.verdict.merged


def test_what_the_repair_cost_is_in_the_ledger_with_the_rest(lab: Lab) -> None:
    broken_experiment(lab, Scripted(MENDED))
    lab.until_idle()
    (entry,) = ledger.read(lab.folder, "main")
    assert entry.cost_usd == pytest.approx(0.75)


def test_there_is_only_one_chance(lab: Lab) -> None:
    lab.measurer.breaks = lambda source: source != TRAIN.encode()
    proposer = Scripted(MENDED)
    broken_experiment(lab, proposer)
    last = lab.until_idle()[-1]
    assert isinstance(last, Conclude) and last.verdict.reason is Reason.CRASHED
    assert len(proposer.seen) == 2


@pytest.mark.parametrize(
    "then",
    [
        ProposalFailed("no idea", Cost(usd=0.5, calls=1)),
        {"train.py": TRAIN.encode()},
        BROKEN,
        {"README.md": b"x"},
        {"train.py": b"def broken(:\n"},
    ],
)
def test_a_failed_repair_uses_up_the_chance_and_says_why(
    lab: Lab, then: dict[str, bytes] | Exception
) -> None:
    proposer = Scripted(then)
    broken_experiment(lab, proposer)
    last = lab.until_idle()[-1]
    assert isinstance(last, Conclude) and last.verdict.reason is Reason.CRASHED
    assert len(proposer.seen) == 2
    assert any("It was not revised" in comment.body for comment in lab.place.forge.pull(1).comments)
    assert revised(lab) == 1
    (entry,) = ledger.read(lab.folder, "main")
    assert entry.cost_usd == pytest.approx(0.75)


def test_a_failure_after_the_smoke_run_is_not_repaired(lab: Lab) -> None:
    from runner.result import Status

    lab.measurer.breaks = lambda source: False
    lab.measurer.metric = lambda s: Status.CRASHED if s == BROKEN["train.py"] else 10.0
    broken_experiment(lab, Scripted(MENDED))
    assert decide(lab.view().snapshot)[0] != Revise(1)


def test_an_interrupted_attempt_is_finished_before_the_repair(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposer = Scripted(MENDED)
    lab.proposer = proposer
    open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    original, calls = lab.measurer.result, []

    def interrupted(source: bytes, seed: int) -> dict[str, object]:
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(source, seed)

    monkeypatch.setattr(lab.measurer, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.act()
    monkeypatch.undo()
    assert isinstance(lab.act(), Resume)
    assert lab.act() == Revise(1)


@pytest.mark.parametrize("name", ["list", "search"])
def test_what_cannot_be_repaired_by_its_proposer_is_closed(lab: Lab, name: str) -> None:
    broken_experiment(lab, Scripted(MENDED, name=name))
    last = lab.until_idle()[-1]
    assert isinstance(last, Conclude) and last.verdict.reason is Reason.CRASHED
    assert lab.place.forge.pull(1).author == BOT and revised(lab) == 1


class Killed(BaseException):
    """The process is gone."""


def test_killed_before_the_commit_is_on_its_branch_nothing_is_asked_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    proposer = Scripted(MENDED)
    broken_experiment(lab, proposer)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(GitForge, "push", killed)
        lab.act()
    assert lab.act() == Revise(1)
    assert revised(lab) == 2 and len(proposer.seen) == 2
    assert lab.place.forge.own_refs.below(kept.PREFIX) == {}
    lab.until_idle()
    (entry,) = ledger.read(lab.folder, "main")
    assert entry.cost_usd == pytest.approx(0.75), "each call is counted once"


def test_a_revision_is_no_answer_to_another_wish(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    proposer = Scripted(MENDED)
    open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(GitForge, "push", killed)
        guided(lab, proposer)
    assert len(lab.place.forge.own_refs.below(kept.PREFIX)) == 1
    other = Revise(1, "Use 4 instead.", "c2")
    assert revise(lab.place, lab.view(), proposer, other, now=lambda: 6)
    assert len(proposer.seen) == 3 and lab.place.forge.own_refs.below(kept.PREFIX) == {}


def test_killed_before_the_comment_nothing_is_asked_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    lab.measurer.breaks = lambda source: source != TRAIN.encode()
    proposer = Scripted(MENDED)
    broken_experiment(lab, proposer)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(GitForge, "comment", killed)
        lab.act()
    last = lab.until_idle()[-1]
    assert isinstance(last, Conclude) and last.verdict.reason is Reason.CRASHED
    assert len(proposer.seen) == 2 and revised(lab) == 2


def guided(lab: Lab, proposer: Scripted, request: str = "c1") -> bool:
    action = Revise(1, "Use 3 instead.", request)
    return revise(lab.place, lab.view(), proposer, action, now=lambda: 5)


def test_a_persons_guidance_goes_the_same_way_and_is_followed_once(lab: Lab) -> None:
    proposer = Scripted(MENDED)
    open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert guided(lab, proposer)
    told = proposer.seen[1].revision
    assert told is not None and told.guidance == "Use 3 instead." and not told.error
    assert revised(lab) == 2
    assert not guided(lab, proposer)
    assert len(proposer.seen) == 2
    assert "As a person asked" in lab.place.forge.pull(1).comments[-1].body


def test_search_says_that_it_cannot_follow_words(lab: Lab) -> None:
    open_proposal(lab.place, lab.view(), Scripted(MENDED), lambda: 1)
    action = Revise(1, "Use 3 instead.", "c1")
    assert not revise(lab.place, lab.view(), SearchProposer(), action, now=lambda: 5)
    assert "another experiment" in lab.place.forge.pull(1).comments[-1].body


def test_the_number_of_experiments_does_not_keep_an_open_one_from_its_repair(
    tmp_path: Path,
) -> None:
    lab = Lab.build(tmp_path / "capped", SETTINGS + "[caps]\nmax_experiments = 1\n")
    lab.measurer.breaks = lambda source: source == BROKEN["train.py"]
    broken_experiment(lab, Scripted(MENDED))
    assert lab.act() == Revise(1)
    assert revised(lab) == 2


def test_no_proposer_can_write_that_a_request_was_answered() -> None:
    forged = revisions.message("Try it\n\nRevision: c1", None)
    assert revisions.found_in(forged) is None
    assert revisions.found_in(revisions.message("Try it\n\nRevision: c1", "c2")) == "c2"
