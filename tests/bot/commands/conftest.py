from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bot.commands.helpers import a_short_history
from tests.bot.lab import Lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab.build(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a short history, made once: copy it, do not change it."""
    folder = tmp_path_factory.mktemp("history") / "project"
    a_short_history(Lab.build(folder))
    return folder


@pytest.fixture
def history(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return Lab.at(folder)
