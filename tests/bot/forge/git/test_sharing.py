"""Several clones over one bare remote: one history, whoever was first."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bot.actions import Propose
from bot.decide import decide
from bot.forge.base import Conflict, State, Unreachable
from bot.forge.git import GitForge
from bot.forge.git.sharing import OutOfStep
from bot.git import Identity, RefChange
from bot.git.process import Git
from bot.git.refs import finish_refs
from bot.history import ledger, spending
from bot.history.cost import Cost
from bot.model import Proposal, Reason
from bot.open import open_branch
from bot.people.plan import Review
from bot.proposers.base import Context
from bot.proposers.tables import CapsTable
from bot.proposing.asking import ask
from bot.proposing.context import context
from bot.proposing.place import BOT
from bot.run.scheduler import Scheduler
from bot.run.terms import STEP
from tests.bot.lab import TRAIN, Lab, ListProposer, git
from tests.bot.run.simulated import surroundings

WHO = Identity("Bot", "bot@example.org")
IDEAS = ("2.5", "-9.0", "2.9", "0.5")


def shared(folder: Path, origin: Path) -> Lab:
    """A clone in which a bot works through the remote."""
    lab = Lab.build(folder)
    git(folder, "remote", "add", "origin", str(origin))
    if (origin / "refs" / "heads" / "main").exists():
        git(folder, "fetch", "-q", "origin")
        git(folder, "reset", "-q", "--hard", "origin/main")
    else:
        git(folder, "push", "-q", "origin", "main")
    clock = iter(range(1_800_000_000, 1_900_000_000))
    repository = lab.place.repository
    forge = GitForge(repository, "main", bot=BOT, clock=lambda: float(next(clock)), remote="origin")
    lab.place = replace(lab.place, forge=forge)
    lab.executor = replace(lab.executor, forge=forge)
    return lab


@pytest.fixture
def labs(tmp_path: Path) -> tuple[Lab, Lab]:
    origin = tmp_path / "origin.git"
    origin.mkdir()
    git(origin, "init", "-q", "--bare", "-b", "main")
    return shared(tmp_path / "one", origin), shared(tmp_path / "two", origin)


def refs(lab: Lab, place: str = "") -> str:
    listing = git(lab.folder, "ls-remote", place or ".", "refs/heads/main", "refs/forge/pulls/*")
    return "\n".join(sorted(listing.split("\n")))


def idea(lab: Lab, value: str, name: str) -> int:
    lab.branch(name, {"train.py": TRAIN.replace("1.0", value)})
    return open_branch(lab.place, name, None, "").number


def reviewed(lab: Lab, value: str, name: str) -> int:
    """An idea that the bot has said its word about: next it is measured."""
    number = idea(lab, value, name)
    assert isinstance(lab.act(), Review)
    return number


def test_numbers_never_collide(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    assert [idea(one, "2.5", "a"), idea(two, "2.6", "b"), idea(one, "2.7", "c")] == [1, 2, 3]


def test_an_experiment_goes_on_in_another_clone(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    number = idea(one, "2.5", "a")
    one.act()
    two.until_idle()
    assert two.place.forge.pull(number).verdict is not None
    assert two.place.forge.pull(number).verdict.reason is Reason.IMPROVEMENT  # type: ignore[union-attr]
    assert one.until_idle() == []
    assert refs(one) == refs(two) == refs(one, "origin")
    assert git(one.folder, "status", "--porcelain") == ""
    assert "RATE = 2.5" in (one.folder / "train.py").read_text()


def spend(lab: Lab, usd: float, when: int) -> None:
    repository, forge = lab.place.repository, lab.place.forge
    spending.note(repository, Cost(usd=usd, calls=1), "dropped", who=WHO, when=when)
    spending.share(repository, forge.own_refs, WHO, when)


def test_what_clones_have_spent_adds_up_on_the_remote(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    spend(one, 6.0, 1)
    spend(two, 5.0, 2)
    spend(one, 1.0, 3)
    spending.share(two.place.repository, two.place.forge.own_refs, WHO, 4)
    assert [spending.noted(lab.place.repository).usd for lab in labs] == [12.0, 12.0]


def test_a_cap_counts_what_another_clone_has_spent(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    settings = two.place.settings.model_copy(update={"caps": CapsTable(max_usd=10.0)})
    place = replace(two.place, settings=settings)
    spend(one, 11.0, 1)
    with pytest.raises(spending.CapReached, match=r"caps\.max_usd = 10"):
        Scheduler(place, *surroundings(two, ListProposer([-9.0])), STEP).run()
    assert two.place.forge.pulls() == ()


def test_another_clone_knows_what_an_answer_cost_before_the_next_one(
    labs: tuple[Lab, Lab],
) -> None:
    """A clone that is killed in the middle of a conversation may never be seen again."""
    one, two = labs
    known: list[float] = []

    class Talks(ListProposer):
        def propose(self, context: Context) -> Proposal:
            assert context.account is not None
            for _ in range(2):
                context.account.settle(Cost(usd=3.0, calls=1))
                spending.share(two.place.repository, two.place.forge.own_refs, WHO, 2)
                known.append(spending.noted(two.place.repository).usd)
            return super().propose(context)

    ask(one.place, Talks([-9.0]), context(one.place, one.view()), 1)
    assert known == [3.0, 6.0]


def test_a_write_that_lost_the_race_changes_nothing(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    number = reviewed(one, "-9.0", "a")
    view = one.view()
    two.until_idle()
    before = refs(one, "origin")
    with pytest.raises(Conflict):
        one.act(decide(view.snapshot)[0], view)
    assert refs(one, "origin") == before
    one.until_idle()
    assert one.place.forge.pull(number).state is State.CLOSED


def test_a_result_is_kept_although_others_wrote_meanwhile(labs: tuple[Lab, Lab]) -> None:
    one, two = labs
    number = reviewed(one, "2.5", "a")
    two.view()
    usual = one.measurer.result

    def result(source: bytes, seed: int) -> dict[str, object]:
        two.place.forge.comment(number, BOT, "Meanwhile.")
        return usual(source, seed)

    one.measurer.result = result  # type: ignore[method-assign]
    one.act()
    runs = len(one.measurer.measured)
    assert runs > 1
    one.measurer.result = usual  # type: ignore[method-assign]
    pull = one.place.forge.pull(number)
    said = [comment.body for comment in pull.comments]
    assert len(pull.attempts[0].results) == runs == said.count("Meanwhile.")


def test_commits_that_only_one_clone_has_wait_for_a_person(labs: tuple[Lab, Lab]) -> None:
    one, _ = labs
    git(one.folder, "commit", "-q", "--allow-empty", "-m", "Mine")
    with pytest.raises(OutOfStep, match="git push origin main"):
        one.view()


def test_a_remote_that_is_away_is_unreachable(labs: tuple[Lab, Lab]) -> None:
    one, _ = labs
    git(one.folder, "remote", "set-url", "origin", str(one.folder / "nowhere"))
    with pytest.raises(Unreachable, match="could not fetch"):
        one.view()


SSH = """#!/bin/sh
echo "$0 $*" >> "$(dirname "$0")/asked"
for last; do :; done
exec sh -c "$last"
"""


@pytest.mark.parametrize("own", ["", "core.sshCommand", "GIT_SSH_COMMAND"])
def test_a_machine_that_stays_silent_over_ssh_is_given_up_but_a_persons_own_ssh_is_theirs(
    labs: tuple[Lab, Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    one, _ = labs
    git(one.folder, "remote", "set-url", "origin", f"somewhere:{tmp_path / 'origin.git'}")
    for name in ("ssh", "their-ssh"):
        (tmp_path / name).write_text(SSH)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if own == "core.sshCommand":
        git(one.folder, "config", own, "their-ssh")
    elif own:
        monkeypatch.setenv(own, "their-ssh")
    one.view()
    asked = (tmp_path / "asked").read_text()
    assert ("their-ssh" in asked) == bool(own)
    assert ("ConnectTimeout=30" in asked) == (not own)


def test_a_push_to_an_experiment_and_a_deleted_branch_are_seen_everywhere(
    labs: tuple[Lab, Lab],
) -> None:
    one, two = labs
    first, second = idea(one, "2.5", "a"), idea(one, "2.6", "b")
    two.view()
    at = git(two.folder, "rev-parse", "a")
    tree = two.place.repository.tree_with(at, {"train.py": TRAIN.replace("1.0", "2.8").encode()})
    new = git(two.folder, "commit-tree", tree, "-p", at, "-m", "More")
    git(two.folder, "push", "-q", "origin", f"{new}:refs/heads/a", ":refs/heads/b")
    one.until_idle()
    assert one.place.forge.pull(first).head == new
    assert one.place.forge.pull(second).verdict.reason is Reason.BY_HUMAN  # type: ignore[union-attr]


def test_killed_between_remote_and_clone_nothing_is_lost(
    labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = labs
    number = reviewed(one, "-9.0", "a")
    one.act()

    def killed(git: Git, changes: Sequence[RefChange], reason: str) -> None:
        if any(change.ref == "refs/heads/main" for change in changes):
            raise KeyboardInterrupt
        finish_refs(git, changes, reason)

    with monkeypatch.context() as patch:
        patch.setattr("bot.git.repository.finish_refs", killed)
        with pytest.raises(KeyboardInterrupt):
            one.act()
    one.place.forge.recover()
    assert one.until_idle() == []
    assert one.place.forge.pull(number).state is State.CLOSED
    assert refs(one) == refs(one, "origin")
    assert git(one.folder, "for-each-ref", "refs/forge/ending") == ""


@pytest.mark.parametrize("seed", range(2))
def test_two_bots_on_two_clones_make_one_history(labs: tuple[Lab, Lab], seed: int) -> None:
    chance = Random(seed)
    opened = 0
    for _ in range(12):
        lab = chance.choice(labs)
        if opened < len(IDEAS) and chance.random() < 0.5:
            opened += 1
            idea(lab, IDEAS[opened - 1], f"idea-{opened}")
            continue
        other = labs[1 - labs.index(lab)]
        view = lab.view()
        if chance.random() < 0.5 and not isinstance(decide(other.view().snapshot)[0], Propose):
            other.act()
        action = decide(view.snapshot)[0]
        if isinstance(action, Propose):
            continue
        with contextlib.suppress(Conflict):
            lab.act(action, view)
    for lab in (*labs, labs[0]):
        lab.until_idle()
    one, two = labs
    assert refs(one) == refs(two) == refs(one, "origin")
    entries = ledger.read(one.folder, "main")
    numbers = Counter(entry.number for entry in entries)
    assert numbers == Counter(range(1, opened + 1))
    assert all(pull.state is not State.OPEN for pull in one.place.forge.pulls())
