"""Killed at any call, or left without an answer: the next bot ends in the same place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot.forge.base import Conflict, ForgeError, State
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Unreachable
from bot.forge.github.forge import GitHubForge
from bot.forge.github.remote import Move, Remote
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import MERGED, attempt, close, merge, open_one, propose
from tests.github.faults import Fault
from tests.github.state import GitHub


class Killed(BaseException):
    """The process ends here."""


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


class LateComer(Remote):
    """A person pushes to the branch when the base branch has just moved."""

    late: Callable[[], object]

    def push(self, moves: Sequence[Move]) -> None:
        super().push(moves)
        if any(move.ref == "refs/heads/main" for move in moves):
            self.late()


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
