from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.forge.base import Forge
from tests.bot.forge.github.hub import GitHubHub
from tests.bot.forge.hub import Hub, LocalHub, first_commit, run
from tests.github.server import running
from tests.github.setting import new_github
from tests.github.state import GitHub


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Git as on a new machine; returns the user's configuration file, to be filled."""
    file = tmp_path / "gitconfig"
    file.write_text("[core]\n\tfsync = none\n")  # tests survive no power cut; disks here are slow
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return file


@pytest.fixture(scope="session")
def fresh_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, to be copied."""
    path = tmp_path_factory.mktemp("fresh")
    first_commit(path)
    return path


@pytest.fixture
def local(tmp_path: Path, fresh_repository: Path, no_configuration: Path) -> LocalHub:
    """A repository of its own with the embedded forge in it."""
    shutil.copytree(fresh_repository, tmp_path / "repository")
    return LocalHub(tmp_path / "repository")


@pytest.fixture
def github(tmp_path: Path, fresh_repository: Path, no_configuration: Path) -> GitHub:
    """A private repository on the model of GitHub, with one commit on main."""
    bare = tmp_path / "github.git"
    shutil.copytree(fresh_repository / ".git", bare)
    run(bare, "config", "core.bare", "true")
    run(bare, "config", "http.receivepack", "true")
    return new_github(bare)


@pytest.fixture
def address(github: GitHub) -> Iterator[str]:
    """Where the model listens."""
    with running(github) as url:
        yield url


@pytest.fixture
def on_github(tmp_path: Path, fresh_repository: Path, github: GitHub, address: str) -> GitHubHub:
    """A clone of that repository with the forge on GitHub in it."""
    shutil.copytree(fresh_repository, tmp_path / "clone")
    return GitHubHub(tmp_path / "clone", github, address)


@pytest.fixture(params=["git", "github"])
def hub(request: pytest.FixtureRequest) -> Hub:
    """Every place that the contract is checked on."""
    made: Hub = request.getfixturevalue({"git": "local", "github": "on_github"}[request.param])
    return made


@pytest.fixture
def forge(hub: Hub) -> Forge:
    return hub.forge
