from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from tests.bot.forge.hub import run
from tests.github.server import running
from tests.github.setting import BOT_TOKEN, new_github
from tests.github.state import GitHub

MakeClient = Callable[..., GitHubClient]


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
def waited() -> list[float]:
    """The seconds that clients would have slept."""
    return []


@pytest.fixture
def make_client(github: GitHub, address: str, waited: list[float]) -> MakeClient:
    def make(token: str = BOT_TOKEN, **options: float) -> GitHubClient:
        return GitHubClient(
            github.full_name,
            TokenCredential(token),
            address,
            timeout_s=1,
            between_writes_s=0,
            sleep=waited.append,
            clock=lambda: github.now,
            **options,
        )

    return make


@pytest.fixture
def client(make_client: MakeClient) -> GitHubClient:
    return make_client()
