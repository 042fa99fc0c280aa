from __future__ import annotations

import contextlib
import os
import signal
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
        workplaces = [str(batch.workplace) for batch in made.batches.values()]
    for process in Path("/proc").glob("[0-9]*"):  # what lives on is what these tests show
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_text(errors="replace")
            if any(place in command for place in workplaces):
                os.kill(int(process.name), signal.SIGKILL)
