from __future__ import annotations

from pathlib import Path

import pytest

from bench import histories
from bot.audits import ledger as auditlog
from bot.forge.git import GitForge
from bot.git import Repository
from bot.model import Direction
from bot.proposing.place import BOT, Place
from bot.report.data import History, history
from bot.settings import parse
from tests.bot.lab import make_repository

EXPERIMENTS = 120


def make_place(folder: Path, settings: str = "") -> Place:
    repository = Repository(folder)
    return Place(repository, GitForge(repository, "main", bot=BOT), parse(settings.encode()))


@pytest.fixture(scope="session")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with 120 made-up experiments in three phases. Do not change it."""
    folder = make_repository(tmp_path_factory.mktemp("programme") / "project")
    histories.write(folder, EXPERIMENTS, seed=1)
    return folder


@pytest.fixture(scope="session")
def found(programme: Path) -> History:
    entries, audits = auditlog.read(programme, "main")
    return history(entries, audits, "mean_rank", Direction.LOWER)
