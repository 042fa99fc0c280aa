"""The person's files: they advance with the base branch, or nothing moves at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bot.forge.base import PullRequest, State, WorktreeDirty
from bot.forge.git.worktree import MARKER, Worktree
from bot.git import GitLocked, Update
from bot.git import process as process_module
from tests.bot.forge.hub import MERGED, LocalHub, close, merge, merge_commit, open_one, run


def status(place: Path) -> str:
    return run(place, "status", "--porcelain", "--untracked-files=all")


def assert_nothing_moved(local: LocalHub, pull: PullRequest, base: str) -> None:
    assert local.forge.base() == base
    assert local.forge.pulls() == (pull,)
    assert local.repository.ref(MARKER) is None


def test_a_clean_working_tree_advances(local: LocalHub) -> None:
    merge(local, open_one(local))
    assert (local.path / "train.py").read_bytes() == b"rate = 2\n"
    assert (local.path / "scratchpad.md").read_bytes() == b"won\n"
    assert status(local.path) == ""
    assert local.repository.ref(MARKER) is None


def test_it_advances_for_a_ledger_commit_too(local: LocalHub) -> None:
    close(local, open_one(local))
    assert (local.path / "scratchpad.md").read_bytes() == b"lost\n"
    assert status(local.path) == ""


def test_a_person_sees_the_move_in_the_reflog(local: LocalHub) -> None:
    merge(local, open_one(local))
    assert run(local.path, "log", "-g", "-1", "--format=%gs", "HEAD") == "forge: #1"


def test_changes_in_other_paths_stay(local: LocalHub) -> None:
    (local.path / "notes.md").write_text("mine\n")
    (local.path / "staged.md").write_text("mine\n")
    run(local.path, "add", "staged.md")
    (local.path / "untracked.md").write_text("mine\n")
    before = status(local.path)
    merge(local, open_one(local))
    assert status(local.path) == before
    assert (local.path / "train.py").read_bytes() == b"rate = 2\n"


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_in_question_makes_the_merge_wait(local: LocalHub, staged: bool) -> None:
    pull, base = open_one(local), local.forge.base()
    (local.path / "train.py").write_text("mine\n")
    if staged:
        run(local.path, "add", "train.py")
    before = status(local.path)
    with pytest.raises(WorktreeDirty, match=r"train\.py.*git stash") as caught:
        merge(local, pull)
    assert caught.value.paths == ("train.py",)
    assert_nothing_moved(local, pull, base)
    assert status(local.path) == before
    assert (local.path / "train.py").read_text() == "mine\n"


def test_a_waiting_merge_goes_through_when_the_change_is_gone(local: LocalHub) -> None:
    pull = open_one(local)
    (local.path / "train.py").write_text("mine\n")
    with pytest.raises(WorktreeDirty):
        merge(local, pull)
    run(local.path, "stash")
    merge(local, pull)
    assert (local.path / "train.py").read_bytes() == b"rate = 2\n"


def test_an_untracked_file_in_the_way_makes_the_merge_wait(local: LocalHub) -> None:
    pull, base = open_one(local), local.forge.base()
    (local.path / "scratchpad.md").write_text("mine\n")
    with pytest.raises(WorktreeDirty) as caught:
        merge(local, pull)
    assert caught.value.paths == ("scratchpad.md",)
    assert_nothing_moved(local, pull, base)
    assert (local.path / "scratchpad.md").read_text() == "mine\n"


@pytest.mark.parametrize(("mine", "theirs"), [("x", "x/y"), ("x/y", "x")])
def test_a_file_where_a_folder_must_come_makes_the_merge_wait(
    local: LocalHub, mine: str, theirs: str
) -> None:
    pull, base = open_one(local), local.forge.base()
    (local.path / mine).parent.mkdir(exist_ok=True)
    (local.path / mine).write_text("mine\n")
    commit = local.commit({theirs: b"theirs\n"}, base, pull.head)
    with pytest.raises(WorktreeDirty) as caught:
        local.forge.merge(1, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="")
    assert caught.value.paths == (mine,)
    assert_nothing_moved(local, pull, base)
    assert (local.path / mine).read_text() == "mine\n"


def test_a_deleted_file_in_question_makes_the_merge_wait(local: LocalHub) -> None:
    pull, base = open_one(local), local.forge.base()
    (local.path / "train.py").unlink()
    run(local.path, "add", "-u")
    with pytest.raises(WorktreeDirty):
        merge(local, pull)
    assert_nothing_moved(local, pull, base)


def test_a_conflict_that_a_person_is_resolving_makes_the_merge_wait(local: LocalHub) -> None:
    pull, base = open_one(local), local.forge.base()
    run(local.path, "checkout", "-q", "-b", "side")
    (local.path / "train.py").write_text("side\n")
    run(local.path, "commit", "-q", "-am", "Side")
    run(local.path, "checkout", "-q", "main")
    (local.path / "train.py").write_text("main\n")
    run(local.path, "commit", "-q", "-am", "Main")
    base = local.forge.base()
    with pytest.raises(Exception, match="merge"):
        run(local.path, "merge", "side")
    before = status(local.path)
    with pytest.raises(WorktreeDirty):
        merge(local, pull)
    assert_nothing_moved(local, pull, base)
    assert status(local.path) == before


def test_a_file_that_only_looks_changed_does_not_wait(local: LocalHub) -> None:
    pull = open_one(local)
    os.utime(local.path / "train.py", (1, 1))
    merge(local, pull)
    assert status(local.path) == ""


def test_a_change_that_is_the_merge_already_is_taken(local: LocalHub) -> None:
    pull = open_one(local)
    (local.path / "train.py").write_bytes(b"rate = 2\n")
    run(local.path, "add", "train.py")
    merge(local, pull)
    assert status(local.path) == ""


def test_another_branch_that_is_checked_out_stays_as_it_is(local: LocalHub) -> None:
    pull = open_one(local)
    run(local.path, "checkout", "-q", "-b", "work")
    (local.path / "train.py").write_text("mine\n")
    commit = merge(local, pull)
    assert local.forge.base() == commit
    assert (local.path / "train.py").read_text() == "mine\n"
    assert run(local.path, "symbolic-ref", "HEAD") == "refs/heads/work"


def test_a_detached_head_stays_as_it_is(local: LocalHub) -> None:
    pull = open_one(local)
    run(local.path, "checkout", "-q", "--detach")
    (local.path / "train.py").write_text("mine\n")
    before = run(local.path, "rev-parse", "HEAD")
    commit = merge(local, pull)
    assert (local.forge.base(), run(local.path, "rev-parse", "HEAD")) == (commit, before)
    assert (local.path / "train.py").read_text() == "mine\n"


def test_a_linked_worktree_with_the_base_branch_advances(local: LocalHub, tmp_path: Path) -> None:
    pull = open_one(local)
    run(local.path, "checkout", "-q", "-b", "work")
    linked = tmp_path / "linked"
    run(local.path, "worktree", "add", "-q", str(linked), "main")
    (local.path / "train.py").write_text("mine\n")
    merge(local, pull)
    assert (linked / "train.py").read_bytes() == b"rate = 2\n"
    assert status(linked) == ""
    assert (local.path / "train.py").read_text() == "mine\n"


def test_a_dirty_linked_worktree_makes_the_merge_wait(local: LocalHub, tmp_path: Path) -> None:
    pull, base = open_one(local), local.forge.base()
    run(local.path, "checkout", "-q", "-b", "work")
    linked = tmp_path / "linked"
    run(local.path, "worktree", "add", "-q", str(linked), "main")
    (linked / "train.py").write_text("mine\n")
    with pytest.raises(WorktreeDirty, match="linked"):
        merge(local, pull)
    assert_nothing_moved(local, pull, base)


def test_a_worktree_whose_folder_is_gone_does_not_matter(local: LocalHub, tmp_path: Path) -> None:
    pull = open_one(local)
    run(local.path, "checkout", "-q", "-b", "work")
    run(local.path, "worktree", "add", "-q", str(tmp_path / "linked"), "main")
    shutil.rmtree(tmp_path / "linked")
    assert merge(local, pull) == local.forge.base()


def test_a_lock_on_the_index_is_named_and_nothing_moves(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "LOCK_PATIENCE_S", 0.0)
    pull, base = open_one(local), local.forge.base()
    commit = merge_commit(local, pull)
    (local.path / ".git" / "index.lock").touch()
    with pytest.raises(GitLocked, match=r"index\.lock.*delete it"):
        local.forge.merge(1, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="")
    assert_nothing_moved(local, pull, base)


def test_line_endings_are_written_as_the_person_wants_them(local: LocalHub) -> None:
    run(local.path, "config", "core.autocrlf", "true")
    run(local.path, "rm", "-q", "--cached", "-r", ".")
    run(local.path, "reset", "-q", "--hard")
    merge(local, open_one(local))
    assert (local.path / "train.py").read_bytes() == b"rate = 2\r\n"
    assert status(local.path) == ""


# A crash between the move of the branch and that of the files


@pytest.fixture
def crashed(local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """Merged, but the bot died before the files could follow."""
    pull = open_one(local)
    with monkeypatch.context() as patched:
        patched.setattr(Worktree, "advance", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            merge(local, pull)
    assert local.forge.pull(1).state is State.MERGED
    assert (local.path / "train.py").read_bytes() == b"rate = 1\n"
    return local


def test_the_next_start_finishes_the_advance(crashed: LocalHub) -> None:
    (crashed.path / "notes.md").write_text("mine\n")
    (crashed.path / "staged.md").write_text("mine\n")
    run(crashed.path, "add", "staged.md")
    crashed.forge.recover()
    assert status(crashed.path) == " M notes.md\nA  staged.md".strip("\n")
    assert (crashed.path / "train.py").read_bytes() == b"rate = 2\n"
    assert crashed.repository.ref(MARKER) is None


def test_the_next_merge_finishes_the_advance_of_the_last_one(crashed: LocalHub) -> None:
    close(crashed, open_one(crashed, "two", b"rate = 5\n"))
    assert (crashed.path / "train.py").read_bytes() == b"rate = 2\n"
    assert (crashed.path / "scratchpad.md").read_bytes() == b"lost\n"
    assert status(crashed.path) == ""


def test_recovery_never_overwrites_a_change(crashed: LocalHub) -> None:
    (crashed.path / "train.py").write_text("mine\n")
    with pytest.raises(WorktreeDirty):
        crashed.forge.recover()
    assert (crashed.path / "train.py").read_text() == "mine\n"
    assert not (crashed.path / "scratchpad.md").exists()
    run(crashed.path, "checkout", "--", "train.py")
    crashed.forge.recover()
    assert status(crashed.path) == ""


def test_recovery_after_some_files_were_written(crashed: LocalHub) -> None:
    (crashed.path / "train.py").write_bytes(b"rate = 2\n")
    (crashed.path / "scratchpad.md").write_bytes(b"won\n")
    crashed.forge.recover()
    assert status(crashed.path) == ""


def test_recovery_after_the_person_has_put_it_right(crashed: LocalHub) -> None:
    run(crashed.path, "reset", "-q", "--hard")
    crashed.forge.recover()
    assert status(crashed.path) == ""
    assert crashed.repository.ref(MARKER) is None


def test_recovery_after_the_person_has_gone_on(crashed: LocalHub) -> None:
    run(crashed.path, "reset", "-q", "--hard")
    (crashed.path / "train.py").write_text("rate = 1\n")
    run(crashed.path, "commit", "-q", "-am", "Back")
    crashed.forge.recover()
    assert (crashed.path / "train.py").read_text() == "rate = 1\n"
    assert status(crashed.path) == ""


def test_without_a_crash_recovery_touches_nothing(local: LocalHub) -> None:
    merge(local, open_one(local))
    (local.path / "train.py").write_text("rate = 1\n")
    run(local.path, "add", "train.py")
    before = status(local.path)
    local.forge.recover()
    assert status(local.path) == before


def test_files_that_cannot_follow_now_follow_later(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pull = open_one(local)
    advance = Worktree.advance

    def late(worktree: Worktree, new: str) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(process_module, "LOCK_PATIENCE_S", 0.0)
            lock = local.path / ".git" / "index.lock"
            lock.touch()
            done = advance(worktree, new)
            lock.unlink()
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Worktree, "advance", late)
        commit = merge(local, pull)
    assert local.forge.base() == commit
    assert "could not follow" in caplog.text
    local.forge.recover()
    assert status(local.path) == ""


def test_a_person_who_moves_main_at_the_same_time_wins(local: LocalHub) -> None:
    pull, base = open_one(local), local.forge.base()
    commit = merge_commit(local, pull)
    (local.path / "notes.md").write_text("new\n")
    run(local.path, "commit", "-q", "-am", "Person")
    moved = local.forge.base()
    with pytest.raises(Exception, match="any more"):
        local.forge.merge(1, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="")
    assert_nothing_moved(local, pull, moved)
    local.repository.update_refs([Update("refs/heads/main", base, moved)], "back")
