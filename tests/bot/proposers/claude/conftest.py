from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.model import Direction, Proposal
from bot.proposers.base import Context
from bot.proposers.claude import ClaudeProposer
from bot.proposers.tables import ClaudeTable
from tests.bot.proposers.claude.server import KEY, Reply, Script, Server

TRAIN = """\
import os

RATE = 1.0
WIDTH = 64


def train(steps):
    return RATE * steps * WIDTH


print(train(10))
"""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def script(server: Server, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A fresh script; the real SDK finds the server through its own variable."""
    server.script = Script()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return server.script


@dataclass
class Researcher:
    """A proposer in front of a scripted model, and what it said and slept."""

    script: Script
    progress: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    proposer: ClaudeProposer | None = None

    def propose(self, context: Context, *replies: Reply, **settings: Any) -> Proposal:
        self.script.replies = list(replies)
        self.proposer = ClaudeProposer(
            ClaudeTable(**settings), progress=self.progress.append, sleep=self.slept.append
        )
        return self.proposer.propose(context)


@pytest.fixture
def researcher(script: Script) -> Researcher:
    return Researcher(script)


@pytest.fixture
def context() -> Context:
    return make_context()


MakeContext = Callable[..., Context]


def make_context(**changes: Any) -> Context:
    """A context with one file and no history."""
    values: dict[str, Any] = {
        "number": 1,
        "seed": 0,
        "files": {"train.py": TRAIN.encode()},
        "entry": "train.py",
        "metric": "mean_rank",
        "direction": Direction.LOWER,
        "baseline": 12.5,
        "history": (),
        "program": "Lower the mean rank.",
    }
    return Context(**{**values, **changes})
