"""Whole measurements in containers: training, both predictions, and the score outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.batch import PlannedRun
from runner.request import Conditions
from runner.result import Measurement, Status
from runner.session import Session, open_session
from runner.settings import RunnerSettings
from tests.runner.candidates import CRASHES, EATS_MEMORY, HONEST
from tests.runner.conftest import SETTINGS


@pytest.fixture
def docker_session(
    image: str, interpreter: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Session:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    chosen = {
        **SETTINGS,
        "candidate": {"python": str(interpreter)},
        "sandbox": {**SETTINGS["sandbox"], "backend": "docker", "image": image},
    }
    settings = RunnerSettings.model_validate(chosen)
    return open_session(Conditions(), settings, lambda event: None, unconfined=False)


def test_honest_and_hostile_candidates_get_their_due(docker_session: Session) -> None:
    sources = {"honest": HONEST, "crashes": CRASHES, "greedy": EATS_MEMORY, "again": HONEST}
    planned = [
        PlannedRun(id=name, files={"train.py": source.encode()}, seed=1, smoke=False)
        for name, source in sources.items()
    ]
    with docker_session.batch(lambda event: None) as batch:
        found: list[Measurement] = list(batch.run(planned))
    assert [one.status for one in found] == [
        Status.OK, Status.CRASHED, Status.OUT_OF_MEMORY, Status.OK,
    ]  # fmt: skip
    assert found[0].metric == found[3].metric
    assert found[0].runner_class.sandbox.startswith("docker ")
    assert "image sha256:" in found[0].runner_class.sandbox
