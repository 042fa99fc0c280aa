from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.actions import Conclude, Measure
from bot.decide import decide
from bot.forge.base import Conflict, ForgeError, NewPull, PullRequest, State
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context
from bot.proposing.context import context
from bot.proposing.propose import NoProposal, open_proposal
from bot.text.naming import slug
from tests.bot.lab import TRAIN, Lab, ListProposer, git


@dataclass
class Scripted:
    """Hands out prepared sets of files, one after another."""

    files: list[dict[str, bytes]]
    title: str = "Try this"
    name: str = "scripted"
    seen: list[tuple[str, ...]] = field(default_factory=list)

    def propose(self, context: Context) -> Proposal:
        self.seen.append(tuple(context.refused))
        files = self.files[min(len(self.seen), len(self.files)) - 1]
        return Proposal(Hypothesis(self.title, "Because."), files, self.name)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def changed(value: float) -> dict[str, bytes]:
    return {"train.py": TRAIN.replace("1.0", str(value)).encode()}


def finish(lab: Lab) -> None:
    while True:
        view = lab.view()
        action = decide(view.snapshot)[0]
        if isinstance(action, Measure):
            lab.executor.measure(action, view)
        if isinstance(action, Conclude):
            lab.executor.conclude(action, view)
            return


def test_a_proposal_becomes_a_branch_and_a_pull_request(lab: Lab) -> None:
    pull = open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1)
    assert pull.branch == "exp/set-rate-to-3-0"
    assert git(lab.folder, "rev-parse", pull.branch) == pull.head
    assert git(lab.folder, "diff", "--name-only", f"main..{pull.branch}") == "train.py"
    assert "**Hypothesis.** Set RATE to 3.0" in pull.body
    assert git(lab.folder, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"README.md": b"x"}, "does not allow"),
        ({"train.py": TRAIN.encode()}, "changes nothing"),
        ({"train.py": TRAIN.encode() + b"# a comment\n"}, "only comments"),
        ({"train.py": b"def broken(:\n"}, "does-not-parse"),
        ({"train.py": b"x = 1\n" * 100_000}, "bytes"),
        ({"train.py": TRAIN.encode() + "# \u202e evil\nx = 1\n".encode()}, "hidden-character"),
    ],
)
def test_a_bad_proposal_goes_back_with_the_reason_and_opens_nothing(
    lab: Lab, files: dict[str, bytes], word: str
) -> None:
    proposer = Scripted([files, changed(3.0)])
    pull = open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert word in proposer.seen[1][0]
    assert lab.place.forge.pulls() == (pull,)


def test_a_proposer_that_never_learns_is_stopped(lab: Lab) -> None:
    proposer = Scripted([{"train.py": TRAIN.encode()}])
    with pytest.raises(NoProposal, match="3 proposals in a row"):
        open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert lab.place.forge.pulls() == ()
    assert git(lab.folder, "branch", "--format=%(refname:short)") == "main"


def test_an_exact_repeat_is_refused_before_it_costs_anything(lab: Lab) -> None:
    open_proposal(lab.place, lab.view(), Scripted([changed(-9.0)]), lambda: 1)
    finish(lab)
    repeat = {"train.py": changed(-9.0)["train.py"] + b"# the same again\n"}
    proposer = Scripted([repeat, changed(4.0)])
    open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    assert proposer.seen[1][0].startswith("experiment #1 tried the same code")


def test_a_taken_branch_name_gets_a_number(lab: Lab) -> None:
    git(lab.folder, "branch", "exp/try-this")
    pull = open_proposal(lab.place, lab.view(), Scripted([changed(3.0)]), lambda: 1)
    assert pull.branch == "exp/try-this-2"


def test_a_hostile_title_becomes_a_harmless_branch_and_body(lab: Lab) -> None:
    title = "$(rm -rf /) <img src=x onerror=1> @everyone \x1b[2J"
    pull = open_proposal(lab.place, lab.view(), Scripted([changed(3.0)], title), lambda: 1)
    assert pull.branch == "exp/rm-rf-img-src-x-onerror-1-everyone-2j"
    assert "<img" not in pull.body
    assert "\x1b" not in pull.title


def test_the_context_tells_the_past_and_nothing_of_open_experiments(lab: Lab) -> None:
    open_proposal(lab.place, lab.view(), Scripted([changed(-9.0)], "Lower it"), lambda: 1)
    finish(lab)
    told = context(lab.place, lab.view())
    (past,) = told.history
    assert (past.number, past.title, past.comparable) == (1, "Lower it", True)
    assert past.files == changed(-9.0)
    assert past.metric is not None and past.metric > 100
    assert told.files == {"train.py": TRAIN.encode()}
    assert told.baseline == pytest.approx(14, abs=1)
    assert "Lower it" in told.scratchpad
    assert lab.place.forge.pulls(State.OPEN) == ()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Raise MAX_LOGIT_SCALE from 2 to 14", "raise-max-logit-scale-from-2-to-14"),
        ("Ärger über Größe", "arger-uber-groe"),
        ("...", "experiment"),
        ("", "experiment"),
        ("a" * 100, "a" * 40),
        ("-.lock/../@{", "lock"),
    ],
)
def test_slugs_are_short_plain_and_never_empty(title: str, expected: str) -> None:
    assert slug(title) == expected


def test_a_branch_in_the_way_is_named_at_once(lab: Lab) -> None:
    git(lab.folder, "branch", "exp")
    with pytest.raises(ForgeError, match="a branch 'exp' is in its way") as caught:
        open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1)
    assert not isinstance(caught.value, Conflict)
    assert "git branch -m exp" in str(caught.value)


def test_a_name_that_is_taken_in_the_meantime_gets_a_number(lab: Lab) -> None:
    real = lab.place.forge.open
    asked: list[str] = []

    def open_late(new: NewPull) -> PullRequest:
        if not asked:  # somebody is faster
            lab.branch(new.branch, {"train.py": "RATE = 7.0\n"})
        asked.append(new.branch)
        return real(new)

    lab.place.forge.open = open_late  # type: ignore[method-assign]
    pull = open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1)
    assert pull.branch == "exp/set-rate-to-3-0-2"


def test_another_conflict_is_not_taken_for_a_name(lab: Lab) -> None:
    def busy(new: NewPull) -> PullRequest:
        raise Conflict("Too many others.")

    lab.place.forge.open = busy  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="Too many"):
        open_proposal(lab.place, lab.view(), ListProposer([3.0]), lambda: 1)


def test_the_commit_of_a_proposal_calls_nobody_and_closes_nothing(lab: Lab) -> None:
    proposer = Scripted([changed(3.0)], title="Fixes #12 for @admin\n\nExperiment: 4")
    pull = open_proposal(lab.place, lab.view(), proposer, lambda: 1)
    message = git(lab.folder, "log", "-1", "--format=%B", pull.head)
    assert message.splitlines()[0] == "Fixes # 12 for @ admin Experiment: 4"
