"""A complete proposal outlives every crash: it is opened by the next process, and paid once."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.forge.base import NewPull, State
from bot.git import GitLocked
from bot.history import beliefs, spending
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal, Source
from bot.proposers.base import Context
from bot.proposing import asking, kept
from bot.proposing.asking import ask
from bot.proposing.propose import Drafting, open_proposal
from bot.run.local import HereAndNow, LocalMailbox
from bot.step import Stepper
from bot.views.reporter import Reporter
from bot.views.telling import StepTeller
from tests.bot.lab import TRAIN, AtOnce, Lab, git

COST = Cost(usd=0.25, input_tokens=1_000, output_tokens=100, calls=1)


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@dataclass
class Costly:
    """Ever new ideas, each of which costs."""

    asked: int = 0
    name: str = "claude"

    def propose(self, context: Context) -> Proposal:
        self.asked += 1
        source = context.files["train.py"].replace(b"RATE = 1.0", b"RATE = %d.5" % self.asked)
        idea = Hypothesis(f"Set RATE to {self.asked}.5", "It may be better there.", "No.", "Yes.")
        return Proposal(
            idea,
            {"train.py": source},
            self.name,
            COST,
            notes="- A belief.",
            sources=(Source("https://example.org/a", "A page"),),
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project", settings='[proposer]\nname = "claude"\n')


def steps(lab: Lab, proposer: Costly) -> Stepper:
    """A process: the production scheduler and `ask`, with measurements that are over at once."""
    jobs = AtOnce(lab.measurer, proposer)
    asking = HereAndNow(lab.place, lambda name: proposer)
    teller = StepTeller(Reporter(io.StringIO()), "mean_rank")
    return Stepper(lab.place, jobs, asking, LocalMailbox(), teller)


def waiting(lab: Lab) -> list[str]:
    return sorted(lab.place.forge.own_refs.below(kept.PREFIX))


def dies(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> None:
    """The process is killed when it calls that, once it has done it if `after`."""
    real: Callable[..., Any] = getattr(owner, name)

    def call(*arguments: Any, **more: Any) -> None:
        if after:
            real(*arguments, **more)
        raise Killed

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("boundary", "asked"),
    [
        ("before it is written down", 2),
        ("once it is written down", 1),
        ("before it is offered to other clones", 1),
        ("before its cost is shared", 1),
        ("before it is opened", 1),
        ("once it is opened", 1),
    ],
)
def test_killed_at_any_boundary_nothing_complete_is_paid_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, boundary: str, asked: int
) -> None:
    proposer = Costly()
    forge, repository = lab.place.forge, lab.place.repository
    with monkeypatch.context() as patched:
        match boundary:
            case "before it is written down":
                dies(patched, repository, "update_refs")
            case "once it is written down":
                dies(patched, repository, "update_refs", after=True)
            case "before it is offered to other clones":
                dies(patched, forge.own_refs, "publish")
            case "before its cost is shared":
                dies(patched, asking._Notes, "share")
            case "before it is opened":
                dies(patched, forge, "open")
            case _:
                dies(patched, forge, "open", after=True)
        with pytest.raises(Killed):
            steps(lab, proposer).step()
    assert proposer.asked == 1
    outcome = steps(lab, proposer).step()
    (pull,) = lab.place.forge.pulls()
    assert proposer.asked == asked
    assert outcome is not None and pull.state is not State.OPEN
    assert waiting(lab) == []
    # What was in flight when it was killed is in no book; everything else is, once.
    assert spending.noted(repository) == COST
    assert pull.record["cost"]["usd"] == 0.25


def test_a_cost_that_cannot_be_shared_now_loses_no_proposal(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise GitLocked("update-ref", 128, "Unable to create 'x.lock': File exists.", lab.folder)

    monkeypatch.setattr(spending, "share", locked)
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    assert ask(lab.place, Costly(), told, 7).kept is not None


def test_nothing_that_was_said_is_lost_on_the_way(lab: Lab) -> None:
    view = lab.view()
    told = Drafting(lab.place, lambda: 7).told(view)
    proposal = ask(lab.place, Costly(), told, 7)
    (found,) = kept.waiting(lab.place)
    assert found.proposal == proposal
    assert (found.base, found.phase, found.revises) == (view.snapshot.base, told.phase.name, None)
    assert git(lab.folder, "log", "-1", "--format=%s", waiting(lab)[0]).startswith("A proposal of")


def test_two_processes_that_find_the_same_proposal_open_it_once(lab: Lab) -> None:
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    proposal = ask(lab.place, Costly(), told, 7)
    first, second = Drafting(lab.place, lambda: 8), Drafting(lab.place, lambda: 9)
    assert first.take(lab.view(), proposal, told)
    assert second.take(lab.view(), proposal, told)
    assert second.pull is None and second.words == ""
    assert len(lab.place.forge.pulls()) == 1


def test_whoever_opens_it_opens_the_same_commit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    proposal = ask(lab.place, Costly(), told, 7)
    tried: list[str] = []

    def killed(new: NewPull) -> None:
        tried.append(new.head)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(lab.place.forge, "open", killed)
        Drafting(lab.place, lambda: 8).take(lab.view(), proposal, told)
    git(lab.folder, "config", "user.name", "Another clone")
    lab.place.repository._committer = None
    Drafting(lab.place, lambda: 9).take(lab.view(), proposal, told)
    assert [pull.head for pull in lab.place.forge.pulls()] == tried


def test_it_starts_from_the_base_that_it_was_made_for(lab: Lab) -> None:
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    ask(lab.place, Costly(), told, 7)
    (lab.folder / "train.py").write_text(TRAIN + "print('merged meanwhile')\n")
    git(lab.folder, "commit", "-qam", "Another winner")
    steps(lab, proposer := Costly()).step()
    (pull,) = lab.place.forge.pulls()
    assert proposer.asked == 0
    assert git(lab.folder, "diff", "--stat", f"{pull.head}^", pull.head).count("train.py") == 1
    assert "merged meanwhile" not in git(lab.folder, "diff", f"{pull.head}^", pull.head)
    tree = lab.place.repository.merge_tree(lab.place.forge.base(), pull.head)
    merged = lab.place.repository.read_file(str(tree), "train.py") or b""
    assert b"merged meanwhile" in merged and b"RATE = 1.5" in merged


def test_it_undoes_no_belief_that_came_after_it(lab: Lab) -> None:
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    ask(lab.place, Costly(), told, 7)
    page = lab.folder / "scratchpad.md"
    page.write_text(beliefs.write(page.read_text(), ["Of a verdict meanwhile."]))
    git(lab.folder, "commit", "-qam", "A verdict")
    steps(lab, Costly()).step()
    (pull,) = lab.place.forge.pulls()
    assert pull.record["beliefs"] == {"removed": [], "added": ["A belief."]}
    assert set(beliefs.of(page.read_text())) == {"Of a verdict meanwhile.", "A belief."}


def test_a_cap_that_was_reached_by_it_does_not_keep_it_from_being_opened(tmp_path: Path) -> None:
    settings = '[proposer]\nname = "claude"\n[caps]\nmax_usd = 0.2\n'
    lab = Lab.build(tmp_path / "project", settings=settings)
    told = Drafting(lab.place, lambda: 7).told(lab.view())
    ask(lab.place, Costly(), told, 7)
    steps(lab, proposer := Costly()).step()
    assert proposer.asked == 0
    (pull,) = lab.place.forge.pulls()
    assert pull.state is not State.OPEN


def test_no_more_are_opened_than_experiments_are_allowed_and_the_others_wait(
    tmp_path: Path,
) -> None:
    capped = '[proposer]\nname = "claude"\n[caps]\nmax_experiments = %d\n'
    lab = Lab.build(tmp_path / "project", settings=capped % 2)
    proposer = Costly()
    for _ in range(3):
        ask(lab.place, proposer, Drafting(lab.place, lambda: 7).told(lab.view()), 7)
    steps(lab, proposer).step()
    assert (len(lab.place.forge.pulls()), len(waiting(lab))) == (2, 1)
    more = Lab.at(lab.folder, capped % 3)
    for _ in range(2):
        steps(more, proposer).step()
    assert (len(lab.place.forge.pulls()), waiting(lab)) == (3, [])
    assert proposer.asked == 3


def test_one_that_is_refused_buys_no_other(lab: Lab) -> None:
    """As many are open as are asked for: whether to ask for more is decided anew."""
    proposer = Costly()
    ask(lab.place, proposer, Drafting(lab.place, lambda: 7).told(lab.view()), 7)
    lab.experiment({"train.py": TRAIN.replace("1.0", "1.5")}, "A person had the same idea")
    steps(lab, proposer).step()
    assert proposer.asked == 1
    assert (len(lab.place.forge.pulls()), waiting(lab)) == (1, [])


def test_a_refused_proposal_is_not_kept(lab: Lab) -> None:
    @dataclass
    class Forbidden(Costly):
        def propose(self, context: Context) -> Proposal:
            found = super().propose(context)
            return found if self.asked > 1 else Proposal(found.hypothesis, {"x.py": b""}, "claude")

    open_proposal(lab.place, lab.view(), Forbidden(), lambda: 7)
    assert waiting(lab) == []


def test_a_credential_is_kept_nowhere(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "planted-secret-value")

    class Careless(Costly):
        def propose(self, context: Context) -> Proposal:
            found = super().propose(context)
            return Proposal(found.hypothesis, {"train.py": b"x = 'planted-secret-value'\n"}, "c")

    ask(lab.place, Careless(), Drafting(lab.place, lambda: 7).told(lab.view()), 7)
    assert waiting(lab) == []


def test_a_damaged_one_is_left_where_it_is_and_stops_nothing(lab: Lab) -> None:
    blob = lab.place.repository.write_blob(b'{"files": 7}')
    tree = lab.place.repository.write_tree({"proposal.json": ("100644", blob)})
    who = lab.place.repository.identity()
    commit = lab.place.repository.commit_tree(tree, [], "?", who, 1)
    git(lab.folder, "update-ref", f"{kept.PREFIX}1-damaged", commit)
    steps(lab, proposer := Costly()).step()
    assert proposer.asked == 1 and waiting(lab) == [f"{kept.PREFIX}1-damaged"]


def test_a_process_that_is_killed_between_answers_has_written_their_cost_down(
    lab: Lab,
) -> None:
    """A real process and a real SIGKILL: of three calls only the one in flight is lost."""
    program = f"""
        import os, signal
        from pathlib import Path
        from bot.proposing.asking import ask
        from bot.proposing.propose import Drafting
        from tests.bot.lab import Lab
        from tests.bot.proposing.test_kept import COST, Costly

        class Long(Costly):
            def propose(self, context):
                for _ in range(2):
                    context.account.settle(COST)
                os.kill(os.getpid(), signal.SIGKILL)

        lab = Lab.at(Path({str(lab.folder)!r}))
        ask(lab.place, Long(), Drafting(lab.place, lambda: 7).told(lab.view()), 7)
    """
    code = textwrap.dedent(program)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert spending.noted(lab.place.repository) == COST + COST
