"""Killed at any call, or left without an answer: the next bot ends in the same place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.forge.base import BranchTaken, Conflict, ForgeError, NewPull, State
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Unreachable
from bot.forge.github.forge import GitHubForge
from bot.forge.github.remote import Move, Remote
from bot.git import Create
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import MERGED, attempt, close, merge, open_one, propose
from tests.github.faults import Fault
from tests.github.state import GitHub


class Killed(BaseException):
    """The process ends here."""


class LateComer(Remote):
    """Somebody does something when the bot has just moved a ref: by default, the base branch."""

    watched = "refs/heads/main"
    late: Callable[[], object]

    def push(self, moves: Sequence[Move]) -> None:
        super().push(moves)
        if any(move.new and move.ref.startswith(self.watched) for move in moves):
            self.late()


class Fuse:
    """Ends the process at one write: before it is sent, or when its effect is there."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.after = after

    def around(self, write: Callable[..., Any], *arguments: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        answer = write(*arguments)
        if self.left == 0:
            raise Killed
        return answer


class MortalClient(GitHubClient):
    """A client that can be ended by a fuse."""

    fuse: Fuse

    def _write(self, *arguments: Any) -> Any:
        return self.fuse.around(super()._write, *arguments)


class MortalRemote(Remote):
    """The same for pushes."""

    fuse: Fuse

    def push(self, moves: Sequence[Move]) -> None:
        self.fuse.around(super().push, moves)


def mortal(hub: GitHubHub, fuse: Fuse) -> GitHubForge:
    client = hub.new_client()
    client.__class__ = MortalClient
    client.fuse = fuse  # type: ignore[attr-defined]
    forge = hub.another_bot(client)
    forge._remote.__class__ = MortalRemote
    forge._remote.fuse = fuse  # type: ignore[attr-defined]
    return forge


def end_at_every_write(
    hub: GitHubHub, act: Callable[[GitHubForge], object], after: bool, first: int
) -> bool:
    """Let a bot be ended at its write number `first`; whether it got that far."""
    fuse = Fuse(first, after=after)
    try:
        act(mortal(hub, fuse))
    except Killed:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 6))
def test_an_opening_that_was_interrupted_is_finished_once(
    on_github: GitHubHub, github: GitHub, write: int, after: bool
) -> None:
    hub, new = on_github, propose(on_github)
    killed = end_at_every_write(hub, lambda forge: forge.open(new), after, write)
    assert killed or write == 5
    survivor = hub.another_bot()
    survivor.recover()
    if not survivor.pulls():  # ended before anything was there
        assert (write, after) == (1, False)
        survivor.open(new)
    (pull,) = survivor.pulls()
    assert (pull.head, pull.record, pull.state) == (new.head, new.record, State.OPEN)
    assert len(github.pulls) == len(github.comments) == 1
    assert github.pulls[1].labels == ["experiment: open"]
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


@pytest.mark.parametrize("write", [2, 3])  # the pull request is there; and its record
def test_a_pull_request_that_a_person_closes_before_it_is_complete_is_the_only_one(
    on_github: GitHubHub, github: GitHub, write: int
) -> None:
    hub = on_github
    assert end_at_every_write(hub, lambda forge: forge.open(propose(hub)), True, write)
    hub.new_client("grace-token").patch("issues/1", {"state": "closed"})
    survivor = hub.another_bot()
    survivor.recover()
    assert [stray.number for stray in survivor.sync_heads()] == [1]
    assert len(github.pulls) == len(github.comments) == 1
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


