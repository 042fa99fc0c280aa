from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.batch import PlannedRun
from runner.events import Event
from runner.request import Conditions
from runner.result import Measurement
from runner.session import Session, open_session
from runner.settings import RunnerSettings

SETTINGS: dict[str, dict[str, Any]] = {
    "candidate": {"python": sys.executable},
    "task": {"size": "tiny"},
    "budget": {"profile": "cpu", "cpu_s": 10, "grace_s": 5, "predict_s": 20, "smoke_s": 0.5},
    "sandbox": {"memory_gb": 0.5, "output_mb": 16},
}

Measure = Callable[..., list[Measurement]]


@pytest.fixture(scope="session")
def measuring_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with tiny data, prepared by whoever needs it first."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def session(measuring_cache: Path) -> Session:
    """This machine with tiny data, short budgets and the real sandbox."""
    before = os.environ.get("MERGELAB_CACHE")
    os.environ["MERGELAB_CACHE"] = str(measuring_cache)
    try:
        settings = RunnerSettings.model_validate(SETTINGS)
        return open_session(Conditions(), settings, lambda event: None, unconfined=False)
    finally:
        if before is None:
            del os.environ["MERGELAB_CACHE"]
        else:
            os.environ["MERGELAB_CACHE"] = before


@pytest.fixture
def events() -> list[Event]:
    """Everything that `measure` reported."""
    return []


@pytest.fixture
def measure(session: Session, events: list[Event]) -> Measure:
    """Measures candidates, given as (source, seed) or (source, seed, id), in this order."""

    def run(*runs: Sequence[object], smoke: bool = False, hurry: bool = False) -> list[Measurement]:
        planned = [
            PlannedRun(
                id=str(rest[0]) if rest else f"run-{number}",
                files={"train.py": str(source).encode()},
                seed=int(str(seed)),
                smoke=smoke,
            )
            for number, (source, seed, *rest) in enumerate(runs)
        ]
        with (_hurried(session) if hurry else session).batch(events.append) as batch:
            return list(batch.run(planned))

    return run


def _hurried(session: Session) -> Session:
    """The same with half a second of training and half a second of grace."""
    budget = session.settings.budget.model_copy(update={"grace_s": 0.5})
    return replace(
        session,
        settings=session.settings.model_copy(update={"budget": budget}),
        runner_class=session.runner_class.model_copy(update={"budget_s": 0.5}),
    )
