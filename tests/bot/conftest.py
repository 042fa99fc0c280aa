from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.simulation.quick import QuickGit, Store, quick_ledger
from bench.simulation.shaky import repository_on
from bot.git import Repository
from tests.bot import lab


@pytest.fixture
def git_in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Laboratories have nothing checked out, and git's plumbing is answered in this process.

    It is some ten times as fast, for tests of what is done and when, not of git: commit with
    `Lab.commit` and look with `Lab.file` there.
    """
    stores: dict[Path, Store] = {}

    def see(folder: Path) -> Repository:
        if folder not in stores:
            lab.git(folder, "checkout", "-q", "--detach")
            stores[folder] = Store(folder / ".git")
        return repository_on(QuickGit(folder, stores[folder]))

    monkeypatch.setattr(lab, "see", see)
    with quick_ledger(stores):
        yield