def test_what_somebody_else_opens_for_a_half_opened_branch_is_not_taken_for_the_bots_own(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub = on_github
    assert end_at_every_write(hub, lambda forge: forge.open(propose(hub)), True, 1)
    theirs = {"title": "Mine", "body": "", "head": "exp/one", "base": "main"}
    hub.new_client("grace-token").post("pulls", theirs)
    survivor = hub.another_bot()
    with pytest.raises(BranchTaken):
        survivor.recover()
    survivor.recover()
    assert not github.comments and not [pull for pull in survivor.pulls() if pull.record]
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


def kept_here(hub: GitHubHub) -> tuple[str, str]:
    """A complete proposal that only this clone keeps."""
    ref, commit = "refs/forge/proposals/1-a", hub.commit({"proposal.json": b"{}"}, hub.forge.base())
    hub.repository.update_refs([Create(ref, commit)], "kept")
    return ref, commit


def test_a_proposal_whose_half_opened_branch_somebody_else_uses_is_kept_again(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub = on_github
    kept = kept_here(hub)
    hub.forge.own_refs.publish(kept[0], old=None, new=kept[1])
    new = replace(propose(hub), instead_of=kept)
    assert end_at_every_write(hub, lambda forge: forge.open(new), True, 1)
    theirs = {"title": "Mine", "body": "", "head": new.branch, "base": "main"}
    hub.new_client("grace-token").post("pulls", theirs)
    survivor = hub.another_bot()
    survivor.recover()
    assert survivor.own_refs.below("refs/forge/proposals/") == dict([kept])
    with pytest.raises(BranchTaken):
        survivor.open(new)
    assert survivor.own_refs.below("refs/forge/proposals/") == dict([kept])
    assert survivor.open(replace(new, branch="exp/another")).number == 2
    assert survivor.own_refs.below("refs/forge/proposals/") == {}
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


def left_half_opened(hub: GitHubHub, write: int = 1) -> NewPull:
    """A process was killed when GitHub had taken its push, or further on."""
    new = replace(propose(hub), instead_of=kept_here(hub))
    assert end_at_every_write(hub, lambda forge: forge.open(new), True, write)
    assert hub.repository.ref("refs/forge/proposals/1-a") is not None
    return new


@pytest.mark.parametrize("recovered", [True, False])
@pytest.mark.parametrize(
    "write", [1, *(pytest.param(write, marks=pytest.mark.slow) for write in range(2, 6))]
)
def test_a_kept_proposal_whose_opening_was_interrupted_is_opened_once(
    on_github: GitHubHub, github: GitHub, write: int, recovered: bool
) -> None:
    new = left_half_opened(on_github, write)
    survivor = on_github.another_bot()
    if recovered:
        survivor.recover()
    assert survivor.open(new).number == 1
    (pull,) = survivor.pulls()
    assert (pull.head, pull.record, pull.state) == (new.head, new.record, State.OPEN)
    assert len(github.pulls) == len(github.comments) == 1
    assert survivor.own_refs.below("refs/forge/proposals/") == {}
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


@pytest.mark.parametrize("became", ["revised", "closed"])
def test_a_kept_proposal_is_not_opened_again_whatever_became_of_it(
    on_github: GitHubHub, github: GitHub, became: str
) -> None:
    hub, new = on_github, left_half_opened(on_github)
    other = hub.another_bot()
    other.recover()
    if became == "revised":
        hub.person_pushes("exp/one", hub.commit({"train.py": b"rate = 3\n"}, new.head))
    else:
        close(hub, other.pull(1), other)
        hub.person_pushes("exp/one", None)
    assert hub.another_bot().open(new).number == 1
    assert len(github.pulls) == 1


def test_what_github_keeps_is_opened_without_asking_for_more(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub, forge = on_github, on_github.forge
    ref, commit = kept_here(hub)
    forge.own_refs.publish(ref, old=None, new=commit)
    before = len(github.calls)
    forge.open(replace(propose(hub), instead_of=(ref, commit)))
    made = [call.method for call in github.calls[before:]]
    assert made == ["POST", "POST", "POST"]  # pull request, record, label


@pytest.mark.parametrize("other_is", ["quicker", "killed", "at its end"])
def test_an_opening_that_another_bot_takes_for_interrupted_is_one_all_the_same(
    on_github: GitHubHub, github: GitHub, other_is: str
) -> None:
    hub, other = on_github, on_github.another_bot()
    remote = LateComer(hub.repository, str(github.repository.path), None)
    remote.watched = "refs/forge/opening/"

    def late() -> None:
        if other_is == "killed":
            end_at_every_write(hub, lambda forge: forge.recover(), True, 1)
            return
        other.recover()
        if other_is == "at its end":
            close(hub, other.pull(1), other)

    remote.late = late
    assert hub.another_bot(remote=remote).open(propose(hub)).number == 1
    assert len(github.pulls) == 1 and hub.branch("exp/one") is not None
    bodies = [comment.body for comment in github.comments.values()]
    assert sum('"kind": "opened"' in body for body in bodies) == 1
    assert not [ref for ref in github.repository.refs() if "forge/opening" in ref]


@pytest.mark.slow
@pytest.mark.parametrize("end", [merge, close])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 5))
def test_an_ending_that_was_interrupted_is_finished_once(
    on_github: GitHubHub,
    github: GitHub,
    write: int,
    after: bool,
    end: Callable[..., str],
) -> None:
    hub, pull = on_github, open_one(on_github)
    base = hub.forge.base()
    killed = end_at_every_write(hub, lambda forge: end(hub, pull, forge), after, write)
    assert killed or write == 4
    survivor = hub.another_bot()
    survivor.recover()
    if survivor.pull(1).state is State.OPEN:
        assert (write, after, survivor.base()) == (1, False, base)
        end(hub, pull, survivor)
    ended = survivor.pull(1)
    assert ended.state is (State.MERGED if end is merge else State.CLOSED)
    assert len(ended.comments) == 1
    assert len(github.comments) == 2
    assert github.repository.text("rev-list", "--count", f"{base}..main") == (
        "2" if end is merge else "1"
    )
    assert (github.pulls[1].merged is not None) == (end is merge)
    assert github.pulls[1].labels == [f"experiment: {ended.state}"]
    assert not [ref for ref in github.repository.refs() if "forge/ending" in ref]
    assert hub.repository.ref("refs/heads/main") == survivor.base()
    assert hub.repository.dirty_paths() == ()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["status", "drop"])
