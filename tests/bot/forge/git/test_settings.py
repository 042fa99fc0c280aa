"""The user's settings, hooks and odd branch names do not disturb the forge."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.forge.base import Conflict, ForgeError, State
from bot.git import NoIdentity, Repository
from tests.bot.forge.hub import PERSON, LocalHub, attempt, merge, open_one, run
from tests.bot.test_git import TROUBLE


def test_a_whole_experiment_under_hostile_settings(
    local: LocalHub, no_configuration: Path, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-index-change", "post-checkout", "fsmonitor"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {hooks}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    attributes = tmp_path / "attributes"
    attributes.write_text("*.py diff=own\n")
    no_configuration.write_text(TROUBLE.format(hooks=hooks, attributes=attributes))
    pull = open_one(local)
    local.forge.start(1, attempt(local, pull))
    local.forge.record(1, "a1", 0, {"metric": 1.0})
    local.forge.comment(1, PERSON, "Größe \N{SNOWMAN}")
    merge(local, pull)
    done = local.forge.pull(1)
    assert (done.state, done.comments[0].body) == (State.MERGED, "Größe \N{SNOWMAN}")
    assert local.forge.pulls(State.MERGED) == (done,)
    assert not (hooks / "ran").exists()


def test_without_an_identity_nothing_is_opened(local: LocalHub) -> None:
    before = open_one(local)
    run(local.path, "config", "--unset", "user.name")
    forge = type(local.forge)(Repository(local.path), "main")
    with pytest.raises(NoIdentity, match=r"user\.name"):
        forge.comment(1, PERSON, "x")
    assert local.forge.pulls() == (before,)


def test_a_missing_base_branch_is_named(local: LocalHub) -> None:
    forge = type(local.forge)(local.repository, "trunk")
    with pytest.raises(ForgeError, match=r"'trunk'.*bot\.toml"):
        forge.base()


@pytest.mark.parametrize("taken", ["exp", "exp/one/more"])
def test_a_branch_that_is_the_folder_of_another_is_named(local: LocalHub, taken: str) -> None:
    run(local.path, "branch", taken)
    with pytest.raises(ForgeError, match=f"'{taken}' is in its way") as caught:
        open_one(local)
    assert not isinstance(caught.value, Conflict)
    assert local.forge.pulls() == ()


def test_it_works_from_a_linked_worktree(local: LocalHub, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    run(local.path, "worktree", "add", "-q", "-b", "side", str(linked))
    other = LocalHub(linked)
    merge(other, open_one(other))
    assert local.forge.pull(1).state is State.MERGED
    assert (local.path / "train.py").read_bytes() == b"rate = 2\n"
