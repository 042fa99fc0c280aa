from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context, ProposalFailed
from bot.proposing.propose import BOT, open_proposal
from bot.proposing.revise import may_revise, revise
from tests.bot.lab import TRAIN, Lab, git

BROKEN = {"train.py": TRAIN.replace("1.0", "rate").encode()}
MENDED = {"train.py": TRAIN.replace("1.0", "3.0").encode()}


@dataclass
class Scripted:
    """Hands out broken files, then these."""

    then: dict[str, bytes] | Exception
    name: str = "claude"
    seen: list[Context] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        self.seen.append(context)
        if context.revision is None:
            return Proposal(Hypothesis("Try it", "Because."), BROKEN, self.name)
        if isinstance(self.then, Exception):
            raise self.then
        return Proposal(
            Hypothesis("Try it", "Because."), self.then, self.name, Cost(usd=0.5, calls=1)
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def go(lab: Lab, proposer: Scripted) -> bool:
    pull = open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    return revise(
        lab.place, lab.view(), proposer, pull.number, error="NameError, line 2", now=lambda: 2
    )


def test_a_repair_becomes_a_commit_on_the_same_branch(lab: Lab) -> None:
    proposer = Scripted(MENDED)
    assert go(lab, proposer)
    pull = lab.place.forge.pull(1)
    assert git(lab.folder, "show", f"{pull.head}:train.py").encode() + b"\n" == MENDED["train.py"]
    assert git(lab.folder, "rev-list", "--count", f"main..{pull.head}") == "2"
    assert git(lab.folder, "rev-parse", pull.branch) == pull.head
    told = proposer.seen[1].revision
    assert told is not None and told.error == "NameError, line 2" and told.files == BROKEN
    assert "NameError, line 2" in pull.comments[-1].body and "$0.5000" in pull.comments[-1].body


def test_there_is_only_one_chance(lab: Lab) -> None:
    proposer = Scripted(MENDED)
    assert go(lab, proposer)
    assert not may_revise(lab.place.forge.pull(1), "claude")
    assert not revise(lab.place, lab.view(), proposer, 1, error="again", now=lambda: 3)
    assert len(proposer.seen) == 2


@pytest.mark.parametrize(
    "then",
    [
        ProposalFailed("no idea", Cost(calls=1)),
        {"train.py": TRAIN.encode()},
        {"README.md": b"x"},
        {"train.py": b"def broken(:\n"},
    ],
)
def test_a_failed_repair_uses_up_the_chance_and_says_why(
    lab: Lab, then: dict[str, bytes] | Exception
) -> None:
    assert not go(lab, Scripted(then))
    pull = lab.place.forge.pull(1)
    assert "It was not repaired" in pull.comments[-1].body
    assert not may_revise(pull, "claude")
    assert git(lab.folder, "rev-list", "--count", f"main..{pull.head}") == "1"


def test_what_others_proposed_is_not_repaired(lab: Lab) -> None:
    assert not go(lab, Scripted(MENDED, name="search"))
    pull = lab.place.forge.pull(1)
    assert not may_revise(pull, "claude")
    assert pull.author == BOT and pull.comments == ()
