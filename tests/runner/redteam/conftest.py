from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.redteam.play import Play, prepared
from runner.settings import RunnerSettings

TOP = Path(__file__).parents[3]


def settings(backend: str) -> RunnerSettings:
    return RunnerSettings.model_validate(
        {
            "candidate": {"python": str(TOP / ".venv-candidate/bin/python")},
            "budget": {"profile": "cpu"},
            "sandbox": {"backend": backend},
        }
    )


@pytest.fixture(scope="session")
def play() -> Iterator[Play]:
    """The suite, ready to be run under bubblewrap."""
    with prepared(TOP, settings("bubblewrap")) as made:
        yield made


@pytest.fixture(scope="session")
def unconfined() -> Iterator[Play]:
    """The same without any sandbox: only for attacks that do no harm."""
    with prepared(TOP, settings("none"), unconfined=True) as made:
        yield made
