"""Several bots on one clone, as real processes: they never collide."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from bot.forge.base import Conflict, NewPull, State
from bot.forge.git.worktree import Worktree
from tests.bot.forge.hub import (
    MERGED,
    PERSON,
    LocalHub,
    attempt,
    merge_commit,
    open_one,
    propose,
    run,
)

Work = Callable[[LocalHub, int], object]


def together(local: LocalHub, count: int, work: Work) -> list[object]:
    """Run `work` in `count` processes that start at the same moment; their answers, in order."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)
    answers: SimpleQueue[tuple[int, object]] = context.SimpleQueue()
    bots = [
        context.Process(target=_one, args=(local.path, work, index, barrier, answers))
        for index in range(count)
    ]
    for bot in bots:
        bot.start()
    found = dict(answers.get() for _ in bots)
    for bot in bots:
        bot.join()
    return [found[index] for index in range(count)]


def _one(
    path: Path,
    work: Work,
    index: int,
    barrier: Barrier,
    answers: SimpleQueue[tuple[int, object]],
) -> None:
    local = LocalHub(path)
    barrier.wait()
    try:
        answers.put((index, work(local, index)))
    except Conflict:
        answers.put((index, "conflict"))
    except BaseException as error:
        answers.put((index, repr(error)))


def test_twenty_openers_get_unique_and_dense_numbers(local: LocalHub) -> None:
    news = [propose(local, str(i), str(i).encode(), f"Idea {i}") for i in range(20)]
    numbers = together(local, 20, lambda hub, i: hub.forge.open(news[i]).number)
    assert sorted(map(str, numbers)) == sorted(map(str, range(1, 21)))
    titles = {pull.number: pull.title for pull in local.forge.pulls()}
    assert titles == {number: f"Idea {i}" for i, number in enumerate(numbers)}


def test_of_many_openers_of_one_branch_one_wins(local: LocalHub) -> None:
    new: NewPull = propose(local)
    answers = together(local, 6, lambda hub, _: hub.forge.open(new).number)
    assert sorted(map(str, answers)) == ["1", *["conflict"] * 5]
    assert len(local.forge.pulls()) == 1


def test_files_that_another_bot_has_just_moved_on_are_no_changes_of_a_person(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"rate = {i + 2}\n".encode() for i in range(2)]
    pulls = [open_one(local, str(i), text) for i, text in enumerate(texts)]
    commits = [merge_commit(local, *pair) for pair in zip(pulls, texts, strict=True)]
    base = local.forge.base()
    check = Worktree.check

    def merged(i: int) -> None:
        ends = {"head": pulls[i].head, "base": base, "commit": commits[i]}
        local.forge.merge(i + 1, **ends, verdict=MERGED, comment="Merged.")

    def late(worktree: Worktree, old: str, new: str) -> None:
        monkeypatch.undo()
        merged(1)
        check(worktree, old, new)

    monkeypatch.setattr(Worktree, "check", late)
    with pytest.raises(Conflict):
        merged(0)
    assert (local.path / "train.py").read_bytes() == texts[1]


def test_of_concurrent_merges_one_wins_and_the_others_change_nothing(local: LocalHub) -> None:
    texts = [f"rate = {i + 2}\n".encode() for i in range(4)]
    pulls = [open_one(local, str(i), text) for i, text in enumerate(texts)]
    commits = [merge_commit(local, *pair) for pair in zip(pulls, texts, strict=True)]
    base = local.forge.base()

    def work(hub: LocalHub, i: int) -> object:
        hub.forge.merge(
            i + 1,
            head=pulls[i].head,
            base=base,
            commit=commits[i],
            verdict=MERGED,
            comment="Merged.",
        )
        return "merged"

    answers = together(local, 4, work)
    assert sorted(map(str, answers)) == ["conflict", "conflict", "conflict", "merged"]
    winner = answers.index("merged")
    assert local.forge.base() == commits[winner]
    local.forge.recover()
    assert run(local.path, "status", "--porcelain") == ""
    assert (local.path / "train.py").read_bytes() == texts[winner]
    for i, pull in enumerate(local.forge.pulls()):
        assert (pull.state is State.MERGED) == (i == winner)
        assert len(pull.comments) == (i == winner)


def test_nobody_s_comment_is_lost(local: LocalHub) -> None:
    open_one(local)
    answers = together(local, 8, lambda hub, i: hub.forge.comment(1, PERSON, str(i)))
    assert answers == [None] * 8
    assert sorted(c.body for c in local.forge.pull(1).comments) == [str(i) for i in range(8)]


@pytest.mark.parametrize("same", [True, False])
def test_runners_that_answer_at_once(local: LocalHub, same: bool) -> None:
    local.forge.start(1, attempt(local, open_one(local), runs=4))

    def work(hub: LocalHub, i: int) -> object:
        hub.forge.record(1, "a1", 0 if same else i, {"by": i})
        return "kept"

    answers = together(local, 4, work)
    results = local.forge.pull(1).attempts[0].results
    if same:
        assert sorted(map(str, answers)) == ["conflict", "conflict", "conflict", "kept"]
        assert results == {0: {"by": answers.index("kept")}}
    else:
        assert results == {i: {"by": i} for i in range(4)}