def test_no_answer_to_any_write_makes_nothing_twice(
    on_github: GitHubHub, github: GitHub, kind: str, after: bool
) -> None:
    for call in ("POST .*/pulls", "POST .*/comments", "POST .*/labels", "PATCH .*", "PUT .*"):
        fault = Fault(call, kind, after=after)  # type: ignore[arg-type]
        github.faults.append(fault)
    hub = on_github
    for act in (
        lambda: hub.forge.open(propose(hub)),
        lambda: hub.forge.start(1, attempt(hub, hub.forge.pull(1))),
        lambda: merge(hub, hub.forge.pull(1)),
    ):
        try:
            act()
        except (Conflict, ForgeError):
            hub.forge.recover()
    if not github.pulls:
        hub.forge.open(propose(hub))
    hub.forge.recover()
    pull = hub.forge.pull(1)
    assert len(github.pulls) == 1
    assert pull.state is State.MERGED
    assert [comment.body for comment in pull.comments] == ["Merged."]
    bodies = [comment.body for comment in github.comments.values()]
    assert sum('"kind": "opened"' in body for body in bodies) == 1
    assert sum('"kind": "merged"' in body for body in bodies) == 1
    assert sum('"kind": "attempted"' in body for body in bodies) <= 1


def test_a_push_without_an_answer_is_looked_at(
    on_github: GitHubHub, github: GitHub, address: str
) -> None:
    """By git's own transport over HTTP, whose answer gets lost after the push took effect."""
    hub, pull = on_github, open_one(on_github)
    url = f"{address}/{github.full_name}.git"
    forge = hub.another_bot(remote=Remote(hub.repository, url, hub.client.credential))
    github.faults.append(Fault("POST .*/git-receive-pack", "drop", after=True))
    commit = merge(hub, pull, forge)
    assert (forge.base(), forge.pull(1).state) == (commit, State.MERGED)


def test_a_push_that_never_arrived_changes_nothing(
    on_github: GitHubHub, github: GitHub, address: str
) -> None:
    hub, pull = on_github, open_one(on_github)
    base, url = hub.forge.base(), f"{address}/{github.full_name}.git"
    forge = hub.another_bot(remote=Remote(hub.repository, url, hub.client.credential))
    github.faults.append(Fault("POST .*/git-receive-pack", status=502, times=9))
    with pytest.raises(Unreachable, match="Nothing was changed"):
        merge(hub, pull, forge)
    github.faults.clear()
    assert (forge.base(), forge.pull(1)) == (base, pull)


def test_a_merge_shows_late(on_github: GitHubHub, github: GitHub) -> None:
    github.merge_delay = 3
    pull = open_one(on_github)
    merge(on_github, pull)
    assert on_github.forge.pull(1).verdict == MERGED
    assert github.pulls[1].merged is not None
    assert on_github.slept  # looked again, and did not close it meanwhile
    assert github.calls[-1].method != "PATCH" or github.pulls[1].closed_by is None


def test_a_head_that_moves_in_the_instant_of_its_merge_is_closed_with_words_and_lost_nothing(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub, pull = on_github, open_one(on_github)
    newer = hub.commit({"train.py": b"rate = 3\n"}, pull.head)
    remote = LateComer(hub.repository, str(github.repository.path), None)
    remote.late = lambda: hub.repository.git.run(
        "push", "-q", str(github.repository.path), f"{newer}:refs/heads/{pull.branch}"
    )
    merge(hub, pull, hub.another_bot(remote=remote))
    shown = github.pulls[1]
    assert (shown.state, shown.merged, shown.head) == ("closed", None, newer)
    assert shown.labels == ["experiment: merged"]
    assert hub.branch(pull.branch) == newer
    survivor = hub.another_bot()
    survivor.recover()
    ended = survivor.pull(1)
    assert (ended.state, ended.verdict) == (State.MERGED, MERGED)
    (words,) = [each.body for each in ended.comments if "neither measured" in each.body]
    assert pull.head in words
    assert not [ref for ref in github.repository.refs() if "forge/ending" in ref]


def test_a_stale_list_of_comments_starts_no_attempt_twice(
    on_github: GitHubHub, github: GitHub
) -> None:
    hub, pull = on_github, open_one(on_github)
    other = hub.another_bot()
    planned = attempt(hub, pull)
    other.pull(1)
    hub.forge.start(1, planned)
    github.faults.append(Fault("GET .*/issues/1/comments", "stale"))
    with pytest.raises(Conflict, match="first"):
        other.start(1, attempt(hub, pull))
    (kept,) = other.pull(1).attempts
    assert (kept.id, kept.runs) == (planned.id, planned.runs)
