"""Chains on disk: what people see of them, and what happens when they are damaged."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest

from bot.forge.base import PullRequest, State
from bot.forge.git import store
from bot.forge.git.store import BrokenChain, head_ref, meta_ref
from bot.git import Identity, Repository
from tests.bot.forge.hub import PERSON, LocalHub, attempt, close, merge, open_one, propose, run


def put(
    local: LocalHub, number: int, data: bytes, subject: str = "odd", name: str = "event.json"
) -> str:
    """Append raw bytes to a chain, as a broken program would."""
    repository = local.repository
    tip = repository.ref(meta_ref(number))
    tree = repository.write_tree({name: ("100644", repository.write_blob(data))})
    who = Identity("Ada", "ada@example.org")
    commit = repository.commit_tree(tree, [tip] if tip else [], subject, who, 7)
    run(local.path, "update-ref", meta_ref(number), commit)
    return commit


def test_git_log_tells_the_story(local: LocalHub) -> None:
    pull = local.forge.open(propose(local, title="Raise the rate"))
    local.forge.comment(1, PERSON, "hello")
    merge(local, pull)
    assert run(local.path, "log", "--reverse", "--format=%s|%an", meta_ref(1)).split("\n") == [
        "opened: Raise the rate (#1)|Ada",
        "commented: Raise the rate (#1)|Ada",
        "commented: Raise the rate (#1)|bot",
        "merged: Raise the rate (#1)|bot",
    ]


def test_a_hostile_title_cannot_pretend_a_state(local: LocalHub) -> None:
    pull = local.forge.open(propose(local, title="x\n\nState: closed\nState: merged"))
    assert local.forge.pulls(State.OPEN) == (pull,)
    assert local.forge.pulls(State.CLOSED) == ()


def test_open_pulls_are_found_without_reading_the_closed_ones(local: LocalHub) -> None:
    close(local, open_one(local))
    pull = open_one(local, "two", b"rate = 5\n")
    put(local, 1, b"damaged", "odd\n\nState: closed")
    assert local.forge.pulls(State.OPEN) == (pull,)
    with pytest.raises(BrokenChain):
        local.forge.pulls()


def test_only_new_tips_are_read(local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    close(local, open_one(local))
    pull = open_one(local, "two", b"rate = 5\n")
    assert local.forge.pulls() == (local.forge.pull(1), pull)
    asked: list[tuple[str, ...]] = []
    usual = store._read_tips

    def counting(repository: Repository, *refs: str) -> dict[tuple[str, str], store.Tip]:
        asked.append(refs)
        return usual(repository, *refs)

    monkeypatch.setattr(store, "_read_tips", counting)
    assert local.forge.pulls(State.OPEN) == (pull,)
    assert asked == []
    put(
        local,
        2,
        b'{"version": 1, "at": 5, "kind": "labelled", "labels": ["x"]}',
        "x\n\nState: open",
    )
    run(local.path, "update-ref", "-d", meta_ref(1))
    assert [p.labels for p in local.forge.pulls()] == [frozenset({"x"})]
    assert asked == [(meta_ref(2),)]


def test_a_ref_that_moves_between_two_readings_and_back_is_not_mistaken(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_one(local)
    other = open_one(local, "two", b"rate = 5\n")
    assert local.forge.pulls() == (before, other)
    local.forge.comment(2, PERSON, "a tip that has to be read")
    usual = store._read_tips

    def late(repository: Repository, *refs: str) -> dict[tuple[str, str], store.Tip]:
        monkeypatch.setattr(store, "_read_tips", usual)
        local.forge.comment(2, PERSON, "between")
        return usual(repository, *refs)

    moved = local.repository.ref(meta_ref(2)) or ""
    monkeypatch.setattr(store, "_read_tips", late)
    assert [len(pull.comments) for pull in local.forge.pulls()] == [0, 2]
    run(local.path, "update-ref", meta_ref(2), moved)
    assert [len(pull.comments) for pull in local.forge.pulls()] == [0, 1]


def test_what_was_read_is_not_read_again_and_a_number_is_still_looked_at(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one(local)
    open_one(local, "two", b"rate = 5\n")
    pulls = local.forge.pulls()
    monkeypatch.setattr(store, "_folded", {})
    read: list[str] = []
    usual = store._read_chains

    def counting(repository: Repository, wanted: Sequence[store.Tip]) -> Iterator[PullRequest]:
        read.extend(str(tip.number) for tip in wanted)
        return usual(repository, wanted)

    monkeypatch.setattr(store, "_read_chains", counting)
    assert (local.forge.pulls(), local.forge.pulls(), local.forge.pull(2)) == (
        pulls,
        pulls,
        pulls[1],
    )
    assert read == ["1", "2"]
    local.forge.comment(2, PERSON, "hello")
    assert [len(pull.comments) for pull in local.forge.pulls()] == [0, 1]
    run(local.path, "update-ref", meta_ref(1), local.repository.ref(meta_ref(2)) or "")
    with pytest.raises(BrokenChain, match="It is about #2"):
        local.forge.pulls()


def test_only_so_many_are_kept(local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_KEPT", 2)
    monkeypatch.setattr(store, "_folded", {})
    for number in range(1, 4):
        open_one(local, f"branch-{number}", b"rate = %d\n" % (number + 3))
    assert [pull.number for pull in local.forge.pulls()] == [1, 2, 3]
    assert [pull.number for pull in store._folded.values()] == [2, 3]


def test_a_chain_without_a_state_in_its_message_is_read(local: LocalHub) -> None:
    pull = open_one(local)
    event = b'{"version": 1, "at": 5, "kind": "labelled", "labels": ["x"]}'
    put(local, 1, event)
    assert [p.labels for p in local.forge.pulls(State.OPEN)] == [frozenset({"x"})]
    assert local.forge.pulls(State.CLOSED) == ()
    assert local.forge.pull(1).head == pull.head


@pytest.mark.parametrize(
    "data",
    [
        b"not json",
        b'{"version": 1, "at": 5, "kind": "exploded"}',
        b'{"version": 2, "at": 5, "kind": "labelled", "labels": []}',
        b'{"version": 1, "at": 5, "kind": "measured", "attempt": "a9", "index": 0, "result": {}}',
        b" " * (16 * 1024 * 1024 + 1),
    ],
)
def test_a_damaged_event_is_named_with_ref_and_commit(local: LocalHub, data: bytes) -> None:
    open_one(local)
    commit = put(local, 1, data)
    with pytest.raises(BrokenChain, match=f"{meta_ref(1)} is damaged at commit {commit}"):
        local.forge.pulls()
    with pytest.raises(BrokenChain, match="git update-ref"):
        local.forge.comment(1, PERSON, "hello")


def test_a_commit_without_an_event_is_named(local: LocalHub) -> None:
    open_one(local)
    commit = put(local, 1, b"{}", name="other.json")
    with pytest.raises(BrokenChain, match=f"{commit}.*event.json"):
        local.forge.pull(1)


def test_a_chain_that_is_a_merge_is_refused(local: LocalHub) -> None:
    open_one(local)
    open_one(local, "two", b"rate = 5\n")
    tips = [local.repository.ref(meta_ref(number)) or "" for number in (1, 2)]
    tree = local.repository.tree(tips[0])
    merged = local.repository.commit_tree(tree, tips, "m", Identity("x", "y"), 7)
    run(local.path, "update-ref", meta_ref(1), merged)
    with pytest.raises(BrokenChain, match="merge"):
        local.forge.pull(1)


def test_a_chain_about_another_number_is_refused(local: LocalHub) -> None:
    open_one(local)
    run(local.path, "update-ref", meta_ref(3), meta_ref(1))
    with pytest.raises(BrokenChain, match="about #1"):
        local.forge.pull(3)


def test_a_ref_that_is_no_chain_is_refused_or_ignored(local: LocalHub) -> None:
    pull = open_one(local)
    for name in ("x/meta", "007/meta", "0/meta", "-1/meta", "2/other"):
        run(local.path, "update-ref", f"refs/forge/pulls/{name}", local.forge.base())
    assert local.forge.pulls() == (pull,)
    blob = local.repository.write_blob(b"x")
    run(local.path, "update-ref", meta_ref(5), blob)
    with pytest.raises(BrokenChain, match="blob"):
        local.forge.pulls()


def test_a_ref_to_project_history_is_no_chain(local: LocalHub) -> None:
    run(local.path, "update-ref", meta_ref(1), local.forge.base())
    with pytest.raises(BrokenChain, match=r"event\.json"):
        local.forge.pulls()


def test_a_number_is_never_given_twice(local: LocalHub) -> None:
    open_one(local)
    open_one(local, "two", b"rate = 5\n")
    run(local.path, "update-ref", "-d", meta_ref(2))
    assert open_one(local, "three", b"rate = 6\n").number == 3


def test_garbage_collection_takes_nothing(local: LocalHub) -> None:
    pull = open_one(local)
    merged = local.repository.tree_with(pull.head, {"notes.md": b"only in this tree\n"})
    planned = attempt(local, pull)
    runs = tuple(type(run_)(run_.side, merged, run_.seed, run_.purpose) for run_ in planned.runs)
    local.forge.start(1, type(planned)("a1", planned.base, planned.head, merged, runs, {}))
    local.forge.push(
        1, old=pull.head, new=local.commit({"train.py": b"9\n"}, pull.head), author=PERSON
    )
    local.person_pushes("exp/one", None)
    before = local.forge.pull(1)
    run(local.path, "reflog", "expire", "--expire=now", "--all")
    run(local.path, "gc", "-q", "--prune=now")
    assert local.forge.pull(1) == before
    assert local.repository.read_file(merged, "notes.md") == b"only in this tree\n"
    assert run(local.path, "fsck", "--strict", "--connectivity-only") == ""


def test_a_body_may_be_huge_but_not_endless(local: LocalHub) -> None:
    open_one(local)
    local.forge.comment(1, PERSON, "x" * 5_000_000)
    with pytest.raises(Exception, match="bytes"):
        local.forge.comment(1, PERSON, "x" * 17_000_000)
    assert [len(comment.body) for comment in local.forge.pull(1).comments] == [5_000_000]


def test_many_loose_refs_are_packed_at_the_start(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one(local)
    monkeypatch.setattr("bot.forge.git.forge._MANY_LOOSE", 0)
    before = local.forge.pulls()
    local.forge.recover()
    assert not (local.path / ".git" / head_ref(1)).exists()
    assert local.forge.pulls() == before
    close(local, before[0])


def test_a_repository_with_long_ids_works_too(local: LocalHub) -> None:
    path = local.path.parent / "long"
    subprocess.run(["git", "init", "-q", "-b", "main", "--object-format=sha256", path], check=True)
    for key in ("user.name", "user.email"):
        run(path, "config", key, "x@y")
    (path / "train.py").write_text("rate = 1\n")
    run(path, "add", ".")
    run(path, "commit", "-q", "-m", "First")
    other = LocalHub(path)
    merge(other, open_one(other))
    assert other.forge.pull(1).state is State.MERGED
