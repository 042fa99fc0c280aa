"""What the embedded forge promises of audits beyond the contract."""

from __future__ import annotations

import pytest

from bot.forge.base import Audit, AuditedWinner, ForgeError, PlannedRun, WorktreeDirty
from bot.forge.git.store import BrokenChain
from bot.model import Purpose, Side
from tests.bot.forge.hub import LocalHub, run

REF = "refs/forge/audits/1"


@pytest.fixture
def audited(local: LocalHub) -> LocalHub:
    tree = local.tree(local.forge.base())
    runs = (PlannedRun(Side.CANDIDATE, tree, 7, Purpose.AUDIT),)
    local.forge.audits.begin(Audit(1, "class", (AuditedWinner(3, tree, tree),), runs, {}))
    return local


def test_refs_of_audits_do_not_travel_with_pull_requests(audited: LocalHub) -> None:
    refs = run(audited.path, "for-each-ref", "--format=%(refname)", "refs/forge").split()
    assert refs == [REF]


def test_messages_tell_no_number(audited: LocalHub) -> None:
    audited.forge.audits.record(1, 0, {"metric": 12.345678, "sealed": {"metric": 98.765432}})
    messages = run(audited.path, "log", "--format=%B", REF)
    assert "12.3" not in messages
    assert "98.7" not in messages


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"version": 1, "at": 1, "kind": "odd"}'])
def test_a_damaged_chain_says_where_and_what_to_do(audited: LocalHub, data: bytes) -> None:
    repository = audited.repository
    tree = repository.write_tree({"event.json": ("100644", repository.write_blob(data))})
    tip = run(audited.path, "rev-parse", REF)
    broken = run(audited.path, "commit-tree", "-p", tip, "-m", "x", tree)
    run(audited.path, "update-ref", REF, broken)
    with pytest.raises(BrokenChain, match="git update-ref"):
        audited.forge.audits.read()


def test_an_audit_that_is_not_here_is_named(local: LocalHub) -> None:
    with pytest.raises(ForgeError, match="no audit 4"):
        local.forge.audits.read([4])


def test_advance_takes_the_checked_out_files_along(local: LocalHub) -> None:
    base = local.forge.base()
    commit = local.commit({"notes.md": b"new\n"}, base)
    local.forge.advance(base=base, commit=commit)
    assert (local.path / "notes.md").read_bytes() == b"new\n"
    assert run(local.path, "status", "--porcelain") == ""


def test_advance_waits_for_a_persons_changes(local: LocalHub) -> None:
    base = local.forge.base()
    commit = local.commit({"notes.md": b"new\n"}, base)
    (local.path / "notes.md").write_bytes(b"mine\n")
    with pytest.raises(WorktreeDirty, match=r"notes\.md"):
        local.forge.advance(base=base, commit=commit)
    assert local.forge.base() == base
    assert (local.path / "notes.md").read_bytes() == b"mine\n"


def test_a_commit_without_changes_is_in_nobodys_way(local: LocalHub) -> None:
    base = local.forge.base()
    (local.path / "notes.md").write_bytes(b"mine\n")
    commit = local.commit({}, base)
    local.forge.advance(base=base, commit=commit)
    assert local.forge.base() == commit
    assert (local.path / "notes.md").read_bytes() == b"mine\n"
