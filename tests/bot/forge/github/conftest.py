from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.forge.github.auth import TokenCredential
from bot.forge.github.client import GitHubClient
from tests.github.setting import BOT_TOKEN
from tests.github.state import GitHub

MakeClient = Callable[..., GitHubClient]


@pytest.fixture
def waited() -> list[float]:
    """The seconds that clients would have slept."""
    return []


@pytest.fixture
def make_client(github: GitHub, address: str, waited: list[float]) -> MakeClient:
    def make(token: str = BOT_TOKEN, *, timeout_s: int = 30) -> GitHubClient:
        return GitHubClient(
            github.full_name,
            TokenCredential(token),
            address,
            timeout_s=timeout_s,
            between_writes_s=0,
            sleep=waited.append,
            clock=lambda: github.now,
        )

    return make


@pytest.fixture
def client(make_client: MakeClient) -> GitHubClient:
    return make_client()
