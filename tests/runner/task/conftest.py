"""One tiny data set, shared by the tests of this folder. Nobody changes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from runner.task.prepare import TaskData, prepare

SALT = hashlib.sha256(b"a salt for tests").digest()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TaskData:
    return prepare("tiny", tmp_path_factory.mktemp("cache"), SALT)


@pytest.fixture
def salt() -> bytes:
    return SALT


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
