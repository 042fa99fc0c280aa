"""Killed at any moment, the forge is in a state that the next start brings to rest."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from bot.forge.base import Conflict, State
from bot.forge.git import store
from bot.forge.git.ending import JOURNAL
from bot.forge.git.forge import GitForge
from bot.git import Create, RefChange, Repository, Update
from tests.bot.forge.hub import (
    CLOSED,
    MERGED,
    PERSON,
    LocalHub,
    attempt,
    close,
    merge,
    merge_commit,
    open_one,
    run,
)

KILLS = 10


class Cut(BaseException):
    """The end of the process, at a chosen place."""


def cut_in_half(local: LocalHub, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Merge, but let git die after `kept` renames of its transaction."""
    honest = Repository.update_refs

    def dying(repository: Repository, changes: list[RefChange], reason: str) -> None:
        if not any(isinstance(c, Update) and c.ref == "refs/heads/main" for c in changes):
            honest(repository, changes, reason)
            return
        moving = [change for change in changes if isinstance(change, Create | Update)]
        honest(repository, moving[:kept], reason)
        raise Cut

    pull = open_one(local)
    with monkeypatch.context() as patched:
        patched.setattr(Repository, "update_refs", dying)
        with pytest.raises(Cut):
            merge(local, pull)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_merge_that_did_not_reach_the_base_is_forgotten(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    base = local.forge.base()
    cut_in_half(local, monkeypatch, kept)
    assert run(local.path, "for-each-ref", JOURNAL)
    local.forge.recover()
    pull = local.forge.pull(1)
    assert (local.forge.base(), pull.state, pull.comments) == (base, State.OPEN, ())
    assert run(local.path, "for-each-ref", JOURNAL) == ""
    merge(local, pull)
    assert local.forge.pull(1).state is State.MERGED


@pytest.mark.parametrize("talk", [False, True])
def test_a_merge_that_reached_the_base_is_finished(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch, talk: bool
) -> None:
    cut_in_half(local, monkeypatch, kept=2)
    assert local.forge.pull(1).state is State.OPEN
    if talk:
        local.forge.comment(1, PERSON, "meanwhile")
    for _ in range(2):
        local.forge.recover()
    pull = local.forge.pull(1)
    assert (pull.state, pull.verdict) == (State.MERGED, MERGED)
    assert [c.body for c in pull.comments] == [*(["meanwhile"] if talk else []), "Merged."]
    assert run(local.path, "for-each-ref", JOURNAL) == ""
    assert run(local.path, "status", "--porcelain") == ""


def test_a_merge_whose_journal_alone_was_left_is_tidied(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_in_half(local, monkeypatch, kept=3)
    assert local.forge.pull(1).state is State.MERGED
    local.forge.recover()
    assert len(local.forge.pull(1).comments) == 1
    assert run(local.path, "for-each-ref", JOURNAL) == ""


def test_a_person_who_undid_the_merge_is_not_overruled(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = local.forge.base()
    cut_in_half(local, monkeypatch, kept=2)
    run(local.path, "reset", "-q", "--hard", base)
    local.forge.recover()
    assert (local.forge.base(), local.forge.pull(1).state) == (base, State.OPEN)
    assert run(local.path, "status", "--porcelain") == ""


def test_a_journal_of_nonsense_is_dropped(local: LocalHub) -> None:
    pull = open_one(local)
    tip = local.repository.ref(store.meta_ref(1)) or ""
    for name in ("1", "99", "x"):
        run(local.path, "update-ref", f"{JOURNAL}/{name}", tip)
    local.forge.recover()
    assert run(local.path, "for-each-ref", JOURNAL) == ""
    assert local.forge.pulls() == (pull,)


def _work(path: Path, seed: int) -> None:
    """What a bot does, over and over, until it is killed."""
    local = LocalHub(path)
    chance = random.Random(seed)
    for turn in range(10_000):
        try:
            local.forge.recover()
            pulls = local.forge.pulls(State.OPEN)
            if not pulls:
                name = f"{seed}-{turn}"
                open_one(local, name, f"rate = {name}\n".encode())
                continue
            _advance(local, pulls[0].number, chance)
        except Conflict:
            continue


def _advance(local: LocalHub, number: int, chance: random.Random) -> None:
    pull = local.forge.pull(number)
    if not pull.attempts:
        local.forge.start(number, attempt(local, pull))
    elif not pull.attempts[0].complete:
        local.forge.record(number, "a1", len(pull.attempts[0].results), {"metric": 1.0})
    elif chance.random() < 0.5:
        base = local.forge.base()
        text = local.repository.read_file(pull.head, "train.py") or b""
        commit = merge_commit(local, pull, text)
        local.forge.merge(
            number, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="Merged."
        )
    else:
        close(local, pull)


def _assert_consistent(local: LocalHub) -> None:
    base = local.forge.base()
    pulls = local.forge.pulls()
    assert [pull.number for pull in pulls] == list(range(1, len(pulls) + 1))
    for pull in pulls:
        assert local.repository.ref(store.head_ref(pull.number)) == pull.head
        assert local.repository.ref(f"refs/heads/{pull.branch}") == pull.head
        assert (pull.state is State.MERGED) == local.repository.is_ancestor(pull.head, base)
        assert len(pull.comments) == (pull.state is not State.OPEN)
        if pull.state is not State.OPEN:
            assert pull.attempts[0].complete
    ledger = run(local.path, "rev-list", "--count", "--first-parent", base)
    assert int(ledger) == 1 + sum(pull.state is not State.OPEN for pull in pulls)
    assert run(local.path, "status", "--porcelain") == ""


def test_sigkill_at_any_moment_leaves_a_consistent_state(local: LocalHub) -> None:
    context = multiprocessing.get_context("fork")
    chance = random.Random(20)
    first = local.forge.base()
    for kill in range(KILLS):
        bot = context.Process(target=_work, args=(local.path, kill))
        bot.start()
        time.sleep(chance.uniform(0.2, 0.6))
        assert bot.pid is not None
        os.kill(bot.pid, signal.SIGKILL)
        bot.join()
        # What is in flight is one git process; it ends by itself and takes its locks along.
        local.forge.recover()
        _assert_consistent(local)
    assert local.repository.is_ancestor(first, local.forge.base())
    assert len(local.forge.pulls()) > 1
    assert run(local.path, "fsck", "--connectivity-only", "--no-dangling") == ""


def test_sigint_lets_git_end_and_leaves_no_lock(local: LocalHub) -> None:
    context = multiprocessing.get_context("fork")
    chance = random.Random(3)
    for stop in range(4):
        ready = context.Event()
        bot = context.Process(target=_interrupted, args=(local.path, 1000 + stop, ready))
        bot.start()
        assert ready.wait(60)
        time.sleep(chance.uniform(0.3, 0.6))
        assert bot.pid is not None
        os.kill(bot.pid, signal.SIGINT)
        bot.join(120)
        assert bot.exitcode == 0
        assert not list((local.path / ".git").rglob("*.lock"))
        local.forge.recover()
        _assert_consistent(local)


def _interrupted(path: Path, seed: int, ready: Event) -> None:
    try:
        ready.set()
        _work(path, seed)
    except KeyboardInterrupt:
        os._exit(0)


def test_two_bots_recover_at_once(local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_in_half(local, monkeypatch, kept=2)
    one, other = local.another_bot(), local.another_bot()
    context = multiprocessing.get_context("fork")
    bots = [context.Process(target=_recover, args=(bot,)) for bot in (one, other)]
    for bot in bots:
        bot.start()
    for bot in bots:
        bot.join()
    assert [bot.exitcode for bot in bots] == [0, 0]
    assert len(local.forge.pull(1).comments) == 1
    assert CLOSED is not local.forge.pull(1).verdict
    assert local.forge.pull(1).state is State.MERGED


def _recover(forge: GitForge) -> None:
    forge.recover()
