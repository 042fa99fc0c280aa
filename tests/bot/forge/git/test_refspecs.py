"""Pull requests travel with plain fetches and pushes, and never over each other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bot.forge.git import REFSPEC, GitForge, configure_refspecs
from bot.git import GitError, Repository
from tests.bot.forge.hub import PERSON, LocalHub, open_one, run


@pytest.fixture
def shared(local: LocalHub, tmp_path: Path) -> Path:
    path = tmp_path / "shared.git"
    run(tmp_path, "clone", "-q", "--bare", str(local.path), str(path))
    run(local.path, "remote", "add", "origin", str(path))
    run(local.path, "fetch", "-q")
    return path


def test_another_clone_sees_what_was_pushed(local: LocalHub, shared: Path, tmp_path: Path) -> None:
    configure_refspecs(local.repository)
    pull = open_one(local)
    run(local.path, "push", "-q")
    other = tmp_path / "other"
    run(tmp_path, "clone", "-q", str(shared), str(other))
    configure_refspecs(Repository(other))
    run(other, "fetch", "-q")
    assert GitForge(Repository(other), "main").pulls() == (pull,)
    local.forge.comment(1, PERSON, "more")
    run(local.path, "push", "-q")
    run(other, "fetch", "-q")
    assert GitForge(Repository(other), "main").pulls() == local.forge.pulls()


def test_a_chain_that_went_another_way_is_not_overwritten(
    local: LocalHub, shared: Path, tmp_path: Path
) -> None:
    configure_refspecs(local.repository)
    other = tmp_path / "other"
    run(tmp_path, "clone", "-q", str(shared), str(other))
    configure_refspecs(Repository(other))
    for key in ("user.name", "user.email"):
        run(other, "config", key, "x@y")
    open_one(LocalHub(other))
    run(other, "push", "-q")
    mine = open_one(local, "mine", b"rate = 7\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(local.path, "push", "-q")
    with pytest.raises(subprocess.CalledProcessError):
        run(local.path, "fetch", "-q")
    assert local.forge.pulls() == (mine,)


def test_configuring_twice_adds_nothing(local: LocalHub, shared: Path) -> None:
    assert configure_refspecs(local.repository) == (
        f"remote.origin.fetch={REFSPEC}",
        "remote.origin.push=HEAD",
        f"remote.origin.push={REFSPEC}",
    )
    assert configure_refspecs(local.repository) == ()


def test_a_push_refspec_of_the_user_is_kept(local: LocalHub, shared: Path) -> None:
    run(local.path, "config", "remote.origin.push", "refs/heads/x")
    configure_refspecs(local.repository)
    found = run(local.path, "config", "--get-all", "remote.origin.push")
    assert found.split("\n") == ["refs/heads/x", REFSPEC]


@pytest.mark.parametrize("remote", ["nowhere", "-x", ""])
def test_a_missing_remote_says_what_to_do(local: LocalHub, remote: str) -> None:
    with pytest.raises(GitError, match="git remote add"):
        configure_refspecs(local.repository, remote)
